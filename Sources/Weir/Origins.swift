internal import TrafficModel
internal import XDSServer
internal import XDSSnapshot

/// Which objects a resource was made of, told from its name: names come from content. O(admitted objects) for all that is asked
/// at once.
struct Origins {
  /// Objects of one resource are listed up to this number.
  static let shown = 8

  private let clusterDomain: String
  private var wanted: [(services: Set<NamespacedName>, hosts: Set<String>, kinds: Set<ObjectKind>)] = []

  init(of refusals: [RefusedResource], clusterDomain: String) {
    self.clusterDomain = clusterDomain
    for refusal in refusals {
      var services: Set<NamespacedName> = []
      var hosts: Set<String> = []
      func add(_ host: Substring) {
        if let service = HostName.service(String(host), clusterDomain: clusterDomain) {
          services.insert(service)
        } else {
          hosts.insert(String(host))
        }
      }
      var kinds: Set<ObjectKind> = [.service]
      switch refusal.type {
      case .cluster, .endpoint, .listener:
        kinds.formUnion(
          refusal.type == .cluster ? [.destinationRule] : refusal.type == .endpoint ? [.endpointSlice] : [])
        // outbound|PORT|SUBSET|HOST
        let parts = refusal.resource.split(separator: "|", omittingEmptySubsequences: false)
        if parts.count == 4 { add(parts[3]) }
      case .route, .virtualHost:
        kinds.insert(.virtualService)
        let names =
          refusal.type == .route
          ? refusal.parts.map { $0[...] } : [refusal.resource.split(separator: "/").last ?? ""]
        for name in names {
          // HOST:PORT, or NAME:PORT|NAMESPACE for short names.
          let parts = name.split(separator: "|")
          guard let first = parts.first, let colon = first.lastIndex(of: ":") else { continue }
          if parts.count == 2 {
            services.insert(NamespacedName(namespace: String(parts[1]), name: String(first[..<colon])))
          } else {
            add(first[..<colon])
          }
        }
      // Its name is a hash.
      case .loneEndpoint: break
      }
      wanted.append((services, hosts, kinds))
    }
  }

  /// For each of the refusals what it was made of, in the order of the objects' keys.
  func find(in objects: some Sequence<AdmittedObject>) -> [[AdmittedObject]] {
    var found = wanted.map { _ in [AdmittedObject]() }
    guard wanted.contains(where: { !($0.services.isEmpty && $0.hosts.isEmpty) }) else { return found }
    for object in objects {
      for index in wanted.indices where wanted[index].kinds.contains(object.key.kind) {
        if isPart(object.object, of: wanted[index].services, wanted[index].hosts) { found[index].append(object) }
      }
    }
    return found.map { Array($0.sorted { $0.key < $1.key }.prefix(Self.shown)) }
  }

  private func isPart(_ object: TrafficObject, of services: Set<NamespacedName>, _ hosts: Set<String>) -> Bool {
    func names(_ written: String, _ id: NamespacedName) -> Bool {
      let host = HostName.resolve(written, namespace: id.namespace, clusterDomain: clusterDomain)
      return hosts.contains(host)
        || HostName.service(host, clusterDomain: clusterDomain).map(services.contains) ?? false
    }
    switch object {
    case .service(let service): return services.contains(service.id)
    case .endpointSlice(let slice):
      return services.contains(NamespacedName(namespace: slice.id.namespace, name: slice.service))
    case .destinationRule(let rule): return names(rule.host, rule.id)
    case .virtualService(let rules): return rules.hosts.contains { names($0, rules.id) }
    case .pod, .node, .namespace: return false
    }
  }
}

extension Pipeline {
  /// What refused resources were made of.
  func origins(of refusals: [RefusedResource]) -> [[AdmittedObject]] {
    refusals.isEmpty ? [] : Origins(of: refusals, clusterDomain: clusterDomain).find(in: gate.admittedObjects)
  }
}
