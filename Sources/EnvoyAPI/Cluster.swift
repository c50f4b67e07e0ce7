/// Envoy's `envoy.config.cluster.v3.Cluster`, the subset that Weir writes.
///
/// Every cluster is of type EDS and takes its endpoints over ADS, so that a change of endpoints never touches the cluster.
public struct Cluster: Sendable, Hashable {
  /// `outbound|PORT|SUBSET|FQDN`; at the same time the EDS service name.
  public var name: String
  public var connectTimeout: Milliseconds
  public var loadBalancing: LoadBalancing
  /// True where the backends speak HTTP/2 with prior knowledge (h2c): `http2`, `grpc`, `grpc-web`, `kubernetes.io/h2c`.
  public var speaksHTTP2: Bool

  public init(
    name: String, connectTimeout: Milliseconds = Milliseconds(10_000), loadBalancing: LoadBalancing = .leastRequest,
    speaksHTTP2: Bool = false
  ) {
    self.name = name
    self.connectTimeout = connectTimeout
    self.loadBalancing = loadBalancing
    self.speaksHTTP2 = speaksHTTP2
  }

  /// `Cluster.LbPolicy`, with the ring's parameters where it has one.
  public enum LoadBalancing: Sendable, Hashable {
    case roundRobin
    case leastRequest
    case random
    case ringHash(minimumSize: UInt64)
    case maglev(tableSize: UInt64?)
  }
}

/// A duration as Istio's and Envoy's APIs use it: whole milliseconds, never negative.
public struct Milliseconds: Sendable, Hashable, Comparable {
  public var count: UInt64
  public init(_ count: UInt64) { self.count = count }
  public static func < (a: Milliseconds, b: Milliseconds) -> Bool { a.count < b.count }
}
