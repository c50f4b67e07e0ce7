public import TrafficModel

/// What a destination names that is not there.
enum MissingReference: Hashable {
  /// The host is no Kubernetes service's name.
  case notAService(host: String)
  case service(NamespacedName)
  /// It leaves the port open, and the service has none at all.
  case anyPort(NamespacedName)
  case port(NamespacedName, UInt16)
  case subset(NamespacedName, String)

  var service: NamespacedName? {
    switch self {
    case .notAService: nil
    case .service(let name), .anyPort(let name), .port(let name, _), .subset(let name, _): name
    }
  }
}

extension AdmissionGate {
  /// The service that a host means in an object of a namespace, whether it exists or not; nil if it can mean none.
  public func service(of host: String, in namespace: String) -> NamespacedName? {
    HostName.service(written: host, namespace: namespace, clusterDomain: clusterDomain)
  }

  /// The services that a version of an object stands for in the indexes.
  func services(of object: TrafficObject?) -> Set<NamespacedName> {
    switch object {
    case .virtualService(let object):
      var names: Set<NamespacedName> = []
      for route in object.http {
        for destination in route.destinations {
          if let name = service(of: destination.host, in: object.id.namespace) { names.insert(name) }
        }
      }
      return names
    case .destinationRule(let object):
      return service(of: object.host, in: object.id.namespace).map { [$0] } ?? []
    case .service(let object): return [object.id]
    default: return []
    }
  }

  /// The admitted VirtualServices that have a service as a destination, by namespace and name. O(those that name it).
  public func virtualServices(naming service: NamespacedName) -> [VirtualService] {
    (consumers[service] ?? []).sorted().compactMap { key in
      guard case .virtualService(let object) = admitted[key]?.object else { return nil }
      let names = object.http.contains { route in
        route.destinations.contains { self.service(of: $0.host, in: object.id.namespace) == service }
      }
      return names ? object : nil
    }
  }

  /// Brings the indexes in line with an object's admitted and newest versions.
  mutating func index(_ key: ObjectKey) {
    guard key.kind == .virtualService || key.kind == .destinationRule else { return }
    let names = services(of: admitted[key]?.object).union(services(of: desired(key)))
    let before = indexed[key] ?? []
    guard names != before else { return }
    for name in before.subtracting(names) { remove(key, under: name) }
    for name in names.subtracting(before) {
      if key.kind == .virtualService {
        consumers[name, default: []].insert(key)
      } else {
        rules[name, default: []].insert(key)
      }
    }
    indexed[key] = names.isEmpty ? nil : names
  }

  private mutating func remove(_ key: ObjectKey, under name: NamespacedName) {
    if key.kind == .virtualService {
      consumers[name]?.remove(key)
      if consumers[name]?.isEmpty == true { consumers[name] = nil }
    } else {
      rules[name]?.remove(key)
      if rules[name]?.isEmpty == true { rules[name] = nil }
    }
  }

  /// What a destination names that is not there, if each object has the version that `version` gives.
  func missing(
    _ destination: RouteDestination, namespace: String, version: (ObjectKey) -> TrafficObject?
  ) -> MissingReference? {
    guard let name = service(of: destination.host, in: namespace) else { return .notAService(host: destination.host) }
    guard case .service(let found) = version(ObjectKey(.service, name)) else { return .service(name) }
    if let port = destination.port {
      if !found.ports.contains(where: { $0.port == port }) { return .port(name, port) }
    } else if found.ports.isEmpty {
      return .anyPort(name)
    }
    if let subset = destination.subset {
      let isThere = (rules[name] ?? []).contains { offers(version($0), subset: subset, of: name) }
      if !isThere { return .subset(name, subset) }
    }
    return nil
  }

  func missing(_ object: TrafficObject?, version: (ObjectKey) -> TrafficObject?) -> Set<MissingReference> {
    guard case .virtualService(let object) = object else { return [] }
    var found: Set<MissingReference> = []
    for route in object.http {
      for destination in route.destinations {
        if let reference = missing(destination, namespace: object.id.namespace, version: version) {
          found.insert(reference)
        }
      }
    }
    return found
  }

  func offers(_ object: TrafficObject?, subset: String, of name: NamespacedName) -> Bool {
    guard case .destinationRule(let rule) = object, rule.subsets.contains(where: { $0.name == subset }) else {
      return false
    }
    return service(of: rule.host, in: rule.id.namespace) == name
  }

  /// Whether a version of a Service or DestinationRule has what is missing.
  func provides(_ object: TrafficObject?, _ reference: MissingReference) -> Bool {
    switch (object, reference) {
    case (.service(let object), .service(let name)): object.id == name
    case (.service(let object), .anyPort(let name)): object.id == name && !object.ports.isEmpty
    case (.service(let object), .port(let name, let port)):
      object.id == name && object.ports.contains { $0.port == port }
    case (.destinationRule, .subset(let name, let subset)): offers(object, subset: subset, of: name)
    default: false
    }
  }

  /// Whether a version lacks something that another of the same object has.
  func givesUp(from old: TrafficObject?, to new: TrafficObject?) -> Bool {
    switch (old, new) {
    case (.service(let old), .service(let new)):
      !Set(old.ports.map(\.port)).isSubset(of: new.ports.map(\.port))
    case (.destinationRule(let old), .destinationRule(let new)):
      old.host != new.host || !Set(old.subsets.map(\.name)).isSubset(of: new.subsets.map(\.name))
    case (nil, _): false
    case (_, nil): true
    default: false
    }
  }
}
