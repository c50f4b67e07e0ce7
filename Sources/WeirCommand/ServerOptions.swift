import AdminServer
import ArgumentParser
import EnvoyBootstrap
import Foundation
import XDSServer

/// Which server a command asks, and how it prints the answer: the same flags with every command that asks one.
struct ServerOptions: ParsableArguments {
  static let usual = HostPort(host: "127.0.0.1", port: 15014)

  @Option(
    name: [.customLong("server"), .customLong("admin")],
    help: ArgumentHelp(
      "The admin server of `weir serve`, its --admin address. (default: http://127.0.0.1:15014)", valueName: "url"),
    transform: FlagValue.adminURL)
  var server = ServerOptions.usual

  @Option(
    help: ArgumentHelp("How long to wait for an answer beyond --wait, in seconds. (default: 5)", valueName: "seconds"),
    transform: FlagValue.positiveSeconds)
  var timeout: Duration = .seconds(5)

  @Option(
    help: ArgumentHelp(
      "A file with the token that the server wants for changes, if it has an --admin-token-file.", valueName: "file"),
    completion: .file(), transform: FlagValue.nonEmpty)
  var tokenFile: String?

  @Flag(help: "Print JSON, as the HTTP API gives it.")
  var json = false

  /// Asks the admin server.
  func ask<Answer>(_ question: (AdminClient) async throws -> Answer) async throws -> Answer {
    try await ask(within: .zero) { client, _ in try await question(client) }
  }

  /// Asks the admin server something that may take its time to become so. As long as there is time it is asked again: one that has
  /// gone comes back, and where as many wait as may somebody leaves. Who waits before a pod is stopped must not hear an error because
  /// the server is being replaced.
  ///
  /// - Parameter question: with how long the answer may wait.
  func ask<Answer>(
    within time: Duration, _ question: (AdminClient, _ wait: Duration) async throws -> Answer
  ) async throws -> Answer {
    let clock = ContinuousClock()
    let end = clock.now + time
    var pause = Self.pauses.first
    while true {
      let wait = max(end - clock.now, .zero)
      do {
        return try await question(AdminClient(host: server.host, port: server.port, timeout: wait + timeout), wait)
      } catch let error as AdminError where error.code == .unreachable || error.code == .unavailable {
        let message = error.code == .unreachable ? Self.unreachable(error.message) : error.message
        guard clock.now + pause < end else { throw CommandFailure(message) }
        if pause == Self.pauses.first {
          FileHandle.standardError.write(Data("\(message) It is asked again until the time is over.\n".utf8))
        }
      }
      try await clock.sleep(for: pause)
      pause = min(pause * 2, Self.pauses.longest)
    }
  }

  /// Before it is asked again; doubled each time.
  private static let pauses = (first: Duration.milliseconds(100), longest: Duration.seconds(2))

  /// - Throws: `CommandFailure` if the file cannot be read.
  func token() throws -> String? {
    guard let tokenFile else { return nil }
    do {
      return try String(contentsOfFile: tokenFile, encoding: .utf8).trimmingCharacters(in: .whitespacesAndNewlines)
    } catch {
      throw CommandFailure("--token-file: \(tokenFile) cannot be read: \(error.localizedDescription)")
    }
  }

  static func unreachable(_ message: String) -> String {
    "\(message); is `weir serve` running, and is this its --admin address?"
  }

  /// Prints an answer: as JSON if that was asked for, else in words.
  func print(_ answer: some Encodable, _ text: @autoclosure () throws -> String) throws {
    if json {
      FileHandle.standardOutput.write(Data(try AdminJSON.encode(answer, pretty: true)))
    } else {
      Swift.print(try text(), terminator: "")
    }
  }
}

/// How long a command waits until the answer is yes.
struct WaitOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "How long to wait until it is so: 5, 5s or 500ms, at most 10m. Without it the command does not wait.",
      valueName: "time"),
    transform: FlagValue.wait)
  var wait: Duration?
}

/// Which proxies a command is about.
struct ScopeOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Which proxies: all, node:ID, nodes:PATTERN, namespace:NAME, or class:sidecar/NAMESPACE/HOST:PORT. (default: all)",
      valueName: "proxies"),
    transform: FlagValue.scope)
  var scope = ProxyScope.all
}
