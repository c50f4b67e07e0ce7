public import TrafficModel

extension TrafficCompiler {
  /// What releases make of the routes of these services from now on.
  func apply(_ releases: [NamespacedName: [ReleaseOverlay]]) {
    for (service, overlays) in releases { apply(overlays, to: service) }
  }

  /// A release's subsets join the service's policy as a rule of their own, so that a changed weight is read by routes alone.
  func apply(_ overlays: [ReleaseOverlay], to service: NamespacedName) {
    let overlays = overlays.sorted { ($0.port ?? 0) < ($1.port ?? 0) }
    graph.releases.set(overlays.isEmpty ? nil : overlays, for: service)
    releasedServices[service] = overlays.isEmpty ? nil : overlays
    changedCapacities.insert(service)
    let rule = DestinationRule(
      releasing: service, overlays.flatMap { [$0.stable, $0.candidate] }, clusterDomain: clusterDomain)
    graph.destinationRules.set(overlays.isEmpty ? nil : Box(rule), for: rule.id)
  }
}

// What whoever runs releases asks of the admitted objects.
extension TrafficCompiler {
  /// A service as admitted.
  public func service(_ id: NamespacedName) -> KubernetesService? { graph.services[id]?.content }

  /// A subset as DestinationRules declare it; nil if none does. A release's own subsets do not count.
  public func declaredSubset(_ name: String, of service: NamespacedName) -> DestinationRule.Subset? {
    guard let policy = graph.policies[service]?.content else { return nil }
    return policy.subsets.first { $0.name == name && !policy.subsetsOfReleases.contains(name) }
  }

  /// How many endpoints of a service are ready and have all of these labels: of each HTTP port, or of one, the fewest. What
  /// drains does not count. O(n) for the service's n endpoints.
  public func readyEndpoints(of id: NamespacedName, port: UInt16?, labels: [String: String]) -> Int {
    let ports = (graph.services[id]?.content.distinctPorts ?? []).filter {
      $0.applicationProtocol.isHTTP && (port == nil || $0.port == port)
    }
    let slices = graph.slicesByService[id]?.compactMap { graph.slices[$0]?.content } ?? []
    return ports.map { port in
      var addresses: Set<String> = []
      for slice in slices where slice.ports.contains(where: { $0.name == port.name }) {
        for endpoint in slice.endpoints where !endpoint.isDraining {
          if labels.isEmpty || endpoint.pod.flatMap({ graph.pods[$0] }).map({ $0.labels.contains(labels) }) ?? false {
            addresses.insert(endpoint.address)
          }
        }
      }
      return addresses.count
    }.min() ?? 0
  }

  /// The services with releases whose ready endpoints may be others since the last call.
  public func takeChangedCapacities() -> Set<NamespacedName> {
    defer { changedCapacities = [] }
    return changedCapacities
  }

  func observeCapacities() {
    graph.sliceParts.onChange { [unowned(unsafe) self] change in
      guard !releasedServices.isEmpty else { return }
      let key = change.key
      guard let service = graph.slices[key.slice]?.content.service else {
        // The slice has gone, and with it whose it was.
        for (service, _) in releasedServices where service.namespace == key.slice.namespace {
          changedCapacities.insert(service)
        }
        return
      }
      let id = NamespacedName(namespace: key.slice.namespace, name: service)
      if releasedServices[id] != nil { changedCapacities.insert(id) }
    }
    graph.services.onChange { [unowned(unsafe) self] change in
      if !releasedServices.isEmpty, releasedServices[change.key] != nil { changedCapacities.insert(change.key) }
    }
  }

  /// Who has a host: a service, whose traffic it means, or a VirtualService; nil if nobody has. What only a wildcard covers is free.
  public func owner(ofHost host: String) -> ObjectKey? {
    let host = host.lowercased()
    let key = HostKey(host, clusterDomain: clusterDomain)
    if case .service(let id) = key, graph.services[id] != nil { return ObjectKey(.service, id) }
    let owner = graph.hostClaims[key]?.content.ownHosts.first { $0.host == host }
    return owner.map { ObjectKey(.virtualService, $0.owner) }
  }

  /// The VirtualService whose rules a service follows.
  public func routesOwner(of service: NamespacedName) -> VirtualService? {
    let owner = graph.hostClaims[.service(service)]?.content.owner ?? graph.wildcardOwners[service.namespace]
    return owner.flatMap { graph.virtualServices[$0]?.content }
  }
}

extension DestinationRule {
  /// No Kubernetes namespace is named so, and it comes after all that are.
  private static let namespaceOfReleases = "~release"

  fileprivate init(releasing service: NamespacedName, _ subsets: [Subset], clusterDomain: String) {
    self.init(
      id: NamespacedName(namespace: Self.namespaceOfReleases, name: "\(service.namespace)/\(service.name)"),
      host: service.serviceHost(clusterDomain: clusterDomain), subsets: subsets)
  }

  /// Whether it was made for a release, and is no object of a user's.
  var isOfRelease: Bool { id.namespace == Self.namespaceOfReleases }
}

extension NamespacedName {
  /// The full name of the service of this name.
  func serviceHost(clusterDomain: String) -> String { "\(name).\(namespace).svc.\(clusterDomain)" }
}
