import ArgumentParser
import Foundation
import ReleaseControl
import Weir

/// Who asks for a change, and why.
struct RequestOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Who asks, for the ledger. (default: the user's name)", valueName: "name"))
  var actor: String?

  @Option(help: ArgumentHelp("Why, for the ledger.", valueName: "text"))
  var reason = ""

  @Option(
    help: ArgumentHelp(
      "The same key with the same request is answered as the first time, and done once.", valueName: "key"),
    transform: FlagValue.nonEmpty)
  var idempotencyKey: String?

  func request(ifRevision: UInt64? = nil) -> ReleaseRequest {
    ReleaseRequest(
      actor: actor ?? NSUserName(), reason: reason, idempotencyKey: idempotencyKey, ifRevision: ifRevision)
  }
}

/// What every action on a release takes.
struct ActionOptions: ParsableArguments {
  @OptionGroup
  var name: ReleaseName

  @OptionGroup
  var request: RequestOptions

  @Option(
    help: ArgumentHelp("Do it only if the release has still this revision, as `status` shows it.", valueName: "number"))
  var ifRevision: UInt64?

  @OptionGroup
  var live: LiveOptions
}

/// A command that moves a release.
protocol ReleaseActing: ReleaseAsking {
  var options: ActionOptions { get }
  var action: ReleaseAction { get }
}

extension ReleaseActing {
  func run(on console: ReleaseConsole) async throws {
    var request = options.request.request(ifRevision: options.ifRevision)
    // What is seen now is approved, and nothing that somebody else's approval leads to meanwhile. Everything else is one request:
    // of two, the second may find nobody.
    if action == .approve, request.ifRevision == nil {
      request.step = try await console.backend.status(of: options.name.release).step
    }
    let status = try await console.backend.perform(action, on: options.name.release, request)
    try await console.tell(status, ReleaseText.line(status) + "\n", options.live)
  }
}

struct SetWeightCommand: ReleaseActing {
  static let configuration = CommandConfiguration(
    commandName: "set-weight", abstract: "Give the candidate a share; the release then moves only when it is told to.",
    discussion: ReleaseCommand.exitCodes)

  @OptionGroup
  var options: ActionOptions

  @Argument(help: "In percent: 20, or 0.05.", transform: FlagValue.weight)
  var weight: Weight

  @OptionGroup
  var server: ServerOptions

  var action: ReleaseAction { .setWeight(weight) }
}

/// An action that needs to be told nothing.
protocol PlainAction {
  static var name: String { get }
  static var abstract: String { get }
  static var action: ReleaseAction { get }
}

/// The command of a plain action.
struct PlainActionCommand<Plain: PlainAction>: ReleaseActing {
  static var configuration: CommandConfiguration {
    CommandConfiguration(commandName: Plain.name, abstract: Plain.abstract, discussion: ReleaseCommand.exitCodes)
  }

  @OptionGroup
  var options: ActionOptions

  @OptionGroup
  var server: ServerOptions

  var action: ReleaseAction { Plain.action }
}

enum Promote: PlainAction {
  static let name = "promote"
  static let abstract = "Give the candidate everything, without the steps between."
  static var action: ReleaseAction { .promote }
}

enum Pause: PlainAction {
  static let name = "pause"
  static let abstract = "Stop at the weight that it has."
  static var action: ReleaseAction { .pause }
}

enum Resume: PlainAction {
  static let name = "resume"
  static let abstract = "Go on from where it was stopped, or from a weight that was set."
  static var action: ReleaseAction { .resume }
}

enum Approve: PlainAction {
  static let name = "approve"
  static let abstract = "Go on after a step that waits for it."
  static var action: ReleaseAction { .approve }
}

enum Rollback: PlainAction {
  static let name = "rollback"
  static let abstract = "Give the stable version everything, at once."
  static var action: ReleaseAction { .rollback }
}

enum Abort: PlainAction {
  static let name = "abort"
  static let abstract = "Take a running release away: routes are as the manifests say."
  static var action: ReleaseAction { .abort }
}

enum Retire: PlainAction {
  static let name = "retire"
  static let abstract = "Take a release away that is over, when the manifests say what it has led to."
  static var action: ReleaseAction { .retire }
}
