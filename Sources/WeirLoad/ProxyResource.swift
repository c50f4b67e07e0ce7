/// The types of resources that a proxy asks for, by their public names: whatever server is measured knows these.
enum ProxyResource: Int, CaseIterable {
  case cluster, endpoint, listener, route
  /// The virtual hosts of a route table that names VHDS as their source.
  case virtualHost
  /// The endpoints of an assignment that names LEDS as their source.
  case localityEndpoint

  var typeURL: String {
    switch self {
    case .cluster: "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    case .endpoint: "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
    case .listener: "type.googleapis.com/envoy.config.listener.v3.Listener"
    case .route: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
    case .virtualHost: "type.googleapis.com/envoy.config.route.v3.VirtualHost"
    case .localityEndpoint: "type.googleapis.com/envoy.config.endpoint.v3.LbEndpoint"
    }
  }

  /// nil for a type that no proxy here asks for.
  init?(typeURL: String) {
    guard let known = Self.allCases.first(where: { $0.typeURL == typeURL }) else { return nil }
    self = known
  }

  /// Whether a proxy that comes back says what it holds: an Envoy does not for LEDS.
  var isClaimed: Bool { self != .localityEndpoint }
}
