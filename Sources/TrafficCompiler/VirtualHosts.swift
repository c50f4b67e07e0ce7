import EnvoyAPI
import TrafficModel
import XDSSnapshot

/// The encoded virtual hosts of one service.
struct ServiceHosts: Equatable, Sendable {
  /// By the forms of the name that every proxy may use.
  var shared: [Fragment] = []
  /// By the short name, for proxies of the service's namespace; made only while there is a class of that namespace.
  var short: [Fragment] = []
  /// The domains of the short names, for proxies that take hosts one by one, and so get one host for all forms of a name.
  var shortDomains: [HostDomains] = []
}

/// Further domains of a host that is there already, encoded.
struct HostDomains: ReferencingElement, BoxedTreeElement, Equatable {
  /// The host's.
  let key: String
  let bytes: [UInt8]
  /// Over both: services of one name in two namespaces have the same short names.
  let contentHash: ContentHash
  var byteCount: Int { bytes.count }
  var references: [String] { [] }

  init(of key: String, _ domains: [String]) {
    self.key = key
    bytes = VirtualHost.encodedDomains(domains)
    contentHash = ContentHash(ContentHash(text: key), ContentHash(bytes))
  }
}

extension Fragment {
  /// A virtual host, keyed by its name.
  init(_ host: VirtualHost) {
    var clusters: [String] = []
    clusters.reserveCapacity(2)
    for route in host.routes {
      guard case .forward(let forward) = route.action else { continue }
      for destination in forward.destinations { clusters.append(destination.cluster) }
      for mirror in forward.mirrors { clusters.append(mirror.cluster) }
    }
    if clusters.count > 2 { clusters = Array(Set(clusters)) }
    if clusters.count == 2, clusters[0] == clusters[1] { clusters.removeLast() }
    clusters.sort()
    self.init(key: host.name, bytes: host.encodedFragment(), references: clusters)
  }
}

/// How a unit makes routes: what it asks for is read through the graph by whoever supplies the closures.
struct RouteWriter {
  var clusterDomain: String
  var service: (NamespacedName) -> Box<KubernetesService>?
  var policy: (NamespacedName) -> Box<HostPolicy>?
  /// What releases make of a service's routes; asked for those that have a release only.
  var releases: (NamespacedName) -> [ReleaseOverlay]?

  /// The virtual hosts of a service.
  ///
  /// - Parameter rules: of the VirtualService that it follows; without any, all goes to the service itself.
  func hosts(of service: KubernetesService, rules: VirtualService?, withShortNames: Bool) -> ServiceHosts {
    var hosts = ServiceHosts()
    let (name, namespace) = (service.id.name, service.id.namespace)
    let fqdn = service.fullyQualifiedName(clusterDomain: clusterDomain)
    let defaultPort = service.defaultHTTPPort
    for port in service.distinctPorts where port.applicationProtocol.isHTTP {
      let number = String(port.port)
      let routes: [Route]
      if let rules, !rules.http.isEmpty {
        routes = self.routes(rules, requestPort: port.port)
      } else {
        routes = plainRoutes(to: service.id, port: port.port, host: fqdn)
      }
      func domains(_ forms: [String]) -> [String] {
        var domains: [String] = []
        domains.reserveCapacity(2 * forms.count)
        for form in forms {
          domains.append(String(joining: form, ":", number))
          if port.port == defaultPort { domains.append(form) }
        }
        return domains
      }
      let key = String(joining: fqdn, ":", number)
      let forms = [
        fqdn, String(joining: name, ".", namespace, ".svc"), String(joining: name, ".", namespace),
      ]
      hosts.shared.append(Fragment(VirtualHost(name: key, domains: domains(forms), routes: routes)))
      guard withShortNames else { continue }
      let short = domains([name])
      hosts.short.append(
        Fragment(VirtualHost(name: "\(name):\(port.port)|\(namespace)", domains: short, routes: routes)))
      hosts.shortDomains.append(HostDomains(of: key, short))
    }
    return hosts
  }

  /// The virtual host of a VirtualService's host that is no service, or of a wildcard.
  func host(_ host: String, rules: VirtualService) -> Fragment {
    // "*" covers every port; any other pattern does not match a Host header with a port.
    let domains = host == "*" ? [host] : [host, "\(host):80"]
    return Fragment(VirtualHost(name: "\(host):80", domains: domains, routes: routes(rules, requestPort: 80)))
  }

  private func plainRoutes(to service: NamespacedName, port: UInt16, host: String) -> [Route] {
    let policy = policy(service)?.content
    if policy?.isReleased == true {
      let all = HTTPRoute(name: "default", destinations: [RouteDestination(host: host, port: port)])
      return variants(all, of: nil, namespace: service.namespace, requestPort: port).map {
        $0.route(RouteMatch())
      }
    }
    let cluster = WireName.cluster(port: port, subset: "", host: host)
    let hash = policy?.loadBalancer?.hashPolicy
    return [
      Route(
        name: "default", match: RouteMatch(),
        action: .forward(
          .init(
            destinations: [WeightedCluster(cluster: cluster, weight: 1)], retry: .istioDefault,
            hashPolicy: hash.map { [$0] } ?? [])))
    ]
  }

