import EnvoyAPI
import TrafficModel

// What the compiler keeps of the objects that come in great numbers: what decides something, in a form that is cheap to compare.

/// What of a pod decides about its endpoints.
struct PodFacts: Equatable, Sendable {
  /// In the order of their names. A list: pods have few labels, and to hash one name costs more than to look at all.
  var labels: [Label]
  var nodeName: String?

  struct Label: Equatable, Sendable {
    var name: String
    var value: String
  }

  init(_ pod: Pod, labels: [Label]) {
    self.labels = labels
    nodeName = pod.nodeName
  }
}

/// Lends pods with equal labels one list of them. Pods of one Deployment come one after the other, so a few lists are enough;
/// what is not found is made anew, and nothing but memory depends on it.
struct LabelLists {
  private var recent: [[PodFacts.Label]] = []
  private var next = 0
  private static let kept = 4

  mutating func list(_ labels: [String: String]) -> [PodFacts.Label] {
    // The last one first. A dictionary is walked, not asked: to hash a name costs more than to look at all of them.
    for age in 1...Self.kept where age <= recent.count {
      let list = recent[(next + recent.count - age) % recent.count]
      guard list.count == labels.count else { continue }
      let isEqual = labels.allSatisfy { name, value in list.contains { $0.name == name && $0.value == value } }
      if isEqual { return list }
    }
    let list = labels.map { PodFacts.Label(name: $0.key, value: $0.value) }.sorted { $0.name < $1.name }
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
    ports = []
    for port in slice.ports where !ports.contains(where: { $0.name == port.name }) { ports.append(port) }
    endpoints = []
    endpoints.reserveCapacity(slice.endpoints.count)
    var isOrdered = true
    for endpoint in slice.endpoints where endpoint.state != .notReady {
      for address in endpoint.addresses {
        if isOrdered, let last = endpoints.last, !(last.address < address) { isOrdered = false }
        endpoints.append(
          Endpoint(
            address: address, isDraining: endpoint.state == .draining, zone: endpoint.zone,
            nodeName: endpoint.nodeName, pod: endpoint.pod))
      }
    }
    if !isOrdered { sort() }
    for port in ports { encoded.append(encode(port, former: former?.content)) }
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
    for endpoint in endpoints {
      if let former, let samePort {
        while next < former.endpoints.count, former.endpoints[next].address < endpoint.address { next += 1 }
        if next < former.endpoints.count, former.endpoints[next].address == endpoint.address,
          former.endpoints[next].isDraining == endpoint.isDraining
        {
          encoded.append(next, of: former.encoded[samePort])
          continue
        }
      }
      encoded.append(
        LbEndpoint(address: endpoint.address, port: port.port, health: endpoint.isDraining ? .draining : .healthy))
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
