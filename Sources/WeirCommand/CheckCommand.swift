import AdminServer
import ArgumentParser
import Foundation
import TrafficModel

/// `weir check`: what `weir serve` would say of the manifests.
struct CheckCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Show every problem in directories of manifests.",
    discussion: """
      Prints a line `FILE:LINE: SEVERITY: OBJECT: FIELD: MESSAGE` for each problem. An error means that the object is \
      refused, a warning that it is served without the part named. Exits with 1 if there is an error.
      """)

  @Argument(
    help: ArgumentHelp("Directories of manifests, checked together.", valueName: "dir"), completion: .directory)
  var directories: [String]

  @Flag(help: "Print JSON: {\"errors\", \"problems\", \"warnings\"}.")
  var json = false

  func validate() throws {
    try requireDirectories(directories, named: "<dir>")
  }

  func run() async throws {
    let result = CheckResult(problems: try await Composition.check(directories))
    FileHandle.standardOutput.write(Data(json ? try result.json() : Array(result.text.utf8)))
    FileHandle.standardError.write(Data((result.summary + "\n").utf8))
    if result.errors > 0 { throw ExitCode.failure }
  }
}

/// What a check found, in the order of the files.
struct CheckResult {
  var problems: [Problem]

  init(problems: [Problem]) { self.problems = problems.sorted(by: Problem.precedes) }

  var errors: Int { problems.count { $0.severity == .error } }

  /// A line each; a line break inside a message becomes a space.
  var text: String {
    problems.map { $0.description.split(whereSeparator: \.isNewline).joined(separator: " ") + "\n" }.joined()
  }

  func json() throws -> [UInt8] {
    try AdminJSON.encode(ProblemList(problems: problems.map(ProblemReport.init)), pretty: true)
  }

  var summary: String {
    let warnings = problems.count - errors
    return "weir check: "
      + (problems.isEmpty ? "no problems" : "\(count(errors, "error")), \(count(warnings, "warning"))")
  }

  private func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }
}
