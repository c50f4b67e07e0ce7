import EnvoyAPI
import TrafficModel

// What the compiler keeps of the objects that come in great numbers: what decides something, in a form that is cheap to compare.

/// What of a pod decides about its endpoints.
struct PodFacts: Equatable, Sendable {
  var labels: LabelList
  var nodeName: String?
}

/// A pod's labels in the order of their names. A list: pods have few labels, and to hash one name costs more than to look at all.
final class LabelList: Sendable {
  let labels: [Label]

  struct Label: Equatable, Sendable {
    var name: String
    var value: String
  }

  init(_ labels: [String: String]) {
    var list: [Label] = []
    list.reserveCapacity(labels.count)
    for (name, value) in labels { list.append(Label(name: name, value: value)) }
    list.sort { $0.name < $1.name }
    self.labels = list
  }

  /// Whether it has all of these.
  func contains(_ labels: [String: String]) -> Bool { labels.allSatisfy { contains($0.key, $0.value) } }

  func contains(_ name: String, _ value: String) -> Bool {
    labels.contains { $0.name == name && $0.value == value }
  }

  /// The same, but texts that are equal with other bytes may pass for different ones: most names differ in their length.
  fileprivate func has(_ name: String, _ value: String) -> Bool {
    for index in labels.indices where labels[index].name.utf8.count == name.utf8.count {
      if labels[index].name == name { return labels[index].value == value }
    }
    return false
  }
}

extension LabelList: Equatable {
  static func == (a: LabelList, b: LabelList) -> Bool { a === b || a.labels == b.labels }
}

/// Lends pods with equal labels one list of them. Pods of one Deployment come one after the other, so a few lists are enough;
/// what is not found is made anew, and nothing but memory depends on it.
struct LabelLists {
  private var recent: [LabelList] = []
  private var next = 0
  private static let kept = 4

  mutating func list(_ labels: [String: String]) -> LabelList {
    // The last one first. A dictionary is walked, not asked: to hash a name costs more than to look at all of them.
    for age in 1...Self.kept where age <= recent.count {
      let list = recent[next >= age ? next - age : next - age + recent.count]
      if list.labels.count == labels.count, labels.allSatisfy({ list.has($0.key, $0.value) }) { return list }
    }
    let list = LabelList(labels)
    if recent.count < Self.kept { recent.append(list) } else { recent[next] = list }
    next = (next + 1) % Self.kept
    return list
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

/// What of an EndpointSlice is served: the addresses of endpoints that are ready or drain, in one list without lists in it.
struct SliceFacts: Sendable {
  var service: String
  /// The first of each name.
  var ports: [EndpointSlice.Port]
  /// By address, ready before draining.
  var endpoints: [Endpoint]
  /// For each port the endpoints in their order: what they and the ports say, as bytes.
  var encoded: [EncodedEndpoints] = []
  /// Whether an address occurs twice.
  var hasDuplicates = false

  struct Endpoint: Equatable, Sendable {
    var address: String
    var isDraining: Bool
    var zone: String?
    var nodeName: String?
    var pod: NamespacedName?
  }

  /// - Parameter former: what the slice said before. Its bytes are used again where an endpoint is still there; they would be
  ///   the same if they were made anew.
  init(_ slice: EndpointSlice, former: Box<SliceFacts>?) {
    service = slice.service
    if slice.ports.count < 2 {
      ports = slice.ports
    } else {
      ports = []
      for port in slice.ports where !ports.contains(where: { $0.name == port.name }) { ports.append(port) }
    }
    endpoints = []
    endpoints.reserveCapacity(slice.endpoints.count)
    var isOrdered = true
    // By index and field by field: a copy of an endpoint would count all that it holds.
    for index in slice.endpoints.indices where slice.endpoints[index].state != .notReady {
      for number in slice.endpoints[index].addresses.indices {
        endpoints.append(
          Endpoint(
            address: slice.endpoints[index].addresses[number], isDraining: slice.endpoints[index].state == .draining,
            zone: slice.endpoints[index].zone, nodeName: slice.endpoints[index].nodeName,
            pod: slice.endpoints[index].pod))
        let last = endpoints.count - 1
        if isOrdered, last > 0, !(endpoints[last - 1].address < endpoints[last].address) { isOrdered = false }
      }
    }
    if !isOrdered { sort() }
    encoded = ports.map { encode($0, former: former?.content) }
  }

  private mutating func sort() {
    endpoints.sort { a, b in a.address != b.address ? a.address < b.address : !a.isDraining && b.isDraining }
    for index in endpoints.indices.dropFirst() where endpoints[index].address == endpoints[index - 1].address {
      hasDuplicates = true
    }
  }

  private func encode(_ port: EndpointSlice.Port, former: SliceFacts?) -> EncodedEndpoints {
    var encoded = EncodedEndpoints()
    encoded.reserveCapacity(endpoints.count)
    // Both are in the order of their addresses. After another one a port of another number is encoded anew.
    let samePort = former?.ports.firstIndex { $0.port == port.port }
    var next = 0
    for index in endpoints.indices {
      if let former, let samePort {
        let endpoint = endpoints[index]
        while next < former.endpoints.count, former.endpoints[next].address < endpoint.address { next += 1 }
        if next < former.endpoints.count, former.endpoints[next].address == endpoint.address,
          former.endpoints[next].isDraining == endpoint.isDraining
        {
          encoded.append(next, of: former.encoded[samePort])
          continue
        }
      }
      encoded.append(
        LbEndpoint(
          address: endpoints[index].address, port: port.port,
          health: endpoints[index].isDraining ? .draining : .healthy))
    }
    return encoded
  }
}

/// The bytes follow from the rest.
extension SliceFacts: Equatable {
  static func == (a: Self, b: Self) -> Bool {
    a.service == b.service && a.ports == b.ports && a.endpoints == b.endpoints
  }
}
