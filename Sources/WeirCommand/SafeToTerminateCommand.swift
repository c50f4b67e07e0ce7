import AdminServer
import ArgumentParser

/// `weir safe-to-terminate`: can any proxy still pick it?
struct SafeToTerminateCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "safe-to-terminate",
    abstract: "Ask or wait until no proxy can pick an endpoint, or route to a subset, any more.",
    discussion: """
      An endpoint is safe when every proxy has accepted that it is absent or drains; a subset, when no proxy can have a route \
      to it. Requests under way are not waited for. For a hook that runs before a pod stops: with --wait it goes on while the \
      server is being restarted.

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

  @OptionGroup
  var time: WaitOptions

  @OptionGroup
  var server: ServerOptions

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
    let report = try await server.ask(within: time.wait ?? .zero) { client, wait in
      try await client.termination(TerminationRequest(subject, wait: wait))
    }
    try server.print(report, TerminationText(report).text)
    if !report.safe { throw ExitCode(3) }
  }
}

/// What `weir safe-to-terminate` prints.
struct TerminationText {
  let text: String

  init(_ report: TerminationReport) {
    let proxies = "\(report.total) \(report.total == 1 ? "proxy" : "proxies")"
    var lines = [
      report.safe
        ? "safe: none of \(proxies) can pick it" : "not safe: \(report.proxies.count) of \(proxies) can pick it"
    ]
    lines += report.served.map { "it is served in \($0)" }
    for holder in report.proxies {
      let since = holder.disconnectedSince.map { ", not connected since \($0.formatted(.iso8601))" } ?? ""
      let resources = holder.resources.isEmpty ? "not known" : holder.resources.joined(separator: ", ")
      lines.append("\(holder.nodeID) \(holder.remoteAddress): \(resources)\(since)")
    }
    text = lines.map { TextTable.printable($0) + "\n" }.joined()
  }
}
