import AdminServer
import ArgumentParser
import Foundation

/// `weir forget-proxy`: a proxy that has disconnected will not come back.
struct ForgetProxyCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "forget-proxy",
    abstract: "Take a proxy that has disconnected to be gone for good, so that nobody waits for it.",
    discussion: """
      A proxy that has disconnected may still run with what it had, and counts for --departure-time of `weir serve`. One whose \
      pod Kubernetes has taken out of its EndpointSlices is let go by itself. Releases that wait to be live have this in their \
      history.
      """)

  @Argument(help: "The proxy's node id, as `weir live` shows it.")
  var node: String

  @Option(help: ArgumentHelp("Who asks, for the ledger. (default: the user's name)", valueName: "name"))
  var actor: String?

  @Option(help: ArgumentHelp("Why, for the ledger.", valueName: "text"))
  var reason = ""

  @OptionGroup
  var server: ServerOptions

  func run() async throws {
    let token = try server.token()
    let answer = try await server.ask {
      try await $0.forgetProxy(node, actor: actor ?? NSUserName(), reason: reason, token: token)
    }
    let streams = answer.forgotten == 1 ? "" : " (\(answer.forgotten) streams)"
    try server.print(answer, TextTable.printable("proxy \(answer.node) is forgotten\(streams)") + "\n")
  }
}
