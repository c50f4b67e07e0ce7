/// The type URLs of the resources that Weir serves (xDS protocol, "Resource types").
public enum TypeURL {
  public static let cluster = "type.googleapis.com/envoy.config.cluster.v3.Cluster"
  public static let endpoint = "type.googleapis.com/envoy.config.endpoint.v3.ClusterLoadAssignment"
  public static let listener = "type.googleapis.com/envoy.config.listener.v3.Listener"
  public static let route = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration"
  public static let lbEndpoint = "type.googleapis.com/envoy.config.endpoint.v3.LbEndpoint"
  public static let virtualHost = "type.googleapis.com/envoy.config.route.v3.VirtualHost"
}

/// A `google.protobuf.Value`, as node metadata carries it.
public indirect enum MetadataValue: Sendable, Hashable {
  case null
  case number(Double)
  case string(String)
  case bool(Bool)
  case object([String: MetadataValue])
  case list([MetadataValue])
}

/// `envoy.config.core.v3.Node`: who is asking.
public struct NodeIdentity: Sendable, Hashable {
  public var id: String
  public var cluster: String
  public var metadata: [String: MetadataValue]
  public var region: String
  public var zone: String
  public var userAgentName: String
  /// `user_agent_version` or the numeric build version, as text; empty if the client gave none.
  public var userAgentVersion: String

  public init(
    id: String, cluster: String = "", metadata: [String: MetadataValue] = [:], region: String = "", zone: String = "",
    userAgentName: String = "", userAgentVersion: String = ""
  ) {
    self.id = id
    self.cluster = cluster
    self.metadata = metadata
    self.region = region
    self.zone = zone
    self.userAgentName = userAgentName
    self.userAgentVersion = userAgentVersion
  }
}

/// `google.rpc.Status` in a request: the client refused the response that the request's nonce names (NACK).
public struct ErrorDetail: Sendable, Hashable {
  public var code: Int32
  public var message: String
  public init(code: Int32, message: String) {
    self.code = code
    self.message = message
  }
}

/// `envoy.service.discovery.v3.DiscoveryRequest` (state of the world).
public struct DiscoveryRequest: Sendable, Hashable {
  public var versionInfo = ""
  public var node: NodeIdentity?
  public var resourceNames: [String] = []
  public var typeURL = ""
  public var responseNonce = ""
  public var errorDetail: ErrorDetail?
  public init() {}
}

/// `envoy.service.discovery.v3.DeltaDiscoveryRequest` (incremental).
public struct DeltaDiscoveryRequest: Sendable, Hashable {
  public var node: NodeIdentity?
  public var typeURL = ""
  public var resourceNamesSubscribe: [String] = []
  public var resourceNamesUnsubscribe: [String] = []
  public var initialResourceVersions: [String: String] = [:]
  public var responseNonce = ""
  public var errorDetail: ErrorDetail?
  public init() {}
}

/// `envoy.service.discovery.v3.DiscoveryResponse`, as a client decodes it.
public struct DiscoveryResponse: Sendable, Hashable {
  public var versionInfo = ""
  public var typeURL = ""
  public var nonce = ""
  /// The `value` of each `Any`.
  public var resources: [[UInt8]] = []
  public init() {}
}

/// `envoy.service.discovery.v3.DeltaDiscoveryResponse`, as a client decodes it.
public struct DeltaDiscoveryResponse: Sendable, Hashable {
  public struct Resource: Sendable, Hashable {
    public var name: String
    public var version: String
    /// The `value` of the `Any`; nil for a resource without a body (a heartbeat).
    public var body: [UInt8]?
    public init(name: String, version: String, body: [UInt8]?) {
      self.name = name
      self.version = version
      self.body = body
    }
  }
  public var systemVersionInfo = ""
  public var typeURL = ""
  public var nonce = ""
  public var resources: [Resource] = []
  public var removedResources: [String] = []
  public init() {}
}
