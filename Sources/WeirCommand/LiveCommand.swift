import AdminServer
import ArgumentParser

/// `weir live`: is a generation live on all proxies?
struct LiveCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "live",
    abstract: "Ask or wait until a generation is live on all proxies; name those where it is not, and why.",
    discussion: """
      A proxy is live at a generation when it has accepted all that it has for it, and the clusters that its routes name are \
      warm there, by its own word. Proxies that have disconnected count as not live unless they had shown it before.

      The exit code is 0 if it is live, 3 if it is not live in time, and 1 for an error.
      """)

  @Argument(help: "As `weir why` and GET /v1/changes show it. (default: the newest)")
  var generation: UInt64?

  @OptionGroup
  var time: WaitOptions

  @OptionGroup
  var proxies: ScopeOptions

  @Option(
    help: ArgumentHelp(
      "Ask about this service alone, as in reviews.shop: what proxies lack of others does not count.", valueName: "name"
    ))
  var service: String?

  @Option(
    help: ArgumentHelp(
      "With fewer live proxies it is not live; with 0 it is live where nobody is connected. (default: 1)",
      valueName: "n"))
  var atLeast = 1

  @OptionGroup
  var server: ServerOptions

  func validate() throws {
    guard atLeast >= 0 else { throw ValidationError("--at-least: must not be negative") }
  }

  func run() async throws {
    var request = ConvergenceRequest(
      generation: generation, scope: proxies.scope.description, service: service, atLeast: atLeast)
    let report = try await server.ask(within: time.wait ?? .zero) { client, wait in
      request.wait = wait
      return try await client.convergence(request)
    }
    try server.print(report, LiveText(report).text)
    if !report.live { throw ExitCode(3) }
  }
}
