import EnvoyHarness

/// From a manifest's write to the first request that the new endpoint serves, through a real Envoy: EndToEndBenchmark.
struct EndToEnd: Measurement {
  let name = "end-to-end"

  func measure(_ effort: Effort, in directory: TemporaryDirectory) async throws -> [String: Double] {
    let lines = try await Program("EndToEndBenchmark").lines(
      ["--json", "--changes", effort(quick: "100", full: "500")], in: directory)
    var figures: [String: Double] = [:]
    for line in lines {
      for (name, value) in line.numbers { figures["\(line["protocol"].string ?? "").\(name)"] = value }
    }
    return figures
  }
}
