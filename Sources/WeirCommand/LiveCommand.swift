import AdminServer
import ArgumentParser
import EnvoyBootstrap
import Foundation

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

  @Option(
    help: ArgumentHelp("How long to wait until it is live: 5, 5s or 500ms. (default: 0)", valueName: "time"),
    transform: FlagValue.wait)
  var wait: Duration = .zero

  @Option(
    help: ArgumentHelp(
      "Which proxies: all, node:ID, nodes:PATTERN, namespace:NAME, or class:sidecar/NAMESPACE/HOST:PORT.",
      valueName: "proxies"))
  var scope = "all"

  @Option(
    help: ArgumentHelp(
      "Ask about this service alone, as in reviews.shop: what proxies lack of others does not count.", valueName: "name"))
  var service: String?

  @Option(help: ArgumentHelp("With fewer live proxies it is not live.", valueName: "n"))
  var atLeast = 0

  @Option(
    help: ArgumentHelp("The admin server of `weir serve`. (default: http://127.0.0.1:15014)", valueName: "url"),
    transform: FlagValue.adminURL)
  var admin = HostPort(host: "127.0.0.1", port: 15014)

  @Option(
    help: ArgumentHelp(
      "How long to wait for the answer beyond --wait, in seconds. (default: 5)", valueName: "seconds"),
    transform: FlagValue.positiveSeconds)
  var timeout: Duration = .seconds(5)

  @Flag(help: "Print JSON, as GET /v1/convergence gives it.")
  var json = false

  func validate() throws {
    guard atLeast >= 0 else { throw ValidationError("--at-least: must not be negative") }
  }

  func run() async throws {
    let report: ConvergenceReport
    do {
      report = try await AdminClient(host: admin.host, port: admin.port, timeout: wait + timeout).convergence(
        ConvergenceRequest(generation: generation, scope: scope, service: service, atLeast: atLeast, wait: wait))
    } catch let error as AdminError where error.code == .unreachable {
      throw CommandFailure("\(error.message); is `weir serve` running, and is this its --admin address?")
    }
    if json {
      FileHandle.standardOutput.write(Data(try AdminJSON.encode(report, pretty: true)))
    } else {
      print(ConvergenceText(report).text, terminator: "")
    }
    if !report.live { throw ExitCode(3) }
  }
}

/// What `weir live` prints.
struct ConvergenceText {
  let text: String

  init(_ report: ConvergenceReport) {
    var lines = [
      "generation \(report.generation) is \(report.live ? "live" : "not live"): \(report.liveCount) of \(report.total) "
        + "\(report.total == 1 ? "proxy" : "proxies")"
    ]
    if report.generation > report.newestGeneration { lines.append("the newest is \(report.newestGeneration)") }
    for proxy in report.proxies where proxy.state != "live" {
      var line = "\(proxy.nodeID) \(proxy.remoteAddress): \(proxy.state)"
      if let since = proxy.disconnectedSince { line += " since \(since.formatted(.iso8601))" }
      if let type = proxy.type { line += " (\(type.rawValue) stream)" }
      lines.append(line)
      lines += proxy.reasons.map { "  " + $0 }
      for refusal in proxy.refusals {
        let parts = refusal.parts.isEmpty ? "" : " (\(refusal.parts.joined(separator: ", ")))"
        lines.append("  NACK \(refusal.type.rawValue) \(refusal.resource)\(parts): \(refusal.reason)")
        lines += refusal.objects.map { "    made of \($0.kind) \($0.name) in \($0.place)" }
      }
    }
    text = lines.map { ProxyTable.printable($0) + "\n" }.joined()
  }
}
