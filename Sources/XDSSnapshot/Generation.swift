/// The resource types that Weir serves, in the order in which a change must reach a proxy.
public enum ResourceType: Int, Sendable, CaseIterable, Hashable {
  case cluster, endpoint, listener, route
  /// The virtual hosts of a route table that does not hold them itself (VHDS). Delta on an aggregated stream only.
  case virtualHost
  /// The endpoints of an assignment that does not hold them itself (LEDS). Delta on an aggregated stream only.
  case loneEndpoint
}

/// What the resources of a proxy may depend on. Proxies of one class share every resource.
public struct ProxyClass: Sendable, Hashable {
  public enum Kind: String, Sendable, Hashable { case sidecar }
  public var kind: Kind
  public var namespace: String
  /// Where the proxy listens for its application: the outbound HTTP listener's address and port.
  public var listenHost: String
  public var listenPort: UInt16
  /// Whether the proxies can take virtual hosts one by one (VHDS).
  public var takesVirtualHosts: Bool
  /// Whether the proxies get HTTP clusters only when they ask for them by name (ODCDS).
  public var fetchesClusters: Bool

  public init(
    kind: Kind = .sidecar, namespace: String, listenHost: String, listenPort: UInt16, takesVirtualHosts: Bool = false,
    fetchesClusters: Bool = false
  ) {
    self.fetchesClusters = fetchesClusters
    self.takesVirtualHosts = takesVirtualHosts
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
  /// For proxies that take endpoints one by one; nil if none is served so.
  public let loneEndpoints: LoneEndpoints?

  public struct LoneEndpoints: Sendable {
    /// In place of `endpoints`. An assignment without endpoints refers to its collections.
    public var assignments: ResourceTable
    /// The endpoints of all collections. Each refers to its own: a glob, the endpoint's name up to its last `/`, and `*`.
    public var endpoints: ResourceTable

    public init(assignments: ResourceTable, endpoints: ResourceTable) {
      self.assignments = assignments
      self.endpoints = endpoints
    }
  }
  /// What depends on the class.
  public struct ClassTables: Sendable {
    public var listeners: ResourceTable
    public var routes: ResourceTable
    /// For a class that takes virtual hosts one by one.
    public var hostByHost: HostByHost?

    public init(
      listeners: ResourceTable = .init(), routes: ResourceTable = .init(), hostByHost: HostByHost? = nil
    ) {
      self.listeners = listeners
      self.routes = routes
      self.hostByHost = hostByHost
    }
  }
  /// What a proxy gets that takes virtual hosts one by one. All else, and the route tables too, is the same for every proxy
  /// of the class, so that one that goes from the one form to the other finds both while it does.
  public struct HostByHost: Sendable {
    /// The name of the route table without hosts, one of `ClassTables.routes`; each host's name is this, `/` and more.
    public var routeTable: String
    /// In place of `ClassTables.listeners`: they name that route table.
    public var listeners: ResourceTable
    public var virtualHosts: ResourceTable

    public init(routeTable: String, listeners: ResourceTable = .init(), virtualHosts: ResourceTable = .init()) {
      self.routeTable = routeTable
      self.listeners = listeners
      self.virtualHosts = virtualHosts
    }
  }
  public let classes: [ProxyClass: ClassTables]

  public init(
    number: UInt64, clusters: ResourceTable, endpoints: ResourceTable, loneEndpoints: LoneEndpoints? = nil,
    classes: [ProxyClass: ClassTables]
  ) {
    self.loneEndpoints = loneEndpoints
    self.number = number
    self.clusters = clusters
    self.endpoints = endpoints
    self.classes = classes
  }

  /// The same for a class alone, for whoever keeps it for long: what depends on other classes may be much, and goes. O(1).
  public func alone(for proxyClass: ProxyClass) -> Generation {
    // One that many keep is better than one for each, as long as it is small.
    if classes.count <= Self.fewClasses { return self }
    return Generation(
      number: number, clusters: clusters, endpoints: endpoints, loneEndpoints: loneEndpoints,
      classes: classes[proxyClass].map { [proxyClass: $0] } ?? [:])
  }
  private static let fewClasses = 16

  /// The table of a type for a class; nil while the class has not been compiled, and of virtual hosts if it does not take
  /// them one by one.
  public func table(_ type: ResourceType, for proxyClass: ProxyClass) -> ResourceTable? {
    switch type {
    case .cluster: clusters
    case .endpoint: endpoints
    case .listener: classes[proxyClass]?.listeners
    case .route: classes[proxyClass]?.routes
    case .loneEndpoint: loneEndpoints?.endpoints
    case .virtualHost: classes[proxyClass]?.hostByHost?.virtualHosts
    }
  }
}
