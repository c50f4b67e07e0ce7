import AdminServer
import ArgumentParser
import EnvoyBootstrap
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

  @Option(
    help: ArgumentHelp("The admin server of `weir serve`. (default: http://127.0.0.1:15014)", valueName: "url"),
    transform: FlagValue.adminURL)
  var admin = HostPort(host: "127.0.0.1", port: 15014)

  @Option(
    help: ArgumentHelp("How long to wait for the answer, in seconds. (default: 5)", valueName: "seconds"),
    transform: FlagValue.positiveSeconds)
  var timeout: Duration = .seconds(5)

  @Flag(help: "Print JSON, as GET /v1/proxies gives it.")
  var json = false

  func run() async throws {
    let proxies: [ProxyReport]
    do {
      proxies = try await AdminClient(host: admin.host, port: admin.port, timeout: timeout).proxies()
    } catch let error as AdminError where error.code == .unreachable {
      throw CommandFailure("\(error.message); is `weir serve` running, and is this its --admin address?")
    }
    if json {
      FileHandle.standardOutput.write(Data(try AdminJSON.encode(ProxyList(proxies: proxies), pretty: true)))
    } else {
      print(ProxyTable(proxies: proxies, now: Date()).text, terminator: "")
    }
  }
}
