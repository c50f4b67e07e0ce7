import ArgumentParser
import Foundation
import Weir

/// What `weir serve` keeps across a restart, and where.
struct StateOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Keeps releases with their ledger, and what was last admitted of each object, so that a restart serves it while a "
        + "manifest is broken. (default: releases only, in $XDG_STATE_HOME/weir or ~/.local/state/weir)",
      valueName: "dir"),
    completion: .directory, transform: FlagValue.nonEmpty)
  var state: String?

  @Option(
    help: ArgumentHelp(
      "How long a proxy that has disconnected, or was known before a restart, counts as one that may still run with what it "
        + "had, unless its pod is gone from its EndpointSlices. (default: 5m)", valueName: "time"),
    transform: FlagValue.time)
  var departureTime: Duration = .seconds(300)

  @Flag(
    help: ArgumentHelp(
      "Keep nothing: releases, too, end with the process, and it is not known after a restart which proxies there were."
    ))
  var noState = false

  func validate() throws {
    guard let state else { return }
    guard !noState else { throw ValidationError("--state and --no-state exclude each other") }
    if FileManager.default.fileExists(atPath: state) { try requireDirectories([state], named: "--state") }
  }

  /// Where releases are kept; nil for nowhere.
  ///
  /// - Parameter user: the user's state directory, if there is one.
  /// - Throws: `CommandFailure` if there is no place: what a release has promised is not to be lost for a missing variable.
  func releases(ofUser user: String? = ControlPlaneConfiguration.stateOfUser) throws -> String? {
    if let state { return state }
    if noState { return nil }
    guard let user else {
      throw CommandFailure(
        "there is no home directory to keep releases in: name a directory with --state, or say --no-state")
    }
    return user
  }
}
