internal import Admission
internal import ReleaseControl
internal import TrafficCompiler
internal import TrafficModel

extension Pipeline {
  /// Which routes a release divides: those of the VirtualService that its service follows, and of every other one that names
  /// the service. O(routes) of these.
  func routes(of release: Release) -> ReleasedRouteList {
    var list = ReleasedRouteList()
    let owner = compiler.routesOwner(of: release.service)
    var services: [VirtualService] = owner.map { [$0] } ?? []
    for service in gate.virtualServices(naming: release.service) where service.id != owner?.id {
      services.append(service)
    }
    if owner?.http.isEmpty ?? true { list.divided.append("the service's own route") }
    for service in services {
      for (index, route) in service.http.enumerated() {
        let name = route.name.isEmpty ? "" : " (\(route.name))"
        let text = "VirtualService \(service.id): http[\(index)]\(name)"
        if let reason = reasonToLeave(route, of: service, release) {
          list.untouched.append("\(text): \(reason)")
        } else {
          list.divided.append(text)
        }
      }
    }
    for port in compiler.service(release.service)?.ports ?? []
    where !port.applicationProtocol.isHTTP && (release.spec.port == nil || release.spec.port == port.port) {
      list.untouched.append("port \(port.port): it is not HTTP, and goes to the whole service")
    }
    return list
  }

  private func reasonToLeave(_ route: HTTPRoute, of service: VirtualService, _ release: Release) -> String? {
    let names = route.destinations.filter { destination in
      gate.service(of: destination.host, in: service.id.namespace) == release.service
        && (release.spec.port == nil || destination.port == nil || destination.port == release.spec.port)
    }
    if names.isEmpty { return "it does not lead to \(release.service)" }
    let subsets = names.filter { $0.weight > 0 || route.destinations.count == 1 }.map { $0.subset ?? "" }
    if subsets.contains("") || subsets.contains(release.stable.name) { return nil }
    if subsets.contains(release.candidate.name) { return "it leads to \(release.candidate.name) alone" }
    return "it leads to neither \(release.stable.name) nor the whole service"
  }
}
