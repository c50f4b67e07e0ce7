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

/// That a VirtualService wants a host.
struct HostClaim: Hashable, Sendable {
  var host: HostKey
  var claimant: NamespacedName

  /// The claims of a VirtualService, each with its literal hosts of that key in ascending order: in lower case (Envoy compares
  /// them so, and refuses two that differ in case only), short names expanded, without duplicates. O(n log n) for n hosts.
  static func all(
    of claimant: NamespacedName, hosts: [String], clusterDomain: String, _ emit: (HostClaim, [String]) -> Void
  ) {
    var literals: [HostKey: [String]] = [:]
    // A unit of the graph that puts out its keys in the order of its last run finds them faster.
    var keys: [HostKey] = []
    for written in hosts {
      let host = HostName.resolve(written, namespace: claimant.namespace, clusterDomain: clusterDomain)
      let key = HostKey(host, clusterDomain: clusterDomain)
      if hosts.count == 1 { return emit(HostClaim(host: key, claimant: claimant), [host]) }
      if literals[key] == nil { keys.append(key) }
      literals[key, default: []].append(host)
    }
    for key in keys {
      guard let list = literals[key] else { continue }
      emit(HostClaim(host: key, claimant: claimant), list.count == 1 ? list : Set(list).sorted())
    }
  }
}

/// Who has a host. Of several VirtualServices the first counts: those of the service's namespace, then by namespace and name. A
/// release's preview takes no host from anybody.
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
  init(service: KubernetesService, claimants: [NamespacedName], clusterDomain: String) {
    let claimants = claimants.contains(where: \.isOfPreview) ? claimants.filter { !$0.isOfPreview } : claimants
    let ordered =
      claimants.count == 1
      ? claimants
      : claimants.sorted { a, b in
        let (isOwnA, isOwnB) = (a.namespace == service.id.namespace, b.namespace == service.id.namespace)
        return isOwnA != isOwnB ? isOwnA : a < b
      }
    owner = ordered.first
    if ordered.count == 1, service.defaultHTTPPort != nil { return }
    let host = service.fullyQualifiedName(clusterDomain: clusterDomain)
    guard service.defaultHTTPPort != nil else {
      problems = ordered.map { claimant in
        Problem(
          .warning, at: nil, object: ObjectKey(.virtualService, claimant), field: "spec.hosts",
          "host \(host) has no effect because Service \(service.id) has no HTTP port")
      }
      return
    }
    for loser in ordered.dropFirst() { problems.append(Self.conflict(loser, ordered[0], host: host)) }
  }

  /// Hosts without a service.
  ///
  /// - Parameter claims: each claimant with its literal hosts of this key, in ascending order.
  init(claims: [(claimant: NamespacedName, hosts: [String])]) {
    var owners: [String: NamespacedName] = [:]
    let ordered = claims.sorted { a, b in
      let (isPreviewA, isPreviewB) = (a.claimant.isOfPreview, b.claimant.isOfPreview)
      return isPreviewA != isPreviewB ? isPreviewB : a.claimant < b.claimant
    }
    for (claimant, hosts) in ordered {
      for host in hosts {
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
