import EnvoyAPI
import TrafficModel

/// What a route names, resolved, before releases divide it.
struct ResolvedDestination {
  var cluster: String
  /// What the cluster's load balancer hashes.
  var hashPolicy: HashPolicy?
  var weight: UInt64
  /// Nil for a host that is no service.
  var service: NamespacedName?
  var port: UInt16
  /// Empty for the whole service.
  var subset: String
  /// Whether a release divides routes to the service.
  var isReleased = false
}

/// A route's destinations, with those of releases divided between stable and candidate.
struct DividedRoute {
  /// What a request must have to come here, all of it; nothing for all that went to none before.
  var conditions: [RequestRule]
  var destinations: [WeightedCluster]
  var hashPolicies: [HashPolicy]
  /// Whether what a client hashes to decides where it goes.
  var isSticky: Bool
  var mirrors: [MirrorPolicy]
  /// So that a client stays where it has come to.
  var responseHeaders: [HeaderAddition] = []
}

/// The joint share of a release's two subsets in one route.
private struct JointShare {
  var overlay: ReleaseOverlay
  var service: NamespacedName
  var port: UInt16
  var stable: Part
  var candidate: Part
  var weight: UInt64 = 0

  func takes(_ destination: ResolvedDestination) -> Bool {
    destination.service == service && destination.port == port && overlay.takes(subset: destination.subset)
  }
}

private struct Part {
  var cluster: String
  var hashPolicy: HashPolicy?
  var weight: UInt64 = 0
}

extension RouteWriter {
  /// Divides a route among the releases of what it names: first the routes of the releases' rules, last that of all other
  /// requests. Nil if no release concerns it.
  ///
  /// - Parameter identity: of the route.
  func divided(_ destinations: [ResolvedDestination], _ identity: () -> String) -> [DividedRoute]? {
    guard destinations.contains(where: \.isReleased) else { return nil }
    var joints = joints(of: destinations)
    joints.removeAll { joint in
      !joint.overlay.divides(destinations.lazy.filter { joint.takes($0) && $0.weight > 0 }.map(\.subset), identity)
    }
    guard !joints.isEmpty else { return nil }
    var others: [Part] = []
    for destination in destinations {
      guard let index = joints.firstIndex(where: { $0.takes(destination) }) else {
        others.append(
          Part(cluster: destination.cluster, hashPolicy: destination.hashPolicy, weight: destination.weight))
        continue
      }
      joints[index].weight += destination.weight
    }

    // In lowest terms, and then fine enough for a ten-thousandth of each. What the parts add up to does not depend on how they
    // are divided, so that a client's place among them stays while weights change.
    let divisor = (joints.map(\.weight) + others.map(\.weight)).reduce(0, Self.greatestCommonDivisor)
    let total = (joints.map(\.weight) + others.map(\.weight)).reduce(0) { $0 + $1 / divisor }
    let scale = max(1, min(10_000, UInt64(UInt32.max) / max(total, 1)))
    for index in joints.indices { joints[index].weight = joints[index].weight / divisor * scale }
    for index in others.indices { others[index].weight = others[index].weight / divisor * scale }

    var routes: [DividedRoute] = []
    for (index, joint) in joints.enumerated() {
      for rule in joint.overlay.rules { routes += Self.routes(joints, others, [rule], allOf: index) }
    }
    return routes + Self.routes(joints, others)
  }

  /// By service and port: the order of destinations means nothing.
  private func joints(of destinations: [ResolvedDestination]) -> [JointShare] {
    var joints: [JointShare] = []
    for destination in destinations where destination.isReleased {
      guard let service = destination.service,
        !joints.contains(where: { $0.service == service && $0.port == destination.port }),
        let overlay = releases(service)?.first(where: { $0.port == nil || $0.port == destination.port })
      else { continue }
      let policy = policy(service)?.content
      func part(_ subset: DestinationRule.Subset) -> Part {
        Part(
          cluster: WireName.cluster(
            port: destination.port, subset: subset.name, host: service.serviceHost(clusterDomain: clusterDomain)),
          hashPolicy: policy?.loadBalancer(ofSubset: subset.name)?.hashPolicy)
      }
      joints.append(
        JointShare(
          overlay: overlay, service: service, port: destination.port, stable: part(overlay.stable),
          candidate: part(overlay.candidate)))
    }
    return joints.sorted { $0.service != $1.service ? $0.service < $1.service : $0.port < $1.port }
  }

