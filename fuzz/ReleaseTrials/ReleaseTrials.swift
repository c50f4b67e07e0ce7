import ArgumentParser
import EnvoyHarness
import Foundation

/// Releases of a real `weir serve`, moved at random, with everything going on that may go on.
@main
struct ReleaseTrials: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    abstract:
      "Random releases through a real weir serve: killed at random instants, and under load through real Envoys.",
    subcommands: [KillsCommand.self, SoakCommand.self])
}

/// The trial has found something.
struct TrialFailure: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

/// Writes a line at once, also where standard output is a pipe.
func say(_ text: String) {
  FileHandle.standardOutput.write(Data((text + "\n").utf8))
}

/// Subcommands take the same seed.
struct SeedOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Repeats a run's choices. (default: a new one, printed)", valueName: "n"))
  var seed: UInt64?
}

/// A random body for the start of a release, from one version to the other.
func randomSpec(
  of service: String, from: String, to: String, reason: String, using random: inout SeededRandom
) -> String {
  var fields = [
    #""service": "\#(service)""#, #""from": "\#(from)""#, #""to": "\#(to)""#, #""reason": "\#(reason)""#,
    // Endpoints come and go; how many carry what is tested elsewhere.
    #""guardRails": {"capacity": 0}"#,
  ]
  let steps = [[5, 25, 50, 100], [10, 100], [50], [1, 99], [0, 30]].randomElement(using: &random) ?? []
  let list = steps.map { weight in
    Int.random(in: 0..<4, using: &random) == 0 ? #"{"weight": \#(weight), "pause": 0.2}"# : "\(weight)"
  }
  let rule = #"{"headers": {"x-preview": {"present": true}}}"#
  switch Int.random(in: 0..<8, using: &random) {
  case 0..<4: fields.append(#""steps": [\#(list.joined(separator: ", "))]"#)
  case 4..<6:
    let warm = [0, 1].randomElement(using: &random) ?? 0
    fields += [#""strategy": "blueGreen""#, #""rules": [\#(rule)]"#, #""warmTime": \#(warm)"#]
  case 6: fields += [#""strategy": "rules""#, #""rules": [\#(rule)]"#]
  default:
    let steps = [#"{"weight": 0, "mirror": 20}"#, "40"].joined(separator: ", ")
    fields += [#""strategy": "mirrorFirst""#, #""steps": [\#(steps)]"#]
  }
  return "{\(fields.joined(separator: ", "))}"
}

/// What can be asked of a release in its state, as a path and a body; nil if there is nothing.
func randomMove(
  _ status: JSON, reason: String, using random: inout SeededRandom
) -> (action: String, body: String)? {
  let allowed = status["allowedNow"].array.compactMap(\.string)
  guard let action = allowed.randomElement(using: &random) else { return nil }
  if action == "approve" { return (action, #"{"step": \#(status["step"].integer ?? 0), "reason": "\#(reason)"}"#) }
  guard action == "set-weight" else { return (action, #"{"reason": "\#(reason)"}"#) }
  let weight: Double = [0, 0.05, 5, 20, 50, 80, 99.95, 100].randomElement(using: &random) ?? 0
  return ("set-weight", #"{"weight": \#(weight), "reason": "\#(reason)"}"#)
}
