import EnvoyAPI
import TrafficModel
import XDSSnapshot

/// The endpoints that a slice gives to one port and subset of its service.
struct SlicePart: Sendable {
  /// Encoded, one fragment for each locality that has endpoints here, by region and zone.
  var localities: [Fragment]
  /// Whether any of them is ready.
  var hasReady: Bool
  /// What the fragments were made from, for assignments that take more than this part or serve it otherwise.
  fileprivate var slice: PlacedSlice
  fileprivate var port: UInt16
  /// Indices into the slice's endpoints; nil for all.
  fileprivate var selection: [Int32]?

  struct Key: Hashable, Sendable {
    var slice: NamespacedName
    var portName: String
    /// Empty for the whole service.
    var subset: String
  }

  /// How many endpoints it has, those that are there twice too. O(1).
  var endpointCount: Int { selection?.count ?? slice.endpoints.count }

  /// Not decoded again: the endpoints behind the fragments.
  func endpoints() -> [LocalityEndpoints] { slice.endpoints(selection, port: port) }
}

/// Equal fragments: they say all of a part, by hash.
extension SlicePart: Equatable {
  static func == (a: Self, b: Self) -> Bool { a.localities == b.localities }
}

extension SliceFacts {
  /// The slice's share of each port and subset of its service; parts without endpoints are left out.
  ///
  /// An endpoint's zone is its own or else its node's, its region the node's; the node is its own or else its pod's. Every
  /// address of an endpoint counts. Its labels are its pod's; one without a known pod is in no subset that asks for labels.
  ///
  /// Cost: O(n log n) for n endpoints, and O(n) for each port and subset. An endpoint is encoded once for each port.
  func parts(
    _ id: NamespacedName, subsets: [DestinationRule.Subset], pod: (NamespacedName) -> PodFacts?,
    node: (String) -> NodeFacts?, _ emit: (SlicePart.Key, Box<SlicePart>) -> Void
  ) {
    guard !endpoints.isEmpty else { return }
    let slice = PlacedSlice(self, pod: pod, node: node)
    let selections = subsets.map { slice.selection($0) }
    for (number, port) in ports.enumerated() {
      func emitPart(_ subset: String, _ selection: [Int32]?) {
        let localities =
          slice.hasDuplicates
          ? slice.endpoints(selection, port: port.port).map { Fragment($0) }
          : slice.fragments(selection, encoded[number])
        emit(
          SlicePart.Key(slice: id, portName: port.name, subset: subset),
          Box(
            SlicePart(
              localities: localities, hasReady: slice.hasReady(selection), slice: slice, port: port.port,
              selection: selection)))
      }
      emitPart("", nil)
      for (index, subset) in subsets.enumerated() where !selections[index].isEmpty {
        emitPart(subset.name, selections[index])
      }
    }
  }
}

/// The endpoints of a slice, each in its place.
private final class PlacedSlice: Sendable {
  /// By place, then by address, ready before draining.
  let endpoints: [Endpoint]
  /// By region and zone.
  let places: [Place]
  /// Whether an address occurs twice.
  let hasDuplicates: Bool
  private let labelLists: [[PodFacts.Label]?]

  struct Endpoint: Sendable {
    var address: String
    /// An index into the endpoints of the facts.
    var origin: Int32
    /// An index into `places`.
    var place: Int32
    /// An index into `labelLists`.
    var labels: Int32
    var isDraining: Bool
  }

  struct Place: Sendable {
    var region: String
    var zone: String
    /// Of its fragments.
    var key: String
  }

  init(_ slice: SliceFacts, pod: (NamespacedName) -> PodFacts?, node: (String) -> NodeFacts?) {
    var places: [Place] = []
    var labelLists: [[PodFacts.Label]?] = []
    var endpoints: [Endpoint] = []
    endpoints.reserveCapacity(slice.endpoints.count)
    for origin in slice.endpoints.indices {
      // Field by field: a copy of the whole would count all of its texts.
      let pod = slice.endpoints[origin].pod.flatMap(pod)
      let node = (slice.endpoints[origin].nodeName ?? pod?.nodeName).flatMap(node)
      endpoints.append(
        Endpoint(
          address: slice.endpoints[origin].address, origin: Int32(origin),
          place: Self.place(
            region: node?.region ?? "", zone: slice.endpoints[origin].zone ?? node?.zone ?? "", &places),
          labels: Self.labels(pod?.labels, &labelLists), isDraining: slice.endpoints[origin].isDraining))
    }
    if places.count > 1 {
      let order = places.indices.sorted { (places[$0].region, places[$0].zone) < (places[$1].region, places[$1].zone) }
      var rank = Array(repeating: Int32(0), count: order.count)
      for (position, index) in order.enumerated() { rank[index] = Int32(position) }
      places = order.map { places[$0] }
      // Stable: within a place the order by address stays.
      var sorted: [Endpoint] = []
      sorted.reserveCapacity(endpoints.count)
      for index in order {
        for endpoint in endpoints where endpoint.place == index {
          sorted.append(endpoint)
          sorted[sorted.count - 1].place = rank[index]
        }
      }
      endpoints = sorted
    }
    self.endpoints = endpoints
    self.places = places
    self.labelLists = labelLists
    hasDuplicates = slice.hasDuplicates
  }

