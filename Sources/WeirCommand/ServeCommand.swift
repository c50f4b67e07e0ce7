import ArgumentParser
import EnvoyBootstrap
import Foundation
import Logging
import UnixSignals
import Weir

/// `weir serve`: the control plane itself.
struct ServeCommand: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "serve",
    abstract: "Serve the manifests of directories to Envoys.",
    discussion: """
      Watches the directories and pushes each change. When it serves, it prints one line of JSON to stdout with the \
      addresses that it is bound to; logs go to stderr. SIGTERM or SIGINT drains and exits 0; a second one exits at once.
      """)

  @Option(
    parsing: .upToNextOption,
    help: ArgumentHelp("Directories of manifests, watched.", valueName: "dir"),
    completion: .directory)
  var manifests: [String]

  @OptionGroup(title: "xDS")
  var listen: ListenOptions

  @Option(
    help: ArgumentHelp(
      "Where health, metrics and status are served; port 0 takes a free one. (default: 127.0.0.1:15014)",
      valueName: "host:port"),
    transform: FlagValue.address)
  var admin = HostPort(host: "127.0.0.1", port: 15014)

  @Option(
    help: ArgumentHelp(
      "A file with the token that starting and moving releases over HTTP needs; read again when it changes.",
      valueName: "file"),
    completion: .file(), transform: FlagValue.nonEmpty)
  var adminTokenFile: String?

  @OptionGroup(title: "State")
  var state: StateOptions

  @OptionGroup(title: "Webhooks")
  var webhooks: WebhookOptions

  @Option(
    help: ArgumentHelp(
      "How many of the last changes are kept for `weir why`; 0 records none. (default: 100)", valueName: "count"),
    transform: FlagValue.countKept)
  var changes = 100

  @Option(help: ArgumentHelp("The least of what is logged.", valueName: "level"))
  var logLevel: Logger.Level = .info

  @Option(
    help: ArgumentHelp("How long draining may take, in seconds. (default: 10)", valueName: "seconds"),
    transform: FlagValue.seconds)
  var drainTime: Duration = .seconds(10)

  @OptionGroup(title: "Portions")
  var delivery: DeliveryOptions

  @OptionGroup(title: "Limits")
  var limits: LimitOptions

  func validate() throws {
    guard !manifests.isEmpty else { throw ValidationError("--manifests: name at least one directory") }
    try requireDirectories(manifests, named: "--manifests")
  }

  func options(
    descriptors: Int, stateOfUser: String? = ControlPlaneConfiguration.stateOfUser
  ) throws -> ServeOptions {
    ServeOptions(
      manifests: manifests, listen: listen.addresses, admin: admin, adminToken: adminTokenFile, state: state.state,
      releaseState: try state.releases(ofUser: stateOfUser), webhooks: try webhooks.configuration(), logLevel: logLevel,
      limits: limits.limits(descriptors: descriptors), virtualHosts: delivery.virtualHosts,
      loneEndpointsFrom: delivery.ledsThreshold, fetchesClusters: delivery.onDemand,
      departureTime: state.departureTime, changes: changes,
      drainTime: drainTime)
  }

  func run() async throws {
    TimeSlice.shortenAll()
    // Trapped before anything starts, so that no signal finds the process half-way.
    let signals = await UnixSignalsSequence(trapping: .sigterm, .sigint)
    LoggingSystem.bootstrap { [logLevel] label in LogfmtHandler(label: label, logLevel: logLevel) }
    let logger = Logger(label: "weir")
    let descriptors = DescriptorLimit.raise(logger)
    let options = try options(descriptors: descriptors)
    if options.limits.connections > LimitOptions.connections(descriptors: descriptors) {
      logger.warning(
        "More connections are allowed than there are file descriptors for",
        metadata: ["--max-connections": "\(options.limits.connections)", "descriptors": "\(descriptors)"])
    }
    let session = ServeSession(
      options: options, logger: logger, start: Composition.serve,
      announce: { line in
        // One write, and not through a buffer: whoever started the process waits for this line.
        try FileHandle.standardOutput.write(contentsOf: Data((line + "\n").utf8))
      },
      exitAtOnce: { _exit(1) })
    try await session.run(signals: signals)
  }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}
