import EnvoyAPI
import TrafficModel

/// What all DestinationRules of a service say together.
///
/// Rules of the service's own namespace come first, then the others, by namespace and name. The first that has a load
/// balancer sets it; the subsets are the union, and of two with one name the earlier rule's counts.
struct HostPolicy: Equatable, Sendable {
  var loadBalancer: LoadBalancer?
  /// By name.
  var subsets: [DestinationRule.Subset]
  /// Whether a release divides the service's routes.
  var isReleased = false
  /// Those that no rule of a user's declares.
  var subsetsOfReleases: Set<String> = []
  var problems: [Problem]

  init(service: NamespacedName, rules: [Box<DestinationRule>]) {
    let ordered =
      rules.count == 1
      ? rules
      : rules.sorted { a, b in
        let (a, b) = (a.content, b.content)
        let (isOwnA, isOwnB) = (a.id.namespace == service.namespace, b.id.namespace == service.namespace)
        return isOwnA != isOwnB ? isOwnA : a.id < b.id
      }
    loadBalancer = ordered.lazy.compactMap(\.content.loadBalancer).first
    problems = []
    subsets = []
    if ordered.count == 1, !ordered[0].content.isOfRelease, Self.areDistinct(ordered[0].content.subsets) {
      subsets = ordered[0].content.subsets
      // As a rule they are in order already, and the list is the rule's own.
      if subsets.indices.dropFirst().contains(where: { subsets[$0].name < subsets[$0 - 1].name }) {
        subsets.sort { $0.name < $1.name }
      }
      return
    }
    var owners: [String: NamespacedName] = [:]
    for rule in ordered {
      let rule = rule.content
      let object = ObjectKey(.destinationRule, rule.id)
      if rule.isOfRelease {
        isReleased = true
        // What a DestinationRule says of a subset counts; a release only makes sure that it is there.
        for subset in rule.subsets where owners[subset.name] == nil {
          owners[subset.name] = rule.id
          subsetsOfReleases.insert(subset.name)
          subsets.append(subset)
        }
        continue
      }
      for subset in rule.subsets {
        if subset.name.isEmpty {
          problems.append(
            Problem(.warning, at: nil, object: object, field: "spec.subsets", "a subset without a name is left out"))
        } else if let owner = owners[subset.name] {
          problems.append(
            Problem(
              .warning, at: nil, object: object, field: "spec.subsets",
              "subset \(subset.name) of \(service) is already defined by DestinationRule \(owner), which counts"))
        } else {
          owners[subset.name] = rule.id
          subsets.append(subset)
        }
      }
    }
    subsets.sort { $0.name < $1.name }
  }

  /// Whether these few subsets have names, and each its own.
  private static func areDistinct(_ subsets: [DestinationRule.Subset]) -> Bool {
    guard subsets.count <= 8 else { return false }
    return subsets.indices.allSatisfy { index in
      !subsets[index].name.isEmpty && !(0..<index).contains { subsets[$0].name == subsets[index].name }
    }
  }

  /// Whether it says anything to routes: what they hash, or that a release divides them.
  var concernsRoutes: Bool {
    isReleased || loadBalancer?.hashPolicy != nil || subsets.contains { $0.loadBalancer?.hashPolicy != nil }
  }

  /// The load balancer of a subset; the service's where the subset has none, or for an empty name.
  func loadBalancer(ofSubset name: String) -> LoadBalancer? {
    if !name.isEmpty, let own = subsets.first(where: { $0.name == name })?.loadBalancer { return own }
    return loadBalancer
  }
}

extension DestinationRule {
  /// The service that the rule is for, whether it exists or not; nil for a wildcard and for other hosts.
  func service(clusterDomain: String) -> NamespacedName? {
    HostName.service(written: host, namespace: id.namespace, clusterDomain: clusterDomain)
  }

  /// Why the rule has no effect, or another one than Istio would give it.
  func problems(clusterDomain: String, exists: (NamespacedName) -> Bool) -> [Problem] {
    if isOfRelease { return [] }
    func problem(_ message: String) -> [Problem] {
      [Problem(.warning, at: nil, object: ObjectKey(.destinationRule, id), field: "spec.host", message)]
    }
    guard let service = service(clusterDomain: clusterDomain) else {
      return problem(
        host == "*" || host.hasPrefix("*.")
          ? "has no effect because host \(host) is a wildcard, and a rule is for one service"
          : "has no effect because host \(host) is not the name of a Kubernetes service")
    }
    guard exists(service) else { return problem("has no effect because Service \(service) does not exist") }
    // Istio's order of look-up: the client's namespace, the service's, the root namespace. Here all clients share clusters.
    guard service.namespace != id.namespace, loadBalancer != nil || !subsets.isEmpty else { return [] }
    return problem(
      "applies to all clients of Service \(service); Istio would apply it only to those in namespace \(id.namespace), "
        + "unless that is its root namespace")
  }
}

extension LoadBalancer {
  var clusterPolicy: Cluster.LoadBalancing {
    switch self {
    case .roundRobin: .roundRobin
    case .leastRequest: .leastRequest
    case .random: .random
    case .consistentHash(_, .ring(let size)): .ringHash(minimumSize: size)
    case .consistentHash(_, .maglev(let size)): .maglev(tableSize: size)
    }
  }

  /// What a route to a cluster of this policy hashes.
  var hashPolicy: HashPolicy? {
    guard case .consistentHash(let key, _) = self else { return nil }
    switch key {
    case .header(let name): return .header(name)
    case .cookie(let name, let path, let ttl): return .cookie(name: name, path: path, ttl: ttl.map(Milliseconds.init))
    case .queryParameter(let name): return .queryParameter(name)
    case .sourceIP: return .sourceIP
    }
  }
}
