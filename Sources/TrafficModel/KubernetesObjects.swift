/// A Kubernetes `Service` (core/v1).
public struct KubernetesService: Sendable, Hashable {
  public var id: NamespacedName
  /// `clusterIP: None`.
  public var isHeadless: Bool
  public var ports: [ServicePort]
  public var selector: [String: String]

  public init(id: NamespacedName, isHeadless: Bool = false, ports: [ServicePort], selector: [String: String] = [:]) {
    self.id = id
    self.isHeadless = isHeadless
    self.ports = ports
    self.selector = selector
  }

  /// `NAME.NAMESPACE.svc.DOMAIN`.
  public func fullyQualifiedName(clusterDomain: String) -> String {
    String(joining: id.name, ".", id.namespace, ".svc.", clusterDomain)
  }
}

public struct ServicePort: Sendable, Hashable {
  /// May be empty if the service has one port only.
  public var name: String
  public var port: UInt16
  public var applicationProtocol: ApplicationProtocol

  public init(name: String, port: UInt16, applicationProtocol: ApplicationProtocol) {
    self.name = name
    self.port = port
    self.applicationProtocol = applicationProtocol
  }
}

/// What a port speaks, from `appProtocol` or else from the port's name (`http`, `http-web`, `grpc-api`, …) as Istio's
/// "Protocol Selection" says. A port that declares nothing is plain TCP.
public enum ApplicationProtocol: String, Sendable, Hashable {
  case http
  /// HTTP/2 without TLS: `http2`, `grpc`, `grpc-web`, `kubernetes.io/h2c`.
  case http2
  /// Everything that is passed through as bytes: `tcp`, `tls`, `https`, `mongo`, `mysql`, `redis`, and undeclared.
  case tcp

  public var isHTTP: Bool { self != .tcp }
}

/// A Kubernetes `EndpointSlice` (discovery.k8s.io/v1).
public struct EndpointSlice: Sendable, Hashable {
  public var id: NamespacedName
  /// The label `kubernetes.io/service-name`: the service in the same namespace that it belongs to.
  public var service: String
  public var ports: [Port]
  public var endpoints: [Endpoint]

  public init(id: NamespacedName, service: String, ports: [Port], endpoints: [Endpoint]) {
    self.id = id
    self.service = service
    self.ports = ports
    self.endpoints = endpoints
  }

  public struct Port: Sendable, Hashable {
    /// Equals the name of the service's port.
    public var name: String
    public var port: UInt16
    public init(name: String, port: UInt16) {
      self.name = name
      self.port = port
    }
  }

  public struct Endpoint: Sendable, Hashable {
    /// IPv4 or IPv6 literals, validated: a name here would terminate an Envoy.
    public var addresses: [String]
    public var state: State
    public var zone: String?
    public var nodeName: String?
    /// The pod behind it (`targetRef` of kind Pod).
    public var pod: NamespacedName?

    public init(
      addresses: [String], state: State = .ready, zone: String? = nil, nodeName: String? = nil,
      pod: NamespacedName? = nil
    ) {
      self.addresses = addresses
      self.state = state
      self.zone = zone
      self.nodeName = nodeName
      self.pod = pod
    }

    /// From the conditions `ready`, `serving`, `terminating`.
    public enum State: String, Sendable, Hashable {
      case ready
      /// Terminating, but still serving: gets no new requests unless nothing else is there.
      case draining
      /// Gets nothing.
      case notReady
    }
  }
}

/// A Kubernetes `Pod`: its labels decide which subsets its endpoints belong to.
public struct Pod: Sendable, Hashable {
  public var id: NamespacedName
  public var labels: [String: String]
  public var nodeName: String?

  public init(id: NamespacedName, labels: [String: String], nodeName: String? = nil) {
    self.id = id
    self.labels = labels
    self.nodeName = nodeName
  }
}

/// A Kubernetes `Node`: where its pods are (`topology.kubernetes.io/region` and `/zone`).
public struct KubernetesNode: Sendable, Hashable {
  public var name: String
  public var region: String
  public var zone: String

  public init(name: String, region: String, zone: String) {
    self.name = name
    self.region = region
    self.zone = zone
  }
}

/// A Kubernetes `Namespace`.
public struct KubernetesNamespace: Sendable, Hashable {
  public var name: String
  public var labels: [String: String]

  public init(name: String, labels: [String: String] = [:]) {
    self.name = name
    self.labels = labels
  }
}
