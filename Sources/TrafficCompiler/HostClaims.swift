import TrafficModel

/// What a VirtualService's host means. All forms of a service's name mean the service.
enum HostKey: Hashable, Sendable {
  /// The form of a service's name; whether it exists is not said. If not, each literal form is a host of its own.
  case service(NamespacedName)
  case name(String)
  /// `*.SUFFIX`; empty for `*`.
  case wildcard(String)

  /// - Parameter host: in lower case, short names expanded.
  init(_ host: String, clusterDomain: String) {
    if host == "*" {
      self = .wildcard("")
    } else if host.hasPrefix("*.") {
      self = .wildcard(String(host.dropFirst(2)))
    } else if let service = HostName.service(host, clusterDomain: clusterDomain) {
      self = .service(service)
    } else {
      self = .name(host)
    }
  }
}

extension VirtualService {
  /// The hosts in lower case (Envoy compares them so, and refuses two that differ in case only), short names expanded.
  func resolvedHosts(clusterDomain: String) -> [String] {
    hosts.map { HostName.resolve($0, namespace: id.namespace, clusterDomain: clusterDomain).lowercased() }
  }

  /// Without duplicates.
  func hostKeys(clusterDomain: String) -> [HostKey] {
    var keys: [HostKey] = []
    for host in resolvedHosts(clusterDomain: clusterDomain) {
      let key = HostKey(host, clusterDomain: clusterDomain)
      if !keys.contains(key) { keys.append(key) }
    }
    return keys
  }
}

/// Who has a host. Of several VirtualServices the first counts: those of the service's namespace, then by namespace and name.
struct HostClaims: Equatable, Sendable {
  /// Whose rules a service follows; for a wildcard, the services that it covers.
  var owner: NamespacedName?
  /// Hosts that are no service's, each with its VirtualService; by host.
  var ownHosts: [OwnHost] = []
  var problems: [Problem] = []

  struct OwnHost: Equatable, Sendable {
    var host: String
    var owner: NamespacedName
  }

  /// The host of an existing service.
  init(service: NamespacedName, claimants: [NamespacedName], clusterDomain: String) {
    let ordered = claimants.sorted { a, b in
      let (isOwnA, isOwnB) = (a.namespace == service.namespace, b.namespace == service.namespace)
      return isOwnA != isOwnB ? isOwnA : a < b
    }
    owner = ordered.first
    let host = "\(service.name).\(service.namespace).svc.\(clusterDomain)"
    for loser in ordered.dropFirst() { problems.append(Self.conflict(loser, ordered[0], host: host)) }
  }

  /// Hosts without a service.
  ///
  /// - Parameter claims: each claimant with its literal hosts of this key.
  init(claims: [(claimant: NamespacedName, hosts: [String])]) {
    var owners: [String: NamespacedName] = [:]
    for (claimant, hosts) in claims.sorted(by: { $0.claimant < $1.claimant }) {
      for host in Set(hosts).sorted() {
        if let owner = owners[host] {
          problems.append(Self.conflict(claimant, owner, host: host))
        } else {
          owners[host] = claimant
        }
      }
    }
    ownHosts = owners.map { OwnHost(host: $0.key, owner: $0.value) }.sorted { $0.host < $1.host }
  }

  private static func conflict(_ loser: NamespacedName, _ owner: NamespacedName, host: String) -> Problem {
    Problem(
      .warning, at: nil, object: ObjectKey(.virtualService, loser), field: "spec.hosts",
      "host \(host) belongs to VirtualService \(owner); the rules of \(loser) are not used for it")
  }
}
