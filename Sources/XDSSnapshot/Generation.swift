/// The resource types that Weir serves, in the order in which a change must reach a proxy.
public enum ResourceType: Int, Sendable, CaseIterable, Hashable {
  case cluster, endpoint, listener, route
}

/// What the resources of a proxy may depend on. Proxies of one class share every resource.
public struct ProxyClass: Sendable, Hashable {
  public enum Kind: String, Sendable, Hashable { case sidecar }
  public var kind: Kind
  public var namespace: String
  /// Where the proxy listens for its application: the outbound HTTP listener's address and port.
  public var listenHost: String
  public var listenPort: UInt16

  public init(kind: Kind = .sidecar, namespace: String, listenHost: String, listenPort: UInt16) {
    self.kind = kind
    self.namespace = namespace
    self.listenHost = listenHost
    self.listenPort = listenPort
  }
}

/// All resources of one type that a class of proxies can have.
public typealias ResourceTable = ReferencedTree<Resource>

/// An immutable state of everything that is served. Generations share all that an edit did not touch.
public final class Generation: Sendable {
  /// Counts publications within this process; never sent as a version.
  public let number: UInt64
  /// The same for every class.
  public let clusters: ResourceTable
  public let endpoints: ResourceTable
  /// What depends on the class.
  public struct ClassTables: Sendable {
    public var listeners: ResourceTable
    public var routes: ResourceTable
    public init(listeners: ResourceTable = .init(), routes: ResourceTable = .init()) {
      self.listeners = listeners
      self.routes = routes
    }
  }
  public let classes: [ProxyClass: ClassTables]

  public init(
    number: UInt64, clusters: ResourceTable, endpoints: ResourceTable, classes: [ProxyClass: ClassTables]
  ) {
    self.number = number
    self.clusters = clusters
    self.endpoints = endpoints
    self.classes = classes
  }

  /// The table of a type for a class; nil while the class has not been compiled.
  public func table(_ type: ResourceType, for proxyClass: ProxyClass) -> ResourceTable? {
    switch type {
    case .cluster: clusters
    case .endpoint: endpoints
    case .listener: classes[proxyClass]?.listeners
    case .route: classes[proxyClass]?.routes
    }
  }
}
