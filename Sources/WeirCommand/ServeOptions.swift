import EnvoyBootstrap
import Logging
import Weir

/// What `weir serve` was told, checked.
struct ServeOptions: Sendable, Hashable {
  /// At least one; each existed when the command line was read.
  var manifests: [String]
  var listen: ListenAddresses
  var admin: HostPort
  /// The file of the token that writes over admin HTTP need.
  var adminToken: String?
  /// Where admitted objects outlive a restart; nil keeps them in memory only.
  var state: String?
  /// Where releases and their ledger do; nil keeps them in memory only.
  var releaseState: String?
  var webhooks = WebhooksConfiguration()
  var logLevel: Logger.Level
  /// What clients may ask for.
  var limits = Limits()
  /// Which proxies get virtual hosts one by one.
  var virtualHosts = ControlPlaneConfiguration.VirtualHosts.automatic()
  /// From how many endpoints of a cluster on they come one by one; 0 for never.
  var loneEndpointsFrom = 0
  /// Whether proxies get their clusters when they need them.
  var fetchesClusters = false
  /// How long proxies that have disconnected count.
  var departureTime: Duration = .seconds(300)
  /// How many of the last changes are kept for `weir why`.
  var changes = 100
  /// How long streams and requests under way may take after SIGTERM.
  var drainTime: Duration
}
