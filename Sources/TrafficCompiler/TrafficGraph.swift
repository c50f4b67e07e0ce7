import IncrementalGraph
import TrafficModel
import XDSSnapshot

/// The collections of the compiler and what each is made from, in two graphs: clusters and endpoints in one,
///
///     destinationRules ─▶ rulesByService ─▶ policies ──┐
///     destinationRules, services ─▶ ruleProblems       │
///     services ──────────────────────────▶ clusterSpecs ─▶ clusters
///                                              │
///     slices, pods, nodes, policies ─▶ sliceParts ─▶ assignments
///
/// routes and listeners in the other,
///
///     virtualServices ─▶ writtenHosts ─▶ claims ─▶ claimsByHost ─▶ hostClaims ─▶ wildcardOwners
///     services ───────────────────────────────────────────────────────▲
///     services, hostClaims, wildcardOwners, virtualServices, routePolicies, releases ─▶ serviceHosts
///     hostClaims, virtualServices, services, routePolicies, releases ─▶ ownHosts
///
///     services ─▶ portClaims ─▶ portOwners ─▶ portListeners (for the addresses of the classes), serviceProblems
///
/// which knows the services as the first one does, and of its policies those that say something to routes. So no edit of endpoints
/// comes near the routes, and a large first batch can settle in both at once.
final class TrafficGraph {
  let clusterGraph: Graph
  let routeGraph: Graph

  let services: Input<NamespacedName, Box<KubernetesService>>
  let slices: Input<NamespacedName, Box<SliceFacts>>
  let pods: Input<NamespacedName, PodFacts>
  let nodes: Input<String, NodeFacts>
  let destinationRules: Input<NamespacedName, Box<DestinationRule>>
  let virtualServices: Input<NamespacedName, Box<VirtualService>>
  /// `services`, as the routes' graph knows them.
  let routedServices: Input<NamespacedName, Box<KubernetesService>>
  /// Those `policies` that say something to routes.
  let routePolicies: Input<NamespacedName, Box<HostPolicy>>
  let classes: Input<ProxyClass, Bool>
  /// By service.
  let releases: Input<NamespacedName, [ReleaseOverlay]>

  /// The slices of a service.
  let slicesByService: Index<NamespacedName, Box<SliceFacts>, NamespacedName>
  let sliceParts: FlatMap<NamespacedName, Box<SliceFacts>, SlicePart.Key, Box<SlicePart>>
  /// By service.
  let policies: Map<NamespacedName, Members<NamespacedName>, Box<HostPolicy>>
  let ruleProblems: Map<NamespacedName, Box<DestinationRule>, [Problem]>
  /// By cluster name.
  let clusterSpecs: FlatMap<NamespacedName, Box<KubernetesService>, String, Box<ClusterSpec>>
  let clusters: Map<String, Box<ClusterSpec>, Resource>
  let assignments: Map<String, Box<ClusterSpec>, Box<Assignment>>
  /// By namespace.
  let wildcardOwners: Map<String, Bool, NamespacedName>
  let hostClaims: Map<HostKey, Members<HostClaim>, Box<HostClaims>>
  let serviceHosts: Map<NamespacedName, Box<KubernetesService>, Box<ServiceHosts>>
  let ownHosts: Map<HostKey, Box<HostClaims>, [Fragment]>
  let httpListeners: Map<ListenAddress, Bool, Resource>
  /// By port.
  let portListeners: Map<UInt16, NamespacedName, PortListeners>
  let serviceProblems: Map<NamespacedName, Box<KubernetesService>, [Problem]>

