import EnvoyHarness

/// One of a thousand proxies stops reading for a while, and changes go on. Stretches with and without it, in turn.
struct StalledReader: Measurement {
  let name = "stalled-reader"
  private let pairs = 5

  func measure(_ effort: Effort, in directory: TemporaryDirectory) async throws -> [String: Double] {
    let seconds = effort(quick: 5, full: 60)
    let scene = try await FanOutScene.start(
      Mesh(services: 1000), flags: FanOutScene.wholeRouteTables, in: directory)
    let events: [LoadTool.Event]
    do {
      let arguments = await scene.arguments(proxies: 1000, protocol: .delta) + scene.endpointTrigger
      events = try await LoadTool(
        arguments: arguments + [
          "--stalls", "\(pairs)", "--stall-time", "\(seconds)", "--interval", "0.05", "--updates", "20",
        ]
      ).run(in: directory)
    } catch {
      await scene.stop()
      throw error
    }
    await scene.stop()

    var figures: [String: Double] = ["seconds": Double(seconds)]
    var (ratios, growth): ([Double], [Double]) = ([], [])
    for pair in 1...pairs {
      let both = events.filter { $0.name == "stall" && $0["pair"] == Double(pair) }
      guard let calm = both.first(where: { $0["stalled_readers"] == 0 }),
        let stalled = both.first(where: { $0["stalled_readers"] == 1 })
      else { throw HarnessError(.malformed, "weir-load told nothing of pair \(pair)") }
      figures["pair\(pair).calm_p99_ms"] = calm["p99_ms"]
      figures["pair\(pair).stalled_p99_ms"] = stalled["p99_ms"]
      figures["pair\(pair).calm_growth_kib"] = calm["server_growth_kib"]
      figures["pair\(pair).stalled_growth_kib"] = stalled["server_growth_kib"]
      figures["pair\(pair).stalled_most_growth_kib"] = stalled["server_most_growth_kib"]
      figures["pair\(pair).given_up"] = stalled["given_up"]
      figures["pair\(pair).changes"] = stalled["changes"]
      figures["pair\(pair).not_received"] = calm["not_received"] + stalled["not_received"]
      ratios.append(stalled["p99_ms"] / calm["p99_ms"])
      growth.append(stalled["server_most_growth_kib"])
    }
    figures["median_ratio"] = ratios.sorted()[pairs / 2]
    figures["growth_kib"] = growth.max()
    figures["response_bytes"] = try events.first("changes")["bytes_per_stream_and_change"]
    return figures
  }
}
