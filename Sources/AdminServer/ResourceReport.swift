/// The resource types by the short names that the admin API uses.
public enum ResourceKind: String, Codable, Sendable, Hashable, CaseIterable {
  case cluster, endpoint, listener, route
  case virtualHost = "virtual_host"
  case loneEndpoint = "lb_endpoint"

  /// The xDS type URL.
  public var typeURL: String {
    switch self {
    case .cluster: "type.googleapis.com/envoy.config.cluster.v3.Cluster"
    case .endpoint: "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
    case .listener: "type.googleapis.com/envoy.config.listener.v3.Listener"
    case .route: "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
    case .loneEndpoint: "type.googleapis.com/envoy.config.endpoint.v3.LbEndpoint"
    case .virtualHost: "type.googleapis.com/envoy.config.route.v3.VirtualHost"
    }
  }

  /// From a short name or a type URL.
  public init?(text: String) {
    guard let kind = Self.allCases.first(where: { $0.rawValue == text || $0.typeURL == text }) else { return nil }
    self = kind
  }
}

/// Which resources are asked for; nil means any.
public struct ResourceQuery: Sendable, Hashable {
  public var type: ResourceKind?
  /// A resource's whole name.
  public var name: String?
  /// The namespace of a class of proxies. Resources that all classes share match any namespace.
  public var namespace: String?

  public init(type: ResourceKind? = nil, name: String? = nil, namespace: String? = nil) {
    self.type = type
    self.name = name
    self.namespace = namespace
  }
}

/// One resource as it is served.
public struct ResourceReport: Codable, Sendable, Hashable {
  public var type: ResourceKind
  public var name: String
  public var version: String
  /// The class of proxies that it is for; nil if every class shares it.
  public var proxyClass: ClassReport?
  /// The message, by protobuf's JSON mapping.
  public var body: JSONValue

  public init(type: ResourceKind, name: String, version: String, proxyClass: ClassReport? = nil, body: JSONValue) {
    self.type = type
    self.name = name
    self.version = version
    self.proxyClass = proxyClass
    self.body = body
  }

  public struct ClassReport: Codable, Sendable, Hashable {
    public var kind: String
    public var namespace: String
    /// `HOST:PORT`.
    public var listen: String

    public init(kind: String, namespace: String, listen: String) {
      self.kind = kind
      self.namespace = namespace
      self.listen = listen
    }
  }
}