  private static func place(region: String, zone: String, _ places: inout [Place]) -> Int32 {
    if let index = places.firstIndex(where: { $0.zone == zone && $0.region == region }) { return Int32(index) }
    places.append(Place(region: region, zone: zone, key: "\(region)\0\(zone)"))
    return Int32(places.count - 1)
  }

  /// Looks at the last few only: a list that is there twice costs a comparison more and nothing else.
  private static func labels(_ labels: [PodFacts.Label]?, _ lists: inout [[PodFacts.Label]?]) -> Int32 {
    for index in lists.indices.suffix(4) where lists[index] == labels { return Int32(index) }
    lists.append(labels)
    return Int32(lists.count - 1)
  }

  /// The endpoints of a subset.
  func selection(_ subset: DestinationRule.Subset) -> [Int32] {
    if subset.labels.isEmpty { return endpoints.indices.map { Int32($0) } }
    let isSelected = labelLists.map { $0.map(subset.selects) ?? false }
    var selection: [Int32] = []
    for (index, endpoint) in endpoints.enumerated() where isSelected[Int(endpoint.labels)] {
      if selection.isEmpty { selection.reserveCapacity(endpoints.count - index) }
      selection.append(Int32(index))
    }
    return selection
  }

  func hasReady(_ selection: [Int32]?) -> Bool {
    selection?.contains { !endpoints[Int($0)].isDraining } ?? endpoints.contains { !$0.isDraining }
  }

  /// A fragment for each place that has selected endpoints. The slice has no address twice.
  func fragments(_ selection: [Int32]?, _ encoded: EncodedEndpoints) -> [Fragment] {
    var fragments: [Fragment] = []
    fragments.reserveCapacity(places.count)
    let count = selection?.count ?? endpoints.count
    func index(_ position: Int) -> Int { selection.map { Int($0[position]) } ?? position }
    var start = 0
    while start < count {
      let place = endpoints[index(start)].place
      var end = start + 1
      while end < count, endpoints[index(end)].place == place { end += 1 }
      let locality = places[Int(place)]
      let bytes = encoded.localityFragment(
        region: locality.region, zone: locality.zone, endpoints: start..<end
      ) { Int(endpoints[index($0)].origin) }
      fragments.append(Fragment(key: locality.key, bytes: bytes))
      start = end
    }
    return fragments
  }

  /// What is selected, by place; of one address the better state counts (ready before draining), and then the lower place.
  func endpoints(_ selection: [Int32]?, port: UInt16) -> [LocalityEndpoints] {
    var best: [String: (index: Int, isDraining: Bool)] = [:]
    let indices = selection?.map(Int.init) ?? Array(endpoints.indices)
    if hasDuplicates {
      for index in indices {
        let endpoint = endpoints[index]
        if let present = best[endpoint.address], !present.isDraining || endpoint.isDraining { continue }
        best[endpoint.address] = (index, endpoint.isDraining)
      }
    }
    var localities: [LocalityEndpoints] = []
    var place: Int32 = -1
    for index in indices {
      let endpoint = endpoints[index]
      if hasDuplicates, best[endpoint.address]?.index != index { continue }
      if place != endpoint.place {
        place = endpoint.place
        localities.append(
          LocalityEndpoints(region: places[Int(place)].region, zone: places[Int(place)].zone, endpoints: []))
      }
      localities[localities.count - 1].endpoints.append(
        LbEndpoint(address: endpoint.address, port: port, health: endpoint.isDraining ? .draining : .healthy))
    }
    return localities
  }
}

extension Fragment {
  /// A locality, keyed by region and zone.
  init(_ locality: LocalityEndpoints) {
    self.init(key: "\(locality.region)\0\(locality.zone)", bytes: locality.encodedFragment())
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
