import AdminServer
import ArgumentParser
import EnvoyBootstrap
import Foundation

/// `weir safe-to-terminate`: can any proxy still pick it?
struct SafeToTerminateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "safe-to-terminate",
    abstract: "Ask or wait until no proxy can pick an endpoint, or route to a subset, any more.",
    discussion: """
      An endpoint is safe when every proxy has accepted that it is absent or drains; a subset, when no proxy can have a route \
      to it. Requests under way are not waited for. For a hook that runs before a pod stops.

      The exit code is 0 if it is safe, 3 if it is not safe in time, and 1 for an error.
      """)

  @Argument(help: "IP:PORT of an endpoint, as in an EndpointSlice.")
  var address: String?

  @Option(help: ArgumentHelp("A service, as in reviews.shop, in place of an endpoint.", valueName: "name"))
  var service: String?

  @Option(help: ArgumentHelp("A subset of the service. (default: the whole service)", valueName: "name"))
  var subset: String?

  @Option(help: ArgumentHelp("A port of the service. (default: all that it has)", valueName: "port"))
  var port: UInt16?

  @Option(
    help: ArgumentHelp("How long to wait until it is safe: 30, 30s or 500ms. (default: 0)", valueName: "time"),
    transform: FlagValue.wait)
  var wait: Duration = .zero

  @Option(
    help: ArgumentHelp("The admin server of `weir serve`. (default: http://127.0.0.1:15014)", valueName: "url"),
    transform: FlagValue.adminURL)
  var admin = HostPort(host: "127.0.0.1", port: 15014)

  @Option(
    help: ArgumentHelp(
      "How long to wait for the answer beyond --wait, in seconds. (default: 5)", valueName: "seconds"),
    transform: FlagValue.positiveSeconds)
  var timeout: Duration = .seconds(5)

  @Flag(help: "Print JSON, as GET /v1/safe-to-terminate gives it.")
  var json = false

  func validate() throws {
    guard (address == nil) != (service == nil) else { throw ValidationError("an address or --service, not both") }
    guard service != nil || (subset == nil && port == nil) else {
      throw ValidationError("--subset and --port are for --service, which is missing")
    }
  }

  func run() async throws {
    let subject: TerminationRequest.Subject
    if let address {
      subject = .endpoint(address)
    } else {
      subject = .subset(subset ?? "", service: service ?? "", port: port)
    }
    let report: TerminationReport
    do {
      report = try await AdminClient(host: admin.host, port: admin.port, timeout: wait + timeout)
        .termination(TerminationRequest(subject, wait: wait))
    } catch let error as AdminError where error.code == .unreachable {
      throw CommandFailure("\(error.message); is `weir serve` running, and is this its --admin address?")
    }
    if json {
      FileHandle.standardOutput.write(Data(try AdminJSON.encode(report, pretty: true)))
    } else {
      print(TerminationText(report).text, terminator: "")
    }
    if !report.safe { throw ExitCode(3) }
  }
}

/// What `weir safe-to-terminate` prints.
struct TerminationText {
  let text: String

  init(_ report: TerminationReport) {
    let proxies = "\(report.total) \(report.total == 1 ? "proxy" : "proxies")"
    var lines = [
      report.safe ? "safe: none of \(proxies) can pick it" : "not safe: \(report.proxies.count) of \(proxies) can pick it"
    ]
    lines += report.served.map { "it is served in \($0)" }
    for holder in report.proxies {
      let since = holder.disconnectedSince.map { ", not connected since \($0.formatted(.iso8601))" } ?? ""
      let resources = holder.resources.isEmpty ? "not known" : holder.resources.joined(separator: ", ")
      lines.append("\(holder.nodeID) \(holder.remoteAddress): \(resources)\(since)")
    }
    text = lines.map { ProxyTable.printable($0) + "\n" }.joined()
  }
}