  /// The rules in their order, each alternative of a rule's match a route; where a release has rules, once for each of them
  /// and then for all other requests.
  private func routes(_ rules: VirtualService, requestPort: UInt16) -> [Route] {
    var routes: [Route] = []
    for rule in rules.http {
      let matches = rule.matches.filter { $0.port == nil || $0.port == requestPort }
      if matches.isEmpty, !rule.matches.isEmpty { continue }
      for variant in variants(rule, of: rules.id, namespace: rules.id.namespace, requestPort: requestPort) {
        func route(_ match: HTTPMatch) -> Route {
          var route = variant.route(RouteMatch(match))
          route.name = name(variant, match)
          return route
        }
        if matches.isEmpty {
          routes.append(variant.route(RouteMatch()))
        } else if matches.count == 1 {
          routes.append(route(matches[0]))
        } else {
          var alternatives = matches.map { match in
            let route = route(match)
            return (text: route.match.sortingText + "\0" + route.name, route: route)
          }
          alternatives.sort { $0.text < $1.text }
          routes += alternatives.map(\.route)
        }
      }
    }
    return routes
  }

  /// What a rule does with the requests that meet a condition of a release's, or with all.
  private struct Variant {
    var name: String
    var conditions: [RequestRule] = []
    var action: RouteAction
    var responseHeaders: [HeaderAddition] = []

    func route(_ match: RouteMatch) -> Route {
      Route(
        name: name, match: conditions.reduce(match) { $0.adding($1) }, action: action, responseHeaders: responseHeaders)
    }
  }

  private func name(_ variant: Variant, _ match: HTTPMatch) -> String {
    if match.name.isEmpty { return variant.name }
    return variant.name.isEmpty ? match.name : "\(variant.name).\(match.name)"
  }

  /// - Parameter owner: the rule's VirtualService; nil for the route that every service has.
  private func variants(
    _ rule: HTTPRoute, of owner: NamespacedName?, namespace: String, requestPort: UInt16
  ) -> [Variant] {
    var resolved: [ResolvedDestination] = []
    resolved.reserveCapacity(rule.destinations.count)
    for destination in rule.destinations {
      // A share of nothing is not named, so nobody waits for its cluster; a lone destination takes all.
      if destination.weight == 0, rule.destinations.count > 1 { continue }
      resolved.append(resolve(destination, namespace: namespace, requestPort: requestPort))
      if rule.destinations.count == 1 { resolved[0].weight = 1 }
    }
    // A preview shows the candidate, whatever share it has.
    let isPreview = owner?.isOfPreview ?? false
    guard !isPreview, let divided = divided(resolved, { owner.map(rule.identity) ?? "" }) else {
      return [Variant(name: rule.name, action: action(rule, resolved))]
    }
    return divided.map { route in
      Variant(
        name: rule.name, conditions: route.conditions,
        action: .forward(
          .init(
            destinations: route.destinations, isSticky: route.isSticky,
            timeout: Milliseconds(rule.timeoutMilliseconds ?? 0),
            retry: rule.retries.map { RetryPolicy($0) } ?? .istioDefault, hashPolicy: route.hashPolicies,
            mirrors: route.mirrors)), responseHeaders: route.responseHeaders)
    }
  }

  private func action(_ rule: HTTPRoute, _ resolved: [ResolvedDestination]) -> RouteAction {
    var destinations: [WeightedCluster] = []
    destinations.reserveCapacity(resolved.count)
    var hashPolicies: [(cluster: String, policy: HashPolicy)] = []
    for destination in resolved {
      if let same = destinations.firstIndex(where: { $0.cluster == destination.cluster }) {
        destinations[same].weight &+= UInt32(destination.weight)
      } else {
        destinations.append(WeightedCluster(cluster: destination.cluster, weight: UInt32(destination.weight)))
        if let policy = destination.hashPolicy { hashPolicies.append((destination.cluster, policy)) }
      }
    }
    // The gate admits no rule without a weight; should one come, refusing is what it asks for.
    guard !destinations.isEmpty else { return .respond(status: 503) }
    destinations.sort { $0.cluster < $1.cluster }
    hashPolicies.sort { $0.cluster < $1.cluster }
    var distinct: [HashPolicy] = []
    for (_, policy) in hashPolicies where !distinct.contains(policy) { distinct.append(policy) }
    return .forward(
      .init(
        destinations: destinations, timeout: Milliseconds(rule.timeoutMilliseconds ?? 0),
        retry: rule.retries.map { RetryPolicy($0) } ?? .istioDefault, hashPolicy: distinct))
  }

  /// What a destination means: its cluster, whether it exists or not, and what its load balancer hashes.
  ///
  /// The port where none is written: the service's only one (Istio, `Destination.port`); else the port that was asked for if
  /// the service has it, else its default HTTP port, else its lowest.
  private func resolve(
    _ destination: RouteDestination, namespace: String, requestPort: UInt16
  ) -> ResolvedDestination {
    let subset = destination.subset ?? ""
    guard let id = HostName.service(written: destination.host, namespace: namespace, clusterDomain: clusterDomain)
    else {
      let host = HostName.resolve(destination.host, namespace: namespace, clusterDomain: clusterDomain)
      let port = destination.port ?? requestPort
      return ResolvedDestination(
        cluster: WireName.cluster(port: port, subset: subset, host: host), weight: UInt64(destination.weight),
        port: port, subset: subset)
    }
    let fqdn = String(joining: id.name, ".", id.namespace, ".svc.", clusterDomain)
    var port = destination.port
    if port == nil, let service = service(id)?.content {
      let ports = service.distinctPorts
      if ports.count == 1 || !ports.contains(where: { $0.port == requestPort }) {
        port = ports.count == 1 ? ports[0].port : service.defaultHTTPPort ?? ports.first?.port
      }
    }
    let resolvedPort = port ?? requestPort
    let policy = policy(id)?.content
    return ResolvedDestination(
      cluster: WireName.cluster(port: resolvedPort, subset: subset, host: fqdn),
      hashPolicy: policy?.loadBalancer(ofSubset: subset)?.hashPolicy, weight: UInt64(destination.weight), service: id,
      port: resolvedPort, subset: subset, isReleased: policy?.isReleased ?? false)
  }
}
