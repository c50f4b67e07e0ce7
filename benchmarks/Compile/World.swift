import TrafficModel

/// The objects of the benchmark: services with subsets v1 and v2, a VirtualService that splits between them, and one
/// EndpointSlice of 10 endpoints whose pods are on 20 nodes in 2 zones.
struct World {
  static let endpointsPerService = 10
  static let nodes = 20

  func id(_ service: Int) -> NamespacedName {
    NamespacedName(namespace: "ns-\(service % 100)", name: "service-\(service)")
  }

  func service(_ service: Int) -> KubernetesService {
    KubernetesService(id: id(service), ports: [.init(name: "http", port: 80, applicationProtocol: .http)])
  }

  /// - Parameter state: each gives the first endpoint another address.
  func slice(_ service: Int, state: Int = 0) -> EndpointSlice {
    let id = id(service)
    let endpoints = (0..<Self.endpointsPerService).map { index in
      let host = index == 0 ? (state == 0 ? 0 : 10 + state % 240) : index
      return EndpointSlice.Endpoint(
        addresses: ["10.\(service >> 16).\(service >> 8 & 255).\(host)"], zone: nil,
        nodeName: "node-\((service + index) % Self.nodes)", pod: podID(service, index))
    }
    return EndpointSlice(
      id: NamespacedName(namespace: id.namespace, name: "\(id.name)-abcde"), service: id.name,
      ports: [.init(name: "http", port: 8080)], endpoints: endpoints)
  }

  func rules(_ service: Int, weight: UInt32 = 90, match: HTTPMatch? = nil) -> VirtualService {
    let id = id(service)
    return VirtualService(
      id: id, hosts: [id.name],
      http: [
        HTTPRoute(
          matches: match.map { [$0] } ?? [],
          destinations: [
            RouteDestination(host: id.name, subset: "v1", weight: weight),
            RouteDestination(host: id.name, subset: "v2", weight: 100 - weight),
          ])
      ])
  }

  func subsets(_ service: Int) -> DestinationRule {
    let id = id(service)
    return DestinationRule(
      id: id, host: id.name,
      subsets: [.init(name: "v1", labels: ["version": "v1"]), .init(name: "v2", labels: ["version": "v2"])])
  }

  /// Half of the pods are v1, half v2; `isMoved` gives the pod the other label.
  func pod(_ service: Int, _ index: Int, isMoved: Bool = false) -> Pod {
    let isFirst = (index < Self.endpointsPerService / 2) != isMoved
    return Pod(id: podID(service, index), labels: ["app": id(service).name, "version": isFirst ? "v1" : "v2"])
  }

  private func podID(_ service: Int, _ index: Int) -> NamespacedName {
    let id = id(service)
    return NamespacedName(namespace: id.namespace, name: "\(id.name)-\(index)")
  }

  /// All objects of a service.
  func objects(_ service: Int) -> [TrafficObject] {
    [
      .service(self.service(service)), .destinationRule(subsets(service)), .virtualService(rules(service)),
      .endpointSlice(slice(service)),
    ] + (0..<Self.endpointsPerService).map { .pod(pod(service, $0)) }
  }

  func edits(services: Int) -> [Edit] {
    let nodes = (0..<Self.nodes).map { TrafficObject.node(.init(name: "node-\($0)", region: "r1", zone: "z\($0 % 2)")) }
    return (nodes + (0..<services).flatMap(objects)).map(Edit.upsert)
  }
}
