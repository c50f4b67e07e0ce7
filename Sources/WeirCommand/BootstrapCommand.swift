import ArgumentParser
import EnvoyBootstrap

/// `weir bootstrap`: prints what a sidecar Envoy starts with.
struct BootstrapCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bootstrap",
    abstract: "Print an Envoy bootstrap for a sidecar.",
    discussion: """
      The output is JSON, which Envoy reads as YAML:

        weir bootstrap --xds 127.0.0.1:15010 --node-id shop-1 > envoy.yaml
        envoy -c envoy.yaml
        weir bootstrap --xds-tls weir.infra:15012 --ca ca.pem --cert web.pem --key web.key --node-id web-1
        weir bootstrap --xds-unix /run/weir/xds.sock --node-id web-1
      """)

  @OptionGroup(title: "Control plane")
  var controlPlane: ControlPlaneOptions

  @Option(help: ArgumentHelp("Names this Envoy among all others.", valueName: "id"), transform: FlagValue.nonEmpty)
  var nodeID: String

  @Option(
    help: ArgumentHelp("The namespace whose short names it resolves. (default: default)", valueName: "ns"),
    transform: FlagValue.namespace)
  var namespace = NodeMetadata.defaultNamespace

  @Option(
    name: .customLong("label"), help: ArgumentHelp("A label of its workload; may be repeated.", valueName: "k=v"),
    transform: FlagValue.workloadLabel)
  var labels: [Label] = []

  @Option(
    help: ArgumentHelp(
      "Where the application reaches it; an IP address. (default: 127.0.0.1:15001)", valueName: "host:port"),
    transform: FlagValue.ipAddress)
  var listen = NodeMetadata.defaultListen

  @Option(
    help: ArgumentHelp(
      "Where Envoy's own admin server listens; an IP address. (default: 127.0.0.1:15000)", valueName: "host:port"),
    transform: FlagValue.ipAddress)
  var admin = HostPort(host: "127.0.0.1", port: 15000)

  @Option(help: ArgumentHelp("How it asks: delta, or sotw (state of the world).", valueName: "protocol"))
  var `protocol`: SidecarBootstrap.DiscoveryProtocol = .delta

  @Flag(
    help:
      "It gets HTTP clusters when a request needs them (ODCDS), with --protocol delta; see `weir serve --on-demand`.")
  var onDemand = false

  func validate() throws {
    if onDemand && `protocol` != .delta { throw ValidationError("--on-demand is for --protocol delta") }
    var seen: Set<String> = []
    for label in labels where !seen.insert(label.key).inserted {
      throw ValidationError("--label: \(label.key) is given twice")
    }
  }

  var bootstrap: SidecarBootstrap {
    var bootstrap = SidecarBootstrap(
      nodeID: nodeID, namespace: namespace,
      labels: Dictionary(labels.map { ($0.key, $0.value) }) { first, _ in first }, xds: controlPlane.address,
      listen: listen, admin: admin, discoveryProtocol: `protocol`)
    if onDemand { bootstrap.onDemand = true }
    return bootstrap
  }

  func run() {
    print(bootstrap.json(), terminator: "")
  }
}

extension SidecarBootstrap.DiscoveryProtocol: ExpressibleByArgument {}
