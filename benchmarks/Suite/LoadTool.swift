import EnvoyHarness
import Foundation

/// `weir-load` as a program: what it is asked, and its lines of JSON.
struct LoadTool {
  /// A line of its output.
  struct Event {
    var name: String
    var figures: [String: Double]

    subscript(name: String) -> Double { figures[name] ?? .nan }
  }

  var arguments: [String]

  /// Runs it to its end; its progress goes to ours.
  ///
  /// - Throws: ``HarnessError`` with what it said if it fails.
  func run(in directory: TemporaryDirectory) async throws -> [Event] {
    let program = ProgramFile.ownDirectory + "/weir-load"
    let log = directory.path + "/weir-load.log"
    let process = try await ChildProcess.spawn(program, arguments + ["--json"], logPath: log, readsLines: true)
    var events: [Event] = []
    for await line in process.lines {
      let fields = try JSON(parsing: line).object
      let figures = fields.compactMapValues { if case .number(let value) = $0 { value } else { nil } }
      events.append(Event(name: fields["event"]?.string ?? "", figures: figures))
      Progress.say("  " + line)
    }
    guard await process.waitForExit() == .code(0) else {
      throw HarnessError(.exited, "weir-load \(arguments.joined(separator: " ")) failed:\n\(process.logTail())")
    }
    return events
  }
}

extension [LoadTool.Event] {
  /// The event of that name, of several the one with that number (from 1) in `field`.
  func first(_ name: String, _ field: String? = nil, _ number: Double = 1) throws -> LoadTool.Event {
    guard let event = first(where: { $0.name == name && (field == nil || $0[field ?? ""] == number) }) else {
      throw HarnessError(.malformed, "weir-load told nothing of \(name)")
    }
    return event
  }
}
