import ArgumentParser
import Foundation

/// `weir`.
@main
struct RootCommand: AsyncParsableCommand {
  static let version = "0.1.0"

  static let configuration = CommandConfiguration(
    commandName: "weir",
    abstract: "An Envoy control plane that follows Service endpoints.",
    discussion: """
      Weir reads Kubernetes and Istio manifests, and keeps connected Envoys routing by them over xDS: every change is live \
      within milliseconds and without a failed request.

      Errors go to stderr; the exit code is 0 or 1; 2 where a release refuses what is asked, and 3 where the answer of a \
      question is no.
      """,
    version: version,
    subcommands: [
      ServeCommand.self, CheckCommand.self, BootstrapCommand.self, ProxiesCommand.self, WhyCommand.self,
      LiveCommand.self, SafeToTerminateCommand.self, ForgetProxyCommand.self, ReleaseCommand.self,
      CompletionsCommand.self,
    ])

  /// As `AsyncParsableCommand.main()`, but whatever goes wrong exits with 1, wrong usage too: scripts know one failure.
  static func main() async {
    do {
      var command = try await asyncParseAsRoot()
      if var command = command as? any AsyncParsableCommand {
        try await command.run()
      } else {
        try command.run()
      }
    } catch let code as ExitCode {
      // The command has said all.
      Foundation.exit(code.rawValue)
    } catch {
      let message = fullMessage(for: error)
      if exitCode(for: error).isSuccess {
        // Help or the version was asked for.
        print(message)
        Foundation.exit(0)
      }
      if !message.isEmpty { FileHandle.standardError.write(Data((message + "\n").utf8)) }
      Foundation.exit(1)
    }
  }
}

/// A command that cannot do its work; the message says why to whoever typed it.
struct CommandFailure: Error, CustomStringConvertible {
  var message: String
  init(_ message: String) { self.message = message }
  var description: String { message }
}
