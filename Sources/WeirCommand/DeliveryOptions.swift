import ArgumentParser
import Weir

/// The flags of `weir serve` that say in what portions a proxy gets its configuration.
struct DeliveryOptions: ParsableArguments {
  enum Choice: String, ExpressibleByArgument, CaseIterable { case auto, on, off }

  @Option(
    help: ArgumentHelp(
      "Virtual hosts one by one (VHDS), for Envoys on a delta ADS stream. auto: for those that start while there are as many "
        + "as --vhds-threshold; who comes back keeps what it has. Others get all hosts in their route table.",
      valueName: "auto|on|off"))
  var vhds: Choice = .auto

  @Option(
    help: ArgumentHelp("From how many virtual hosts on --vhds auto is on. (default: 200)", valueName: "count"),
    transform: FlagValue.count)
  var vhdsThreshold: Int?

  @Option(
    help: ArgumentHelp(
      "From how many endpoints of a cluster on they come one by one (LEDS), to Envoys on a delta ADS stream; 0 for never. It "
        + "pays where thousands change often: one by one an endpoint takes six times the bytes, and a proxy that comes back is "
        + "sent all of them. (default: 0)", valueName: "count"),
    transform: FlagValue.threshold)
  var ledsThreshold = 0

  @Flag(
    help: ArgumentHelp(
      "HTTP clusters come when a request needs them (ODCDS), to Envoys on a delta ADS stream that do not say themselves "
        + "(`weir bootstrap --on-demand`). It pays for sidecars that talk to few of many services."))
  var onDemand = false

  func validate() throws {
    if vhdsThreshold != nil && vhds != .auto { throw ValidationError("--vhds-threshold is for --vhds auto") }
  }

  var virtualHosts: ControlPlaneConfiguration.VirtualHosts {
    switch vhds {
    case .on: .always
    case .off: .never
    case .auto: vhdsThreshold.map { .automatic(threshold: $0) } ?? .automatic()
    }
  }
}
