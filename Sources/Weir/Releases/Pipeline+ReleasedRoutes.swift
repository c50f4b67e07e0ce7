internal import Admission
internal import ReleaseControl
internal import TrafficCompiler
internal import TrafficModel

extension Pipeline {
  /// Which routes a release divides: those of the VirtualService that its service follows, and of every other one that names
  /// the service. O(routes) of these.
  func routes(of release: Release) -> ReleasedRouteList {
    guard let overlay = release.overlay else { return ReleasedRouteList() }
    var list = routes(of: release.service, overlay)
    if let host = release.previewHost, let owner = compiler.owner(ofHost: host), owner.id != release.previewID {
      list.untouched.append("preview host \(host): it is \(owner.possessor)'s, which comes first")
    }
    return list
  }

  func routes(of service: NamespacedName, _ overlay: ReleaseOverlay) -> ReleasedRouteList {
    var list = ReleasedRouteList()
    if hasPlainRoute(service, overlay) { list.divided.append("the service's own route") }
    for place in places(concerning: service) {
      if let reason = reasonToLeave(place, service, overlay) {
        list.untouched.append("\(place.text): \(reason)")
      } else {
        list.divided.append(place.text)
      }
    }
    for port in compiler.service(service)?.ports ?? []
    where !port.applicationProtocol.isHTTP && (overlay.port == nil || overlay.port == port.port) {
      list.untouched.append("port \(port.port): it is not HTTP, and goes to the whole service")
    }
    return list
  }

  /// What a new release takes over from the one before it, and what it leaves to its owners.
  ///
  /// - Parameter predecessor: the release whose place it takes, if there is one.
  func inheritance(
    _ overlay: ReleaseOverlay, of service: NamespacedName, from predecessor: Release?
  ) -> (formerSubsets: Set<String>, ownRoutes: Set<String>) {
    let places = places(concerning: service)
    var overlay = overlay
    if let predecessor {
      // Names that no route has any longer are forgotten, or a long row of releases would collect all there ever were.
      let named = Set(places.flatMap { subsets($0, service, overlay.port) })
      overlay.formerSubsets = predecessor.formerSubsets.intersection(named).union([
        predecessor.stable.name, predecessor.candidate.name,
      ]).subtracting([overlay.stable.name, overlay.candidate.name])
    }
    let moved = predecessor?.overlay
    for place in places {
      let subsets = subsets(place, service, overlay.port)
      guard subsets.contains(where: overlay.takes),
        !subsets.contains(where: { $0.isEmpty || $0 == overlay.stable.name }),
        moved?.divides(subsets, { place.identity }) != true
      else { continue }
      overlay.ownRoutes.insert(place.identity)
    }
    return (overlay.formerSubsets, overlay.ownRoutes)
  }

  /// Where traffic would go to nobody if a release were taken away, while it has somebody now; nil if nowhere.
  func wayToNobody(without release: Release) -> String? {
    guard let overlay = release.overlay else { return nil }
    let capacity = compiler.capacity(of: release)
    let served = released[release.id]?.weight ?? overlay.weight
    let answers = [
      (release.stable, served < .all && capacity.stable > 0),
      (release.candidate, served > .none && capacity.candidate > 0),
    ].filter(\.1).map(\.0.name)
    guard !answers.isEmpty else { return nil }
    for place in places(concerning: release.service) where reasonToLeave(place, release.service, overlay) == nil {
      for name in subsets(place, release.service, overlay.port) where !name.isEmpty {
        guard
          let subset = compiler.declaredSubset(name, of: release.service)
            ?? [release.stable, release.candidate].first(where: { $0.name == name }),
          compiler.readyEndpoints(of: release.service, port: release.spec.port, labels: subset.labels) == 0
        else { continue }
        return "\(place.text) leads to \(name), which has no ready endpoint, and \(answers.joined(separator: ", ")) has"
      }
    }
    return nil
  }

  /// A route of a VirtualService.
  private struct Place {
    var virtualService: VirtualService
    var index: Int
    var route: HTTPRoute { virtualService.http[index] }
    var identity: String { route.identity(in: virtualService.id) }
    var text: String {
      "VirtualService \(virtualService.id): http[\(index)]" + (route.name.isEmpty ? "" : " (\(route.name))")
    }
  }

  /// Where traffic would go to a version that the releases before have taken the service away from, if a release were taken away;
  /// nil if nowhere. The manifests may name it still, or mean all pods that are there.
  func wayToFormer(without release: Release) -> String? {
    guard let overlay = release.overlay else { return nil }
    let former = overlay.formerSubsets.sorted().filter { name in
      let labels = compiler.declaredSubset(name, of: release.service)?.labels ?? [release.spec.versionLabel: name]
      return compiler.readyEndpoints(of: release.service, port: release.spec.port, labels: labels) > 0
    }
    guard let first = former.first else { return nil }
    if hasPlainRoute(release.service, overlay) { return "the service's own route leads to \(first), too" }
    for place in places(concerning: release.service) where reasonToLeave(place, release.service, overlay) == nil {
      let subsets = subsets(place, release.service, overlay.port)
      if let named = former.first(where: subsets.contains) { return "\(place.text) leads to \(named)" }
      if subsets.contains("") { return "\(place.text) leads to \(first), too" }
    }
    return nil
  }

  /// Whether the service has a route that no VirtualService has made.
  private func hasPlainRoute(_ service: NamespacedName, _ overlay: ReleaseOverlay) -> Bool {
    guard compiler.routesOwner(of: service)?.http.isEmpty ?? true else { return false }
    let ports = compiler.service(service)?.ports ?? []
    return ports.contains { $0.applicationProtocol.isHTTP && (overlay.port == nil || overlay.port == $0.port) }
  }

  private func places(concerning service: NamespacedName) -> [Place] {
    let owner = compiler.routesOwner(of: service)
    var all: [VirtualService] = owner.map { [$0] } ?? []
    all += gate.virtualServices(naming: service).filter { $0.id != owner?.id }
    return all.flatMap { found in found.http.indices.map { Place(virtualService: found, index: $0) } }
  }

  /// What a route names of a service with a weight; nothing is the whole service.
  private func subsets(_ place: Place, _ service: NamespacedName, _ port: UInt16?) -> [String] {
    let destinations = place.route.destinations
    return destinations.filter { destination in
      gate.service(of: destination.host, in: place.virtualService.id.namespace) == service
        && (port == nil || destination.port == nil || destination.port == port)
        && (destination.weight > 0 || destinations.count == 1)
    }.map { $0.subset ?? "" }
  }

  private func reasonToLeave(_ place: Place, _ service: NamespacedName, _ overlay: ReleaseOverlay) -> String? {
    let subsets = subsets(place, service, overlay.port)
    if subsets.isEmpty { return "it does not lead to \(service)" }
    if overlay.divides(subsets, { place.identity }) { return nil }
    let taken = subsets.filter(overlay.takes).joined(separator: ", ")
    if !taken.isEmpty { return "it led to \(taken) alone before the release, and still does" }
    return "it leads to neither \(overlay.stable.name) nor the whole service"
  }
}

extension ObjectKey {
  /// Whose it is, for whoever finds something taken.
  var possessor: String { id.isOfPreview ? "the preview of another release" : "\(self)" }
}
