import EnvoyAPI
import TrafficModel
import XDSSnapshot

/// The endpoints that a slice gives to one port and subset of its service.
struct SlicePart: Sendable {
  /// Encoded, one fragment for each locality that has endpoints here.
  var localities: ReferencedTree<Fragment>
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

  /// Not decoded again: the endpoints behind the fragments, by region and zone.
  func endpoints() -> [LocalityEndpoints] { slice.endpoints(selection, port: port) }
}

/// Equal fragments: they say all of a part, by hash.
extension SlicePart: Equatable {
  static func == (a: Self, b: Self) -> Bool { a.localities.tree == b.localities.tree }
}

extension SliceFacts {
  /// Lends what is known of a pod or node while the parts are made.
  typealias Lookup<Key, Facts> = (Key) -> UnsafePointer<Facts?>?

  /// The slice's share of each port and subset of its service; parts without endpoints are left out.
  ///
  /// An endpoint's zone is its own or else its node's, its region the node's; the node is its own or else its pod's. Every
  /// address of an endpoint counts. Its labels are its pod's; one without a known pod is in no subset that asks for labels.
  ///
  /// Cost: O(n log n) for n endpoints, and O(n) for each port and subset. An endpoint is encoded once for each port.
  func parts(
    _ id: NamespacedName, subsets: [DestinationRule.Subset], pod: Lookup<NamespacedName, PodFacts>,
    node: Lookup<String, NodeFacts>, _ emit: (SlicePart.Key, Box<SlicePart>) -> Void
  ) {
    guard !endpoints.isEmpty else { return }
    let slice = PlacedSlice(self, pod: pod, node: node)
    // With one port they are looked for where they are asked for: no list of lists.
    let selections = ports.count == 1 ? [] : subsets.indices.map { slice.selection(subsets[$0].labels) }
    for number in ports.indices {
      func emitPart(_ subset: String, _ selection: [Int32]?) {
        let localities =
          slice.hasDuplicates
          ? ReferencedTree(slice.endpoints(selection, port: ports[number].port).map { Fragment($0) })
          : slice.fragments(selection, encoded[number])
        emit(
          SlicePart.Key(slice: id, portName: ports[number].name, subset: subset),
          Box(
            SlicePart(
              localities: localities, hasReady: slice.hasReady(selection), slice: slice, port: ports[number].port,
              selection: selection)))
      }
      emitPart("", nil)
      for index in subsets.indices {
        let selection = selections.isEmpty ? slice.selection(subsets[index].labels) : selections[index]
        if !selection.isEmpty { emitPart(subsets[index].name, selection) }
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
  /// The endpoints of the facts.
  private let origins: [SliceFacts.Endpoint]
  private let labelLists: [LabelList?]

  struct Endpoint: Sendable {
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

  init(
    _ slice: SliceFacts, pod: SliceFacts.Lookup<NamespacedName, PodFacts>, node: SliceFacts.Lookup<String, NodeFacts>
  ) {
    var places: [Place] = []
    var labelLists: [LabelList?] = []
    var endpoints: [Endpoint] = []
    endpoints.reserveCapacity(slice.endpoints.count)
    places.reserveCapacity(2)
    for origin in slice.endpoints.indices {
      // Field by field, and pods and nodes only lent: a copy of the whole would count all that is in it.
      let pod = slice.endpoints[origin].pod.flatMap(pod)
      let node = (slice.endpoints[origin].nodeName ?? pod?.pointee?.nodeName).flatMap(node)
      endpoints.append(
        Endpoint(
          origin: Int32(origin),
          place: Self.place(
            region: node?.pointee?.region ?? "", zone: slice.endpoints[origin].zone ?? node?.pointee?.zone ?? "",
            &places),
          labels: Self.labels(pod?.pointee?.labels, &labelLists), isDraining: slice.endpoints[origin].isDraining))
    }
    if places.count > 1 { Self.sort(&places, &endpoints) }
    self.endpoints = endpoints
    self.places = places
    self.labelLists = labelLists
    origins = slice.endpoints
    hasDuplicates = slice.hasDuplicates
  }

  private static func sort(_ places: inout [Place], _ endpoints: inout [Endpoint]) {
    func precedes(_ a: Int, _ b: Int) -> Bool {
      places[a].region != places[b].region
        ? places[a].region < places[b].region : places[a].zone < places[b].zone
    }
    if !places.indices.dropFirst().allSatisfy({ precedes($0 - 1, $0) }) {
      let order = places.indices.sorted(by: precedes)
      var ranks = [Int32](repeating: 0, count: order.count)
      for (rank, place) in order.enumerated() { ranks[place] = Int32(rank) }
      for index in endpoints.indices { endpoints[index].place = ranks[Int(endpoints[index].place)] }
      places = order.map { places[$0] }
    }
    // Stable: within a place the order by address stays.
    var sorted: [Endpoint] = []
    sorted.reserveCapacity(endpoints.count)
    for place in places.indices {
      for index in endpoints.indices where endpoints[index].place == place { sorted.append(endpoints[index]) }
    }
    endpoints = sorted
  }

  private static func place(region: String, zone: String, _ places: inout [Place]) -> Int32 {
    for index in places.indices where places[index].zone == zone && places[index].region == region {
      return Int32(index)
    }
    places.append(Place(region: region, zone: zone, key: String(joining: region, "\0", zone)))
    return Int32(places.count - 1)
  }

  /// Looks at the last few only: a list that is there twice costs a comparison more and nothing else.
  private static func labels(_ labels: LabelList?, _ lists: inout [LabelList?]) -> Int32 {
    for index in lists.indices.suffix(4) where lists[index] === labels { return Int32(index) }
    for index in lists.indices.suffix(4) where lists[index] == labels { return Int32(index) }
    lists.append(labels)
    return Int32(lists.count - 1)
  }

  /// The endpoints whose labels contain all of a subset's.
  func selection(_ labels: [String: String]) -> [Int32] {
    if labels.isEmpty { return endpoints.indices.map { Int32($0) } }
    func has(_ list: Int) -> Bool { labelLists[list]?.contains(labels) ?? false }
    // Mostly there are a few lists, each of many endpoints.
    var selected: UInt64 = 0
    for list in labelLists.indices.prefix(64) where has(list) { selected |= 1 << UInt64(list) }
    var selection: [Int32] = []
    for index in endpoints.indices {
      let list = Int(endpoints[index].labels)
      guard list < 64 ? selected >> UInt64(list) & 1 == 1 : has(list) else { continue }
      if selection.isEmpty { selection.reserveCapacity(endpoints.count - index) }
      selection.append(Int32(index))
    }
    return selection
  }

  func hasReady(_ selection: [Int32]?) -> Bool {
    selection?.contains { !endpoints[Int($0)].isDraining } ?? endpoints.contains { !$0.isDraining }
  }

  /// A fragment for each place that has selected endpoints. The slice has no address twice.
  func fragments(_ selection: [Int32]?, _ encoded: EncodedEndpoints) -> ReferencedTree<Fragment> {
    var fragments = ReferencedTree<Fragment>()
    let count = selection?.count ?? endpoints.count
    func index(_ position: Int) -> Int { selection.map { Int($0[position]) } ?? position }
    var start = 0
    while start < count {
      let place = endpoints[index(start)].place
      var end = start + 1
      while end < count, endpoints[index(end)].place == place { end += 1 }
      let bytes = encoded.localityFragment(
        region: places[Int(place)].region, zone: places[Int(place)].zone, endpoints: start..<end
      ) { Int(endpoints[index($0)].origin) }
      fragments.set(Fragment(key: places[Int(place)].key, bytes: bytes))
      start = end
    }
    return fragments
  }

  /// What is selected, by place; of one address the better state counts (ready before draining), and then the lower place.
  func endpoints(_ selection: [Int32]?, port: UInt16) -> [LocalityEndpoints] {
    var best: [String: (index: Int, isDraining: Bool)] = [:]
    let indices = selection?.map(Int.init) ?? Array(endpoints.indices)
    func address(_ index: Int) -> String { origins[Int(endpoints[index].origin)].address }
    if hasDuplicates {
      for index in indices {
        let isDraining = endpoints[index].isDraining
        if let present = best[address(index)], !present.isDraining || isDraining { continue }
        best[address(index)] = (index, isDraining)
      }
    }
    var localities: [LocalityEndpoints] = []
    var place: Int32 = -1
    for index in indices {
      let endpoint = endpoints[index]
      if hasDuplicates, best[address(index)]?.index != index { continue }
      if place != endpoint.place {
        place = endpoint.place
        localities.append(
          LocalityEndpoints(region: places[Int(place)].region, zone: places[Int(place)].zone, endpoints: []))
      }
      localities[localities.count - 1].endpoints.append(
        LbEndpoint(address: address(index), port: port, health: endpoint.isDraining ? .draining : .healthy))
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
