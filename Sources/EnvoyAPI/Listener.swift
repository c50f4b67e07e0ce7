/// `envoy.config.listener.v3.Listener`, outbound.
public struct Listener: Sendable, Hashable {
  public var name: String
  public var address: String
  public var port: UInt16
  public var kind: Kind

  public init(name: String, address: String, port: UInt16, kind: Kind) {
    self.name = name
    self.address = address
    self.port = port
    self.kind = kind
  }

  public enum Kind: Sendable, Hashable {
    /// An HTTP connection manager that takes its routes by RDS over ADS; codec by detection (HTTP/1.1 and h2c), WebSocket
    /// upgrades allowed, and the router as its last filter.
    ///
    /// - Parameter fetchesClusters: a request to a cluster that the proxy does not have waits while it is asked for (ODCDS),
    ///   over ADS.
    case http(routeConfiguration: String, fetchesClusters: Bool = false)
    /// A TCP proxy to one cluster.
    case tcp(cluster: String)
  }
}
