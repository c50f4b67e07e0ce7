import IncrementalGraph
import TrafficModel
import XDSSnapshot

/// The collections of the compiler and what each is made from:
///
///     destinationRules ─▶ rulesByService ─▶ policies ──┐
///     destinationRules, services ─▶ ruleProblems       │
///     services ──────────────────────────▶ clusterSpecs ─▶ clusters
///                                              │
///     slices, pods, nodes, policies ─▶ sliceParts ─▶ assignments
///
///     virtualServices ─▶ writtenHosts ─▶ claims ─▶ claimsByHost ─▶ hostClaims ─▶ wildcardOwners
///     services ───────────────────────────────────────────────────────▲
///     services, hostClaims, wildcardOwners, virtualServices, policies, releases ─▶ serviceHosts
///     hostClaims, virtualServices, services, policies, releases ─▶ ownHosts
///
///     services ─▶ portClaims ─▶ portOwners ─▶ portListeners (for the addresses of the classes), serviceProblems
final class TrafficGraph {
  let graph: Graph

  let services: Input<NamespacedName, Box<KubernetesService>>
  let slices: Input<NamespacedName, Box<SliceFacts>>
  let pods: Input<NamespacedName, PodFacts>
  let nodes: Input<String, NodeFacts>
  let destinationRules: Input<NamespacedName, Box<DestinationRule>>
  let virtualServices: Input<NamespacedName, Box<VirtualService>>
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
    self.graph = graph
    let services = graph.input("services", NamespacedName.self, Box<KubernetesService>.self)
    let slices = graph.input("slices", NamespacedName.self, Box<SliceFacts>.self)
    let pods = graph.input("pods", NamespacedName.self, PodFacts.self)
    let nodes = graph.input("nodes", String.self, NodeFacts.self)
    let destinationRules = graph.input("destinationRules", NamespacedName.self, Box<DestinationRule>.self)
    let virtualServices = graph.input("virtualServices", NamespacedName.self, Box<VirtualService>.self)
    let classes = graph.input("classes", ProxyClass.self, Bool.self)
    let releases = graph.input("releases", NamespacedName.self, [ReleaseOverlay].self)

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
    // An edit of weights stops here, and one of hosts at the claims that stay.
    let writtenHosts = graph.map("writtenHosts", from: virtualServices) { _, service, _ in service.content.hosts }
    let claims = graph.flatMap("claims", from: writtenHosts) { claimant, hosts, _, emit in
      HostClaim.all(of: claimant, hosts: hosts, clusterDomain: clusterDomain, emit)
    }
    let claimsByHost = graph.index("claimsByHost", of: claims) { claim, _ in claim.host }
    let hostClaims = graph.map("hostClaims", from: claimsByHost, reading: [services, claims]) { key, members, read in
      if case .service(let id) = key, let service = read(services, id) {
        return Box(
          HostClaims(service: service.content, claimants: members.map(\.claimant), clusterDomain: clusterDomain))
      }
      return Box(HostClaims(claims: members.map { ($0.claimant, read(claims, $0) ?? []) }))
    }
    let serviceNamespaces = graph.fold(
      "serviceNamespaces", of: services, by: { id, _ in [id.namespace] }, initial: true
    ) { _, _, _, _ in }
    // A service that no VirtualService names follows the longest wildcard that covers its full name.
    let wildcardOwners = graph.map("wildcardOwners", from: serviceNamespaces, reading: [hostClaims]) {
      namespace, _, read -> NamespacedName? in
      var suffix = "\(namespace).svc.\(clusterDomain)"[...]
      while true {
        if let owner = read(hostClaims, .wildcard(suffix.lowercased()))?.content.ownHosts.first?.owner { return owner }
        if suffix.isEmpty { return nil }
        suffix = suffix.firstIndex(of: ".").map { suffix[suffix.index(after: $0)...] } ?? ""
      }
    }
    let classNamespaces = graph.fold(
      "classNamespaces", of: classes, by: { proxyClass, _ in [proxyClass.namespace] }, initial: true
    ) { _, _, _, _ in }
    let serviceHosts = graph.map(
      "serviceHosts", from: services,
      reading: [services, policies, releases, virtualServices, hostClaims, wildcardOwners, classNamespaces]
    ) { id, service, read -> Box<ServiceHosts>? in
      guard service.content.hasRegularName, service.content.defaultHTTPPort != nil else { return nil }
      let owner = read(hostClaims, .service(id))?.content.owner ?? read(wildcardOwners, id.namespace)
      let writer = RouteWriter(
        clusterDomain: clusterDomain, service: { read(services, $0) }, policy: { read(policies, $0) },
        releases: { read(releases, $0) })
      return Box(
        writer.hosts(
          of: service.content, rules: owner.flatMap { read(virtualServices, $0) }?.content,
          withShortNames: read(classNamespaces, id.namespace) != nil))
    }
    let ownHosts = graph.map("ownHosts", from: hostClaims, reading: [services, policies, releases, virtualServices]) {
      _, claims, read -> [Fragment]? in
      let writer = RouteWriter(
        clusterDomain: clusterDomain, service: { read(services, $0) }, policy: { read(policies, $0) },
        releases: { read(releases, $0) })
      let hosts = claims.content.ownHosts.compactMap { own in
        read(virtualServices, own.owner).map { writer.host(own.host, rules: $0.content) }
      }
      return hosts.isEmpty ? nil : hosts
    }

    // Listeners.
    let addresses = graph.fold(
      "addresses", of: classes, by: { proxyClass, _ in [ListenAddress(proxyClass)] }, initial: true
    ) { _, _, _, _ in }
    let httpListeners = graph.map("httpListeners", from: addresses) { address, _, _ in address.httpListener }
    let allAddresses = graph.fold(
      "allAddresses", of: addresses, by: { _, _ in [0] }, initial: [ListenAddress]()
    ) { all, address, _, new in
      all.removeAll { $0 == address }
      if new != nil { all.insert(address, at: all.firstIndex { address < $0 } ?? all.endIndex) }
    }
    let portClaims = graph.fold(
      "portClaims", of: services, by: { _, service in service.content.tcpPorts }, initial: OrderedTree<PortClaim>()
    ) { claims, id, _, new in
      let claim = PortClaim(id)
      if new == nil { claims.remove(claim.key) } else { claims.set(claim) }
    }
    let portOwners = graph.map("portOwners", from: portClaims) { _, claims, _ in claims.first?.service }
    let portListeners = graph.map("portListeners", from: portOwners, reading: [allAddresses]) { port, owner, read in
      PortListeners(port: port, owner: owner, addresses: read(allAddresses, 0) ?? [], clusterDomain: clusterDomain)
    }
    let serviceProblems = graph.map("serviceProblems", from: services, reading: [portOwners]) {
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
