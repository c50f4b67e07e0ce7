import EnvoyHarness

/// `weir-load` as a program: what it is asked, and its lines of JSON.
struct LoadTool {
  /// A line of its output.
  struct Event {
    var name: String
    var figures: [String: Double]

    subscript(name: String) -> Double { figures[name] ?? .nan }
  }

  var arguments: [String]

  /// Runs it to its end.
  ///
  /// - Throws: ``HarnessError`` with what it said if it fails.
  func run(in directory: TemporaryDirectory) async throws -> [Event] {
    try await Program("weir-load").lines(arguments + ["--json"], in: directory).map {
      Event(name: $0["event"].string ?? "", figures: $0.numbers)
    }
  }
}

extension [LoadTool.Event] {
  /// The event of that name, of several the one with that number in `field`.
  func first(_ name: String, _ field: String? = nil, _ number: Double = 1) throws -> LoadTool.Event {
    guard let event = first(where: { $0.name == name && (field == nil || $0[field ?? ""] == number) }) else {
      throw HarnessError(.malformed, "weir-load told nothing of \(name)")
    }
    return event
  }
}
