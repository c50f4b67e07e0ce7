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
  ///
  /// - Parameter wait: how long the answer may wait for what is asked.
  func ask<Answer>(waiting wait: Duration = .zero, _ question: (AdminClient) async throws -> Answer) async throws
    -> Answer
  {
    do {
      return try await question(AdminClient(host: server.host, port: server.port, timeout: wait + timeout))
    } catch let error as AdminError where error.code == .unreachable {
      throw CommandFailure(Self.unreachable(error.message))
    }
  }

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
