internal import TrafficModel

/// The services whose removal waits, and what stays with them: EndpointSlices that are to go, too, and the Pods that these
/// name, for a pod's labels decide to which subset its endpoint belongs. A service that is served for the sake of its
/// routes is of no use to them without its endpoints.
///
/// Only what leaves while, or together with the service, is held. A slice that went before was taken from a service that
/// stayed, which is no mistake; and a slice that changes is taken as it is. So it is when a service is to lose a port and
/// waits: a slice that would lose ports and nothing else waits with it, and one with other endpoints does not, for
/// endpoints that are no more are worse than a port that is not there.
struct Departures: Sendable {
  private(set) var services: Set<NamespacedName> = []
  /// The services that stay and whose new version, with fewer ports, waits.
  private var narrowing: Set<NamespacedName> = []
  /// The EndpointSlices and Pods that are as they are only because of these services.
  private(set) var held: Set<ObjectKey> = []
  /// Service → its admitted slices.
  private var slices: [NamespacedName: [ObjectKey: [ObjectKey]]] = [:]
  /// Pod → how many endpoints of each of these services name it.
  private var uses: [ObjectKey: [NamespacedName: Int]] = [:]

  func holds(_ slice: EndpointSlice) -> Bool { services.contains(slice.serviceName) }
  /// The services for which a pod has to stay.
  func services(ofPod key: ObjectKey) -> some Collection<NamespacedName> { (uses[key] ?? [:]).keys }

  mutating func setHeld(_ key: ObjectKey, _ isHeld: Bool) {
    if isHeld { held.insert(key) } else { held.remove(key) }
  }

  /// What is held for a service: slices, and pods that they name.
  func companions(of service: NamespacedName) -> (slices: [ObjectKey], pods: Set<ObjectKey>) {
    let found = slices[service] ?? [:]
    return (found.keys.filter(held.contains).sorted(), Set(found.values.joined()).filter(held.contains))
  }

  /// - Returns: what was held for the service and has to be looked at again, if it leaves no longer.
  mutating func set(_ service: NamespacedName, isLeaving: Bool) -> Set<ObjectKey> {
    guard services.contains(service) != isLeaving else { return [] }
    let found = slices[service] ?? [:]
    let pods = found.values.joined()
    if isLeaving {
      services.insert(service)
      for pod in pods { uses[pod, default: [:]][service, default: 0] += 1 }
      return []
    }
    services.remove(service)
    for pod in pods { release(pod, of: service) }
    return held.intersection(Set(found.keys).union(pods))
  }

  /// - Returns: what was held for the service and has to be looked at again, if its new version waits no longer.
  mutating func set(_ service: NamespacedName, isNarrowing: Bool) -> Set<ObjectKey> {
    if isNarrowing {
      narrowing.insert(service)
      return []
    }
    return narrowing.remove(service) == nil ? [] : held.intersection((slices[service] ?? [:]).keys)
  }

  func holds(_ old: EndpointSlice, against new: EndpointSlice?) -> Bool {
    guard let new else { return holds(old) }
    guard narrowing.contains(old.serviceName), new.ports.count < old.ports.count else { return false }
    var narrowed = old
    narrowed.ports.removeAll { !new.ports.contains($0) }
    return narrowed == new
  }

  /// Keeps account of an admitted slice.
  ///
  /// - Returns: the held pods that no endpoint needs any longer.
  @discardableResult
  mutating func replaceSlice(_ key: ObjectKey, _ old: EndpointSlice?, with new: EndpointSlice?) -> Set<ObjectKey> {
    var released: [ObjectKey] = []
    if let old {
      released = slices[old.serviceName]?.removeValue(forKey: key) ?? []
      if slices[old.serviceName]?.isEmpty == true { slices[old.serviceName] = nil }
      if !holds(old) { released = [] }
    }
    if let new {
      let pods = new.endpoints.compactMap { $0.pod.map { ObjectKey(.pod, $0) } }
      slices[new.serviceName, default: [:]][key] = pods
      if holds(new) { for pod in pods { uses[pod, default: [:]][new.serviceName, default: 0] += 1 } }
    }
    if let old { for pod in released { release(pod, of: old.serviceName) } }
    return Set(released.filter { held.contains($0) && uses[$0] == nil })
  }

  private mutating func release(_ pod: ObjectKey, of service: NamespacedName) {
    guard let count = uses[pod]?[service] else { return }
    uses[pod]?[service] = count > 1 ? count - 1 : nil
    if uses[pod]?.isEmpty == true { uses[pod] = nil }
  }
}

extension AdmissionGate {
  /// Admits EndpointSlices and Pods, all but the removals that wait with a service's.
  ///
  /// - Returns: the services for which something is held now that was not, or the other way round.
  mutating func settleEndpoints(_ keys: Set<ObjectKey>, change: inout AdmissionChange) -> Set<ObjectKey> {
    var services: Set<NamespacedName> = []
    var pods = keys.filter { $0.kind == .pod }
    for key in keys where key.kind == .endpointSlice {
      let old = admitted[key]?.object.endpointSlice
      let isHeld = old.map { departures.holds($0, against: desired(key)?.endpointSlice) } ?? false
      if let old, isHeld || departures.held.contains(key) { services.insert(old.serviceName) }
      departures.setHeld(key, isHeld)
      if isHeld { continue }
      commit(key, to: &change)
      pods.formUnion(departures.replaceSlice(key, old, with: admitted[key]?.object.endpointSlice))
    }
    for key in pods {
      let users = departures.services(ofPod: key)
      let isHeld = admitted[key] != nil && desired(key) == nil && !users.isEmpty
      services.formUnion(users)
      departures.setHeld(key, isHeld)
      if !isHeld { commit(key, to: &change) }
    }
    return Set(services.map { ObjectKey(.service, $0) }).intersection(waiting)
  }

  private func waitsToGo(_ service: NamespacedName) -> Bool { departures.services.contains(service) }

  /// As part of a sentence that ends with "is served".
  func heldCompanions(_ service: NamespacedName) -> String {
    let (slices, pods) = departures.companions(of: service)
    guard !slices.isEmpty || !pods.isEmpty else { return "" }
    var parts: [String] = []
    if let first = slices.first {
      parts.append(slices.count > 1 ? "\(slices.count) EndpointSlices" : "\(first)")
    }
    if let first = pods.min() { parts.append(pods.count > 1 ? "\(pods.count) Pods" : "\(first)") }
    return ", with what was to \(waitsToGo(service) ? "go" : "change") with it (\(parts.joined(separator: ", ")))"
  }
}

extension EndpointSlice {
  var serviceName: NamespacedName { NamespacedName(namespace: id.namespace, name: service) }
}

extension TrafficObject {
  fileprivate var endpointSlice: EndpointSlice? { if case .endpointSlice(let slice) = self { slice } else { nil } }
}
