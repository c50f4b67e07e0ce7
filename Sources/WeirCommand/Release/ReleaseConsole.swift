import ArgumentParser
import Foundation
import ReleaseControl
import Weir
import XDSServer

/// What a `weir release` command works with: whom it asks, and where it writes.
struct ReleaseConsole: Sendable {
  var backend: any ReleaseBackend
  /// JSON in place of words.
  var json = false
  /// Takes what goes to standard output.
  var write: @Sendable (String) -> Void
  /// Takes what goes to standard error.
  var complain: @Sendable (String) -> Void

  func print(_ answer: some Encodable, _ text: @autoclosure () -> String) throws {
    if json {
      write(String(decoding: try ReleaseJSON.encode(answer, pretty: true), as: UTF8.self) + "\n")
    } else {
      write(text())
    }
  }

  /// Says how a release is now, and if that is asked for, waits until it is live.
  ///
  /// - Throws: `ExitCode` 3 if it is not live in time.
  func tell(_ status: ReleaseStatus, _ text: String, _ waiting: LiveOptions) async throws {
    guard let time = waiting.time.wait else { return try print(ReleaseAnswer(release: status), text) }
    if !json { write(text) }
    let report = try await backend.live(status.generation, of: status.id, on: waiting.proxies.scope, within: time)
    try print(ReleaseAnswer(release: status, live: report), LiveText(report).text)
    if !report.isLive { throw ExitCode(3) }
  }
}

/// What commands print as JSON that start or move a release, or ask how it is: `live` is there with `--wait`.
struct ReleaseAnswer: Codable {
  var release: ReleaseStatus
  var live: LiveReport?
}

/// Whether to wait until a change is live, and where.
struct LiveOptions: ParsableArguments {
  @OptionGroup
  var time: WaitOptions

  @OptionGroup
  var proxies: ScopeOptions
}

/// A command that asks about releases.
protocol ReleaseAsking: AsyncParsableCommand {
  var server: ServerOptions { get }
  func run(on console: ReleaseConsole) async throws
}

extension ReleaseAsking {
  func run() async throws {
    try await carryOut(
      on: ReleaseConsole(
        backend: try Composition.releases(of: server), json: server.json,
        // One write each, and not through a buffer: whoever reads a pipe sees a line when it is there.
        write: { try? FileHandle.standardOutput.write(contentsOf: Data($0.utf8)) },
        complain: { try? FileHandle.standardError.write(contentsOf: Data($0.utf8)) }))
  }

  /// - Throws: `ExitCode`, when all has been said; anything else is an error that has not been printed.
  func carryOut(on console: ReleaseConsole) async throws {
    do {
      try await run(on: console)
    } catch let error as ReleaseError {
      let message = error.code == .unavailable ? ServerOptions.unreachable(error.message) : error.message
      console.complain("Error: \(TextTable.printable(message))\n")
      throw ExitCode(error.code.exitCode)
    }
  }
}

extension ReleaseError.Code {
  /// What a script can tell apart: 2 is a no to what was understood.
  var exitCode: Int32 {
    switch self {
    case .notAllowed, .alreadyReleased, .stale, .notEnoughCapacity, .keyReused: 2
    case .notLive: 3
    case .invalid, .unknownRelease, .unknownService, .unknownGeneration, .unknownProxy, .notDurable, .unauthorized,
      .unavailable:
      1
    }
  }
}
