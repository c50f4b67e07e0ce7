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
  var problems: [Problem]

  init(service: NamespacedName, rules: [DestinationRule]) {
    let ordered = rules.sorted { a, b in
      let (isOwnA, isOwnB) = (a.id.namespace == service.namespace, b.id.namespace == service.namespace)
      return isOwnA != isOwnB ? isOwnA : a.id < b.id
    }
    loadBalancer = ordered.lazy.compactMap(\.loadBalancer).first
    problems = []
    var owners: [String: NamespacedName] = [:]
    subsets = []
    for rule in ordered {
      let object = ObjectKey(.destinationRule, rule.id)
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
    let hasUnusableTable = ([loadBalancer] + subsets.map(\.loadBalancer)).contains { $0?.isUsable == false }
    if hasUnusableTable, let first = ordered.first {
      problems.append(
        Problem(
          .warning, at: nil, object: ObjectKey(.destinationRule, first.id), field: "spec",
          "a hash table size for \(service) is one that Envoy refuses; its default is used"))
    }
  }

  /// The load balancer of a subset; the service's where the subset has none, or for an empty name.
  func loadBalancer(ofSubset name: String) -> LoadBalancer? {
    if !name.isEmpty, let own = subsets.first(where: { $0.name == name })?.loadBalancer { return own }
    return loadBalancer
  }
}

extension LoadBalancer {
  /// Envoy's bounds: a cluster beyond them is refused, and holds back all later CDS messages of that Envoy.
  private static let largestRing: UInt64 = 8_388_608
  private static let largestMaglevTable: UInt64 = 5_000_011

  var isUsable: Bool {
    switch self {
    case .consistentHash(_, .ring(let size)): size <= Self.largestRing
    case .consistentHash(_, .maglev(let size?)): size <= Self.largestMaglevTable && Self.isPrime(size)
    default: true
    }
  }

  var clusterPolicy: Cluster.LoadBalancing {
    switch self {
    case .roundRobin: .roundRobin
    case .leastRequest: .leastRequest
    case .random: .random
    case .consistentHash(_, .ring(let size)): .ringHash(minimumSize: min(size, Self.largestRing))
    case .consistentHash(_, .maglev(let size)): .maglev(tableSize: isUsable ? size : nil)
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

  private static func isPrime(_ number: UInt64) -> Bool {
    guard number > 1 else { return false }
    var divisor: UInt64 = 2
    while divisor * divisor <= number {
      if number.isMultiple(of: divisor) { return false }
      divisor += 1
    }
    return true
  }
}