  /// - Parameter chosen: the release whose candidate takes all of its joint share.
  private static func routes(
    _ joints: [JointShare], _ others: [Part], _ conditions: [RequestRule] = [], allOf chosen: Int? = nil
  ) -> [DividedRoute] {
    var candidates: [Part] = []
    var rest: [Part] = []
    func add(_ part: Part, _ weight: UInt64, to list: inout [Part]) {
      guard weight > 0 else { return }
      if let same = list.firstIndex(where: { $0.cluster == part.cluster }) {
        list[same].weight += weight
      } else {
        list.append(Part(cluster: part.cluster, hashPolicy: part.hashPolicy, weight: weight))
      }
    }
    for (index, joint) in joints.enumerated() {
      let weight = index == chosen ? joint.weight : joint.overlay.weight.part(of: joint.weight)
      add(joint.candidate, weight, to: &candidates)
      add(joint.stable, joint.weight - weight, to: &rest)
    }
    for other in others { add(other, other.weight, to: &rest) }
    candidates.sort { $0.cluster < $1.cluster }
    rest.sort { $0.cluster < $1.cluster }
    let stickiness = joints.lazy.compactMap(\.overlay.stickiness).first
    let isSticky = stickiness != nil && candidates.count + rest.count > 1
    // Candidates come first for clients that stay with a version: their range then only grows with the weight. Else the name
    // decides, as everywhere.
    let all = isSticky ? candidates + rest : (candidates + rest).sorted { $0.cluster < $1.cluster }
    var policies: [HashPolicy] = []
    for policy in all.compactMap(\.hashPolicy) where !policies.contains(policy) { policies.append(policy) }
    let route = DividedRoute(
      conditions: conditions,
      destinations: all.map { WeightedCluster(cluster: $0.cluster, weight: UInt32(clamping: $0.weight)) },
      hashPolicies: policies, isSticky: isSticky,
      mirrors: joints.filter { $0.overlay.mirror > .none }.map {
        MirrorPolicy(cluster: $0.candidate.cluster, tenThousandths: $0.overlay.mirror.basisPoints)
      })
    guard isSticky, let stickiness else { return [route] }
    return route.sticking(by: stickiness)
  }

  private static func greatestCommonDivisor(_ a: UInt64, _ b: UInt64) -> UInt64 {
    var (a, b) = (a, b)
    while b != 0 { (a, b) = (b, a % b) }
    return max(a, 1)
  }
}

extension DividedRoute {
  /// The same route, for clients that stay with the version that they have come to.
  ///
  /// By a cookie, it takes two. Envoy makes no cookie when it chooses among weighted clusters: without one it would choose at
  /// random, and by the cookie's hash the next time. So a request without the cookie is placed by its id, and is given that
  /// id as the cookie, which hashes to the same place.
  fileprivate func sticking(by stickiness: Stickiness) -> [DividedRoute] {
    func route(_ policy: HashPolicy) -> DividedRoute {
      var route = self
      route.hashPolicies = [policy] + hashPolicies.filter { $0 != policy }
      return route
    }
    switch stickiness {
    case .header(let name): return [route(.header(name))]
    case .cookie(let name, let seconds):
      var known = route(.cookie(name: name, path: "", ttl: nil))
      known.conditions.append(RequestRule(cookies: [name: .present]))
      var new = route(.header("x-request-id"))
      let age = seconds > 0 ? "; Max-Age=\(seconds)" : ""
      new.responseHeaders = [
        HeaderAddition(name: "set-cookie", value: "\(name)=%REQ(X-REQUEST-ID)%\(age); Path=/; HttpOnly")
      ]
      return [known, new]
    }
  }
}

extension Weight {
  /// As near as it goes; but what is not nothing and not all stays neither.
  fileprivate func part(of whole: UInt64) -> UInt64 {
    if self == .none { return 0 }
    if self == .all { return whole }
    let nearest = (whole * UInt64(basisPoints) + 5000) / 10_000
    return whole > 1 ? min(max(nearest, 1), whole - 1) : nearest
  }
}
