import ArgumentParser
import EnvoyAPI
import Foundation
import GRPCTransport
import NIOCore
import XDSServer

/// `weir-load`: many simulated proxies against any xDS server.
@main
struct LoadCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "weir-load",
    abstract: "Simulate many proxies against an xDS server, and measure it.",
    discussion: """
      Each proxy has a connection and an ADS stream of its own, subscribes to everything as an Envoy does, and accepts \
      everything. A change is triggered by a URL, a file or a command, so any server can be measured:

        weir-load --xds 127.0.0.1:15010 --proxies 1000 --updates 100 --pid $(pidof weir) \\
          --trigger-file manifests/slice.yaml --trigger-template slice.yaml.template

      Progress goes to stderr, the result to stdout. In the trigger {n} is the number of the change, {octet} a number \
      from 1 to 250, {percent} and {rest} two weights of 100 in all. Several pairs of file and template are several kinds \
      of change, each told by itself. Exits 1 if a proxy could not connect, did not sync in time, or lost its stream.
      """)

  @Option(help: ArgumentHelp("Where the server speaks xDS: HOST:PORT, or unix:PATH.", valueName: "address"))
  var xds: String

  @Option(help: ArgumentHelp("How many proxies.", valueName: "n"))
  var proxies = 100

  @Option(help: ArgumentHelp("What they speak: delta, or sotw (state of the world).", valueName: "protocol"))
  var `protocol`: XDSProtocol = .delta

  @Option(help: ArgumentHelp("How many of them read slowly; they are not waited for.", valueName: "n"))
  var slowReaders = 0

  @Option(help: ArgumentHelp("How long a slow reader rests after each message, in seconds.", valueName: "seconds"))
  var slowPause = 1.0

  @Option(
    help: ArgumentHelp("Before the look at the server's memory in the synced state, in seconds.", valueName: "seconds"))
  var settle = 0.0

  @Option(help: ArgumentHelp("How many changes to trigger of each kind, one after the other.", valueName: "n"))
  var updates = 0

  @Option(
    help: ArgumentHelp("Between one change's last arrival and the next change, in seconds.", valueName: "seconds"))
  var interval = 0.05

  @Option(
    help: ArgumentHelp(
      "Pairs of stretches of changes: all read; then some leave their sockets unread.", valueName: "n"))
  var stalls = 0

  @Option(help: ArgumentHelp("How many do not read in a stretch.", valueName: "n"))
  var stalledReaders = 1

  @Option(help: ArgumentHelp("How long a stretch is, in seconds.", valueName: "seconds"))
  var stallTime = 60.0

  @Option(help: ArgumentHelp("How often all proxies lose their connections and come back.", valueName: "n"))
  var storms = 0

  @Option(help: ArgumentHelp("Triggers a change by an HTTP request.", valueName: "url"))
  var triggerURL: String?

  @Option(help: ArgumentHelp("The request's method.", valueName: "method"))
  var triggerMethod = "POST"

  @Option(help: ArgumentHelp("The request's body.", valueName: "text"))
  var triggerBody: String?

  @Option(help: ArgumentHelp("Triggers a change by writing this file.", valueName: "path"), completion: .file())
  var triggerFile: [String] = []

  @Option(help: ArgumentHelp("What is written to it.", valueName: "path"), completion: .file())
  var triggerTemplate: [String] = []

  @Option(help: ArgumentHelp("Triggers a change by a command of the shell.", valueName: "command"))
  var triggerCommand: String?

  @Option(help: ArgumentHelp("The server's process, to tell its CPU and memory.", valueName: "pid"))
  var pid: Int32?

  @Option(
    name: .customLong("metadata"),
    help: ArgumentHelp("A text of the node's metadata; may be repeated.", valueName: "k=v"))
  var metadata: [String] = []

  @Option(
    help: ArgumentHelp(
      "What the proxies say that they are: a server may serve VHDS and LEDS to envoy/1.40.0 only.",
      valueName: "name/version"))
  var userAgent = "weir-load"

  @Option(help: ArgumentHelp("Event loops.", valueName: "n"))
  var threads = 1

  @Option(help: ArgumentHelp("How long a sync or a change may take, in seconds.", valueName: "seconds"))
  var limit = 60.0

  @Flag(help: "One JSON object a line instead of a table.")
  var json = false

  func validate() throws {
    guard proxies > 0 else { throw ValidationError("--proxies: at least 1") }
    guard (0...proxies).contains(slowReaders) else { throw ValidationError("--slow-readers: from 0 to --proxies") }
    guard threads > 0 else { throw ValidationError("--threads: at least 1") }
    guard updates >= 0, storms >= 0, stalls >= 0 else {
      throw ValidationError("--updates, --storms and --stalls are not negative")
    }
    guard (0...proxies).contains(stalledReaders) else {
      throw ValidationError("--stalled-readers: from 0 to --proxies")
    }
    for (name, value) in [
      ("--slow-pause", slowPause), ("--interval", interval), ("--limit", limit), ("--settle", settle),
      ("--stall-time", stallTime),
    ] {
      guard (0...86_400).contains(value) else { throw ValidationError("\(name): seconds, from 0 to 86400") }
    }
    let kinds = [triggerURL != nil, !triggerFile.isEmpty, triggerCommand != nil].count { $0 }
    guard kinds <= 1 else {
      throw ValidationError("only one of --trigger-url, --trigger-file and --trigger-command")
    }
    guard triggerFile.count == triggerTemplate.count else {
      throw ValidationError("--trigger-file and --trigger-template go together")
    }
    guard kinds == 1 || (updates == 0 && storms == 0 && stalls == 0) else {
      throw ValidationError("--updates, --storms and --stalls need a trigger")
    }
    _ = try target()
    _ = try nodeMetadata()
  }

  private func target() throws -> ListenAddress {
    if xds.hasPrefix("unix:") { return .unix(path: String(xds.dropFirst(5))) }
    guard let colon = xds.lastIndex(of: ":"), let port = Int(xds[xds.index(after: colon)...]),
      (1...65535).contains(port)
    else { throw ValidationError("--xds: HOST:PORT, or unix:PATH") }
    return .tcp(host: String(xds[..<colon].filter { $0 != "[" && $0 != "]" }), port: port)
  }

  private func nodeMetadata() throws -> [String: MetadataValue] {
    try metadata.reduce(into: [:]) { result, text in
      guard let equals = text.firstIndex(of: "=") else { throw ValidationError("--metadata: KEY=VALUE") }
      result[String(text[..<equals])] = .string(String(text[text.index(after: equals)...]))
    }
  }

  private func triggers() throws -> [Trigger] {
    if let triggerURL { return [.url(triggerURL, method: triggerMethod, body: triggerBody)] }
    if let triggerCommand { return [.command(triggerCommand)] }
    return try zip(triggerFile, triggerTemplate).map { file, template in
      .file(path: file, template: try String(contentsOfFile: template, encoding: .utf8))
    }
  }

  func run() async throws {
    raiseDescriptorLimit()
    var fleet = Fleet.Plan(target: try target(), variant: `protocol`, proxies: proxies)
    fleet.slowProxies = slowReaders
    fleet.slowPause = .milliseconds(Int64(slowPause * 1000))
    fleet.keepsVersions = storms > 0
    fleet.metadata = try nodeMetadata()
    fleet.threads = threads
    let agent = userAgent.split(separator: "/", maxSplits: 1).map(String.init)
    fleet.userAgent = (agent.first ?? "", agent.count > 1 ? agent[1] : "")
    let plan = LoadRun.Plan(
      fleet: fleet, triggers: try triggers(), updates: updates, interval: .seconds(interval),
      stalls: .init(pairs: stalls, readers: stalledReaders, duration: .seconds(stallTime)), storms: storms,
      serverProcess: pid, limit: .milliseconds(Int64(limit * 1000)), settling: .seconds(settle))
    try await LoadRun(plan: plan, report: Report(isJSON: json, proxies: proxies)).run()
  }

  /// A descriptor for each proxy; the soft limit is often 1,024.
  private func raiseDescriptorLimit() {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return }
    limit.rlim_cur = limit.rlim_max
    setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit)
  }
}

extension XDSProtocol: ExpressibleByArgument {}
