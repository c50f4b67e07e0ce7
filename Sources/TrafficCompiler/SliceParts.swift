import TrafficModel

extension EndpointSlice {
  /// The slice's share of each port and subset of its service; parts without endpoints are left out.
  ///
  /// An endpoint's zone is its own or else its node's, its region the node's; the node is its own or else its pod's. Every
  /// address of an endpoint counts. Its labels are its pod's; one without a known pod is in no subset that asks for labels.
  func parts(
    policy: HostPolicy?, pod: (NamespacedName) -> Pod?, node: (String) -> KubernetesNode?,
    _ emit: (SlicePart.Key, SlicePart) -> Void
  ) {
    var placed: [(endpoint: PlacedEndpoint, labels: [String: String]?)] = []
    placed.reserveCapacity(endpoints.count)
    for endpoint in endpoints where endpoint.state != .notReady {
      let pod = endpoint.pod.flatMap(pod)
      let node = (endpoint.nodeName ?? pod?.nodeName).flatMap(node)
      for address in endpoint.addresses {
        placed.append(
          (
            PlacedEndpoint(
              address: address, port: 0, isDraining: endpoint.state == .draining, region: node?.region ?? "",
              zone: endpoint.zone ?? node?.zone ?? ""),
            pod?.labels
          ))
      }
    }
    guard !placed.isEmpty else { return }
    var names: [String] = []
    for port in ports where !names.contains(port.name) {
      names.append(port.name)
      emitPart(port, subset: "", placed.map(\.endpoint), emit)
      for subset in policy?.subsets ?? [] {
        let members = placed.lazy.filter { subset.labels.isEmpty || $0.labels.map(subset.selects) ?? false }
        emitPart(port, subset: subset.name, members.map(\.endpoint), emit)
      }
    }
  }

  private func emitPart(
    _ port: Port, subset: String, _ endpoints: [PlacedEndpoint], _ emit: (SlicePart.Key, SlicePart) -> Void
  ) {
    if endpoints.isEmpty { return }
    var endpoints = endpoints
    for index in endpoints.indices { endpoints[index].port = port.port }
    emit(
      SlicePart.Key(slice: id, portName: port.name, subset: subset),
      SlicePart(endpoints: PlacedEndpoint.canonical(endpoints)))
  }
}

extension DestinationRule.Subset {
  /// Whether the labels contain all of the subset's.
  func selects(_ podLabels: [String: String]) -> Bool {
    labels.allSatisfy { podLabels[$0.key] == $0.value }
  }
}
