import EnvoyHarness
import Foundation

/// The compiler by itself: CompileBenchmark, at several numbers of services.
struct Compile: Measurement {
  let name = "compile"

  func measure(_ effort: Effort, in directory: TemporaryDirectory) async throws -> [String: Double] {
    let sizes = effort(quick: ["1000", "100000"], full: ["100", "1000", "10000", "100000"])
    let lines = try await Program("CompileBenchmark").lines(
      sizes + [
        // As `weir serve` has it: what was recomputed, and why, is recorded.
        "--json", "--recording", "--repeats", effort(quick: "300", full: "1000"),
        "--full-repeats", effort(quick: "3", full: "7"),
      ],
      in: directory)
    var figures: [String: Double] = [:]
    for line in lines {
      let services = line["services"].integer ?? 0
      let edit = line["edit"].string
      let name =
        switch line["figure"].string {
        case "full": "full"
        case "cold": "cold.\(services)"
        case "edit": "\(edit ?? "").\(services)"
        default: ""
        }
      guard !name.isEmpty else { continue }
      for (field, value) in line.numbers where field != "services" { figures["\(name).\(field)"] = value }
    }
    return figures
  }
}

/// A program of this package, built beside this one.
struct Program {
  private let path: String
  private let name: String

  init(_ name: String) {
    self.name = name
    path = ProgramFile.ownDirectory + "/" + name
  }

  /// Runs it to its end, and reads the lines of JSON that it prints; each is passed on as progress.
  ///
  /// - Throws: ``HarnessError`` if it fails, with the end of what it said.
  func lines(_ arguments: [String], in directory: TemporaryDirectory) async throws -> [JSON] {
    let process = try await ChildProcess.spawn(
      path, arguments, logPath: "\(directory.path)/\(name).log", readsLines: true)
    var lines: [JSON] = []
    for await line in process.lines {
      Progress.say("  " + line)
      lines.append(try JSON(parsing: line))
    }
    guard await process.waitForExit() == .code(0) else {
      throw HarnessError(.exited, "\(name) \(arguments.joined(separator: " ")) failed:\n\(process.logTail())")
    }
    return lines
  }
}

extension JSON {
  /// An object's members that are numbers.
  var numbers: [String: Double] {
    object.compactMapValues { if case .number(let value) = $0 { value } else { nil } }
  }
}
