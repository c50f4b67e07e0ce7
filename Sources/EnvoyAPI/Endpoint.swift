/// One locality of a `ClusterLoadAssignment` (`envoy.config.endpoint.v3.LocalityLbEndpoints`).
///
/// An assignment's bytes are those of its name field followed by those of each locality: protobuf lets the elements of a
/// repeated field be concatenated, so each locality is encoded once and shared.
public struct LocalityEndpoints: Sendable, Hashable {
  public var region: String
  public var zone: String
  public var endpoints: [LbEndpoint]

  public init(region: String, zone: String, endpoints: [LbEndpoint]) {
    self.region = region
    self.zone = zone
    self.endpoints = endpoints
  }
}

/// `envoy.config.endpoint.v3.LbEndpoint` with an IP address. A name or a malformed address must never reach Envoy.
public struct LbEndpoint: Sendable, Hashable {
  /// An IPv4 or IPv6 address in text form, validated by whoever builds this value.
  public var address: String
  public var port: UInt16
  public var health: Health

  public init(address: String, port: UInt16, health: Health) {
    self.address = address
    self.port = port
    self.health = health
  }

  /// `envoy.config.core.v3.HealthStatus`; an endpoint that drains keeps its connections and gets no new request.
  public enum Health: Sendable, Hashable { case healthy, draining }
}
