public import NIOCore
internal import ReleaseStores
public import TransportSecurity

/// How a control plane is set up.
public struct ControlPlaneConfiguration: Sendable {
  /// Directories of Kubernetes and Istio manifests; watched.
  public var manifests: [String]
  /// Where proxies connect.
  public var listeners: [XDSListener]
  /// Where the admin HTTP server listens; nil for none.
  public var admin: (host: String, port: Int)?
  /// The file of the token that writes over admin HTTP need (releases); nil lets everybody write who reaches the server.
  public var adminToken: String?
  /// The directory that keeps the admitted set, and releases, across restarts; nil keeps nothing.
  public var state: String?
  /// The directory that keeps releases and their ledger; nil for `state`. The user's own is ``stateOfUser``.
  public var releaseState: String?
  /// Who is told of releases and who is asked; nobody by default.
  public var webhooks = WebhooksConfiguration()
  /// The suffix of services' names.
  public var clusterDomain: String
  /// Threads that proxies' connections are spread over; by default one a core.
  public var eventLoops: Int
  /// How TLS handshakes and changes of certificate files are timed.
  public var certificateTiming = ServerCertificates.Timing()
  /// Whether a client has to leave when its certificate expires, or when the authority that signed it is taken out of the client
  /// CA's file. Otherwise it is let in no longer, and stays if it is there.
  public var drainsUntrustedClients = false
  /// What proxies, and whatever else connects, may ask for.
  public var limits: Limits
  /// How long a proxy that has disconnected, or that the process before this one knew and this one has not seen yet, counts as one
  /// that may still run with what it had. One that Kubernetes has ended (`ProxyPlaces`) is let go at once, and any by
  /// ``ControlPlane/forgetProxy(_:_:)``.
  public var departureTime = Duration.seconds(300)
  /// How many of the last changes are kept, with what ran and why, for `GET /v1/changes`; 0 records nothing.
  public var changes = 100
  /// Which proxies get virtual hosts one by one.
  public var virtualHosts = VirtualHosts.automatic()
  /// From how many endpoints of a cluster on they come one by one (LEDS), to Envoys on a delta ADS stream; 0 for never.
  ///
  /// One by one, a change costs the endpoint that changed. But an endpoint then takes six times the bytes, and a proxy that
  /// comes back cannot say which it has, so it is sent all of them: it pays where thousands of endpoints change often.
  public var loneEndpointsFrom = 0
  /// Whether Envoys on a delta ADS stream get HTTP clusters only when a request needs them (ODCDS), if they do not say
  /// themselves. It pays for sidecars that talk to few of many services; the first request to each waits for its cluster.
  public var fetchesClusters = false

  /// Which proxies get virtual hosts one by one (VHDS) instead of in their route table; only Envoys on a delta ADS stream can.
  ///
  /// One by one, a change costs the host that changed, instead of all of them, on the wire and in the proxy. But a proxy that
  /// is told to go from one form to the other replaces its listener, which ends connections that last longer than its drain
  /// time; and a few hosts fit into a packet or two anyhow.
  public enum VirtualHosts: Sendable, Hashable {
    case always
    case never
    /// For a proxy that starts while there are so many hosts, or more; one that comes back keeps the form that it has.
    case automatic(threshold: Int = 200)
  }

  /// `$XDG_STATE_HOME/weir`, or `~/.local/state/weir`; nil if there is no home directory. It is not made by this.
  public static var stateOfUser: String? { StateDirectory.ofUser() }

  public init(
    manifests: [String], listeners: [XDSListener] = [.tcp(host: "127.0.0.1", port: 15010)],
    admin: (host: String, port: Int)? = ("127.0.0.1", 15014), state: String? = nil,
    clusterDomain: String = "cluster.local", eventLoops: Int = System.coreCount,
    limits: Limits = Limits()
  ) {
    self.manifests = manifests
    self.listeners = listeners
    self.admin = admin
    self.state = state
    self.clusterDomain = clusterDomain
    self.eventLoops = eventLoops
    self.limits = limits
  }
}
