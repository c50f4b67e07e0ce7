import AdminServer
import ArgumentParser
import Foundation

/// `weir proxies`: who is connected, and what each holds.
struct ProxiesCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "proxies",
    abstract: "Show the connected proxies: version held per type, lag, NACKs with reason.",
    discussion: """
      LAG counts the generations of a type that the proxy has not accepted yet; 0 is up to date. Below a proxy stand the \
      responses that it refused (NACK), and what is held back from it until something else has arrived.
      """)

  @OptionGroup
  var server: ServerOptions

  func run() async throws {
    let proxies = try await server.ask { try await $0.proxies() }
    try server.print(ProxyList(proxies: proxies), ProxyTable(proxies: proxies, now: Date()).text)
  }
}