  /// - Parameter loneEndpointsFrom: how many endpoints make them resources of their own; 0 for never.
  init(clusterDomain: String, loneEndpointsFrom: Int = 0, checksReads: Bool) {
    let graph = Graph(checksReads: checksReads)
    clusterGraph = graph
    let services = graph.input("services", NamespacedName.self, Box<KubernetesService>.self)
    let slices = graph.input("slices", NamespacedName.self, Box<SliceFacts>.self)
    let pods = graph.input("pods", NamespacedName.self, PodFacts.self)
    let nodes = graph.input("nodes", String.self, NodeFacts.self)
    let destinationRules = graph.input("destinationRules", NamespacedName.self, Box<DestinationRule>.self)

    // Clusters and endpoints.
    let rulesByService = graph.index("rulesByService", of: destinationRules) { _, rule in
      rule.content.service(clusterDomain: clusterDomain)
    }
    let policies = graph.map("policies", from: rulesByService, reading: [destinationRules]) { service, rules, read in
      Box(HostPolicy(service: service, rules: rules.compactMap { read(destinationRules, $0) }))
    }
    let ruleProblems = graph.map("ruleProblems", from: destinationRules, reading: [services]) {
      _, rule, read -> [Problem]? in
      let problems = rule.content.problems(clusterDomain: clusterDomain) { read(services, $0) != nil }
      return problems.isEmpty ? nil : problems
    }
    let clusterSpecs = graph.flatMap("clusterSpecs", from: services, reading: [policies]) {
      id, service, read, emit in
      ClusterSpec.all(of: service.content, policy: read(policies, id), clusterDomain: clusterDomain, emit)
    }
    let clusters = graph.map("clusters", from: clusterSpecs) { name, spec, _ in spec.content.resource(named: name) }
    let slicesByService = graph.index("slicesByService", of: slices) { id, slice in
      NamespacedName(namespace: id.namespace, name: slice.content.service)
    }
    let sliceParts = graph.flatMap("sliceParts", from: slices, reading: [pods, nodes, policies]) {
      id, slice, read, emit in
      let service = NamespacedName(namespace: id.namespace, name: slice.content.service)
      slice.content.parts(
        id, subsets: read(policies, service)?.content.subsets ?? [], pod: { read.lent(pods, $0) },
        node: { read.lent(nodes, $0) }, emit)
    }
    let assignments = graph.map("assignments", from: clusterSpecs, reading: [slicesByService, sliceParts]) {
      name, spec, read in
      let spec = spec.content
      let parts = read(slicesByService, spec.service)?.compactMap {
        read(sliceParts, SlicePart.Key(slice: $0, portName: spec.portName, subset: spec.subset))
      }
      return Box(Assignment(cluster: name, spec: spec, parts: parts ?? [], loneFrom: loneEndpointsFrom))
    }

    // Hosts and routes.
    let routeGraph = Graph(checksReads: checksReads, after: graph)
    self.routeGraph = routeGraph
    let routedServices = routeGraph.input("services", NamespacedName.self, Box<KubernetesService>.self)
    let routePolicies = routeGraph.input("routePolicies", NamespacedName.self, Box<HostPolicy>.self)
    let virtualServices = routeGraph.input("virtualServices", NamespacedName.self, Box<VirtualService>.self)
    let classes = routeGraph.input("classes", ProxyClass.self, Bool.self)
    let releases = routeGraph.input("releases", NamespacedName.self, [ReleaseOverlay].self)
    // An edit of weights stops here, and one of hosts at the claims that stay.
    let writtenHosts = routeGraph.map("writtenHosts", from: virtualServices) { _, service, _ in service.content.hosts }
    let claims = routeGraph.flatMap("claims", from: writtenHosts) { claimant, hosts, _, emit in
      HostClaim.all(of: claimant, hosts: hosts, clusterDomain: clusterDomain, emit)
    }
    let claimsByHost = routeGraph.index("claimsByHost", of: claims) { claim, _ in claim.host }
    let hostClaims = routeGraph.map("hostClaims", from: claimsByHost, reading: [routedServices, claims]) {
      key, members, read in
      if case .service(let id) = key, let service = read(routedServices, id) {
        return Box(
          HostClaims(service: service.content, claimants: members.map(\.claimant), clusterDomain: clusterDomain))
      }
      return Box(HostClaims(claims: members.map { ($0.claimant, read(claims, $0) ?? []) }))
    }
    let serviceNamespaces = routeGraph.fold(
      "serviceNamespaces", of: routedServices, by: { id, _ in [id.namespace] }, initial: true
    ) { _, _, _, _ in }
    // A service that no VirtualService names follows the longest wildcard that covers its full name.
    let wildcardOwners = routeGraph.map("wildcardOwners", from: serviceNamespaces, reading: [hostClaims]) {
      namespace, _, read -> NamespacedName? in
      var suffix = "\(namespace).svc.\(clusterDomain)"[...]
      while true {
        if let owner = read(hostClaims, .wildcard(suffix.lowercased()))?.content.ownHosts.first?.owner { return owner }
        if suffix.isEmpty { return nil }
        suffix = suffix.firstIndex(of: ".").map { suffix[suffix.index(after: $0)...] } ?? ""
      }
    }
    let classNamespaces = routeGraph.fold(
      "classNamespaces", of: classes, by: { proxyClass, _ in [proxyClass.namespace] }, initial: true
    ) { _, _, _, _ in }
    let serviceHosts = routeGraph.map(
      "serviceHosts", from: routedServices,
      reading: [routedServices, routePolicies, releases, virtualServices, hostClaims, wildcardOwners, classNamespaces]
    ) { id, service, read -> Box<ServiceHosts>? in
      guard service.content.hasRegularName, service.content.defaultHTTPPort != nil else { return nil }
      let owner = read(hostClaims, .service(id))?.content.owner ?? read(wildcardOwners, id.namespace)
      let writer = RouteWriter(
        clusterDomain: clusterDomain, service: { read(routedServices, $0) }, policy: { read(routePolicies, $0) },
        releases: { read(releases, $0) })
      return Box(
        writer.hosts(
          of: service.content, rules: owner.flatMap { read(virtualServices, $0) }?.content,
          withShortNames: read(classNamespaces, id.namespace) != nil))
    }
    let ownHosts = routeGraph.map(
      "ownHosts", from: hostClaims, reading: [routedServices, routePolicies, releases, virtualServices]
    ) {
      _, claims, read -> [Fragment]? in
      let writer = RouteWriter(
        clusterDomain: clusterDomain, service: { read(routedServices, $0) }, policy: { read(routePolicies, $0) },
        releases: { read(releases, $0) })
      let hosts = claims.content.ownHosts.compactMap { own in
        read(virtualServices, own.owner).map { writer.host(own.host, rules: $0.content) }
      }
      return hosts.isEmpty ? nil : hosts
    }

    // Listeners.
    let addresses = routeGraph.fold(
      "addresses", of: classes, by: { proxyClass, _ in [ListenAddress(proxyClass)] }, initial: true
    ) { _, _, _, _ in }
    let httpListeners = routeGraph.map("httpListeners", from: addresses) { address, _, _ in address.httpListener }
    let allAddresses = routeGraph.fold(
      "allAddresses", of: addresses, by: { _, _ in [0] }, initial: [ListenAddress]()
    ) { all, address, _, new in
      all.removeAll { $0 == address }
      if new != nil { all.insert(address, at: all.firstIndex { address < $0 } ?? all.endIndex) }
    }
    let portClaims = routeGraph.fold(
      "portClaims", of: routedServices, by: { _, service in service.content.tcpPorts },
      initial: OrderedTree<PortClaim>()
    ) { claims, id, _, new in
      let claim = PortClaim(id)
      if new == nil { claims.remove(claim.key) } else { claims.set(claim) }
    }
    let portOwners = routeGraph.map("portOwners", from: portClaims) { _, claims, _ in claims.first?.service }
    let portListeners = routeGraph.map("portListeners", from: portOwners, reading: [allAddresses]) {
      port, owner, read in
      PortListeners(port: port, owner: owner, addresses: read(allAddresses, 0) ?? [], clusterDomain: clusterDomain)
    }
    let serviceProblems = routeGraph.map("serviceProblems", from: routedServices, reading: [portOwners]) {
      _, service, read -> [Problem]? in
      let problems = service.content.problems { read(portOwners, $0) }
      return problems.isEmpty ? nil : problems
    }

    self.services = services
    self.slices = slices
    self.pods = pods
    self.nodes = nodes
    self.destinationRules = destinationRules
    self.virtualServices = virtualServices
    self.routedServices = routedServices
    self.routePolicies = routePolicies
    self.classes = classes
    self.releases = releases
    self.slicesByService = slicesByService
    self.sliceParts = sliceParts
    self.policies = policies
    self.ruleProblems = ruleProblems
    self.clusterSpecs = clusterSpecs
    self.clusters = clusters
    self.assignments = assignments
    self.wildcardOwners = wildcardOwners
    self.hostClaims = hostClaims
    self.serviceHosts = serviceHosts
    self.ownHosts = ownHosts
    self.httpListeners = httpListeners
    self.portListeners = portListeners
    self.serviceProblems = serviceProblems
  }
}

/// Both graphs at once.
extension TrafficGraph {
  /// One transaction of both.
  func transaction(_ body: () -> Void) { clusterGraph.transaction(before: routeGraph, body) }

  var recordsEvents: Bool {
    get { clusterGraph.recordsEvents }
    set {
      clusterGraph.recordsEvents = newValue
      routeGraph.recordsEvents = newValue
    }
  }

  var statistics: Graph.Statistics {
    var sum = clusterGraph.statistics
    sum.runs += routeGraph.statistics.runs
    sum.changes += routeGraph.statistics.changes
    sum.edges += routeGraph.statistics.edges
    return sum
  }
}
