import TrafficModel

/// What of a pod decides about its endpoints.
struct PodFacts: Equatable, Sendable {
  /// In the order of their names. A list: pods have few labels, and to hash one name costs more than to look at all.
  var labels: [Label]
  var nodeName: String?

  struct Label: Equatable, Sendable {
    var name: String
    var value: String
  }

  init(_ pod: Pod) {
    labels = pod.labels.map { Label(name: $0.key, value: $0.value) }.sorted { $0.name < $1.name }
    nodeName = pod.nodeName
  }
}

/// Where a node's endpoints are.
struct NodeFacts: Equatable, Sendable {
  var region: String
  var zone: String

  init(_ node: KubernetesNode) {
    region = node.region
    zone = node.zone
  }
}

/// The endpoints that a slice gives to one port and subset of its service.
struct SlicePart: Equatable, Sendable {
  var port: UInt16
  /// Canonical, see `Locality`.
  var localities: [Locality]

  struct Key: Hashable, Sendable {
    var slice: NamespacedName
    var portName: String
    /// Empty for the whole service.
    var subset: String
  }
}

extension EndpointSlice {
  /// The slice's share of each port and subset of its service; parts without endpoints are left out.
  ///
  /// An endpoint's zone is its own or else its node's, its region the node's; the node is its own or else its pod's. Every
  /// address of an endpoint counts. Its labels are its pod's; one without a known pod is in no subset that asks for labels.
  ///
  /// Cost: O(n log n) for n endpoints, and O(n) for each port and subset.
  func parts(
    subsets: [DestinationRule.Subset], pod: (NamespacedName) -> PodFacts?, node: (String) -> NodeFacts?,
    _ emit: (SlicePart.Key, SlicePart) -> Void
  ) {
    var places = Places()
    var placed: [Placed] = []
    placed.reserveCapacity(endpoints.count)
    for endpoint in endpoints where endpoint.state != .notReady {
      let pod = endpoint.pod.flatMap(pod)
      let node = (endpoint.nodeName ?? pod?.nodeName).flatMap(node)
      let place = places.index(region: node?.region ?? "", zone: endpoint.zone ?? node?.zone ?? "")
      for address in endpoint.addresses {
        placed.append(
          Placed(address: address, place: place, isDraining: endpoint.state == .draining, labels: pod?.labels))
      }
    }
    guard !placed.isEmpty else { return }
    places.sort(&placed)
    var names: [String] = []
    for port in ports where !names.contains(port.name) {
      names.append(port.name)
      emit(
        SlicePart.Key(slice: id, portName: port.name, subset: ""),
        SlicePart(port: port.port, localities: places.localities(placed) { _ in true }))
      for subset in subsets {
        let localities = places.localities(placed) { endpoint in
          subset.labels.isEmpty || endpoint.labels.map(subset.selects) ?? false
        }
        guard !localities.isEmpty else { continue }
        emit(
          SlicePart.Key(slice: id, portName: port.name, subset: subset.name),
          SlicePart(port: port.port, localities: localities))
      }
    }
  }
}

/// An endpoint while a slice is taken apart.
private struct Placed {
  var address: String
  /// An index into `Places`.
  var place: Int
  var isDraining: Bool
  var labels: [PodFacts.Label]?
}

/// The localities of a slice.
private struct Places {
  private var places: [Locality] = []
  /// Whether an address occurs twice.
  private var hasDuplicates = false

  mutating func index(region: String, zone: String) -> Int {
    if let index = places.firstIndex(where: { $0.zone == zone && $0.region == region }) { return index }
    places.append(Locality(region: region, zone: zone, endpoints: []))
    return places.count - 1
  }

  /// By locality, then by address, ready before draining.
  mutating func sort(_ placed: inout [Placed]) {
    if places.count > 1 {
      let order = places.indices.sorted { (places[$0].region, places[$0].zone) < (places[$1].region, places[$1].zone) }
      var rank = Array(repeating: 0, count: order.count)
      for (position, index) in order.enumerated() { rank[index] = position }
      places = order.map { places[$0] }
      for index in placed.indices { placed[index].place = rank[placed[index].place] }
    }
    placed.sort { a, b in a.address != b.address ? a.address < b.address : !a.isDraining && b.isDraining }
    for index in placed.indices.dropFirst() where placed[index].address == placed[index - 1].address {
      hasDuplicates = true
    }
    // The sort is stable: within a locality the order stays.
    if places.count > 1 { placed.sort { $0.place < $1.place } }
  }

  /// - Parameter placed: in order.
  func localities(_ placed: [Placed], where isIncluded: (Placed) -> Bool) -> [Locality] {
    var localities: [Locality] = []
    var start = 0
    while start < placed.count {
      let place = placed[start].place
      var end = start
      var endpoints: [Locality.Endpoint] = []
      while end < placed.count, placed[end].place == place {
        // Ready comes before draining, so of duplicates in a locality the better one is here already.
        if isIncluded(placed[end]), !hasDuplicates || endpoints.last?.address != placed[end].address {
          if endpoints.isEmpty { endpoints.reserveCapacity(placed.count - start) }
          endpoints.append(Locality.Endpoint(address: placed[end].address, isDraining: placed[end].isDraining))
        }
        end += 1
      }
      if !endpoints.isEmpty {
        localities.append(Locality(region: places[place].region, zone: places[place].zone, endpoints: endpoints))
      }
      start = end
    }
    return hasDuplicates ? Locality.distinct(localities) : localities
  }
}

extension DestinationRule.Subset {
  /// Whether the labels contain all of the subset's.
  func selects(_ podLabels: [PodFacts.Label]) -> Bool {
    for (name, value) in labels where !podLabels.contains(where: { $0.name == name && $0.value == value }) {
      return false
    }
    return true
  }
}
