/// What a release makes of a service's routes.
///
/// A route that names the stable subset, the candidate, the service without a subset, or a subset that the releases before have
/// moved, has the joint share of all these divided between stable and candidate; its other destinations keep theirs, and its
/// matches and policies stay. Only a route of `ownRoutes` that names neither the stable subset nor the whole service stays as it
/// is, and one that names none of them at all. Without a VirtualService the route that every service has is divided.
public struct ReleaseOverlay: Sendable, Hashable {
  /// Nil for all HTTP ports.
  public var port: UInt16?
  /// Where no DestinationRule declares a subset of this name, it is the endpoints with these labels.
  public var stable: DestinationRule.Subset
  /// As `stable`.
  public var candidate: DestinationRule.Subset
  /// The candidate's part of the joint share.
  public var weight: Weight
  /// Whatever matches one of these goes to the candidate, with all of the joint share.
  public var rules: [RequestRule]
  /// The share of requests that the candidate gets a copy of. Its answers are thrown away.
  public var mirror: Weight
  public var stickiness: Stickiness?
  /// Subsets whose share releases before this one have moved, and which the manifests may still name.
  public var formerSubsets: Set<String>
  /// Routes that led to the candidate, or to a former subset, of somebody's own will when the release started: `HTTPRoute.identity`.
  public var ownRoutes: Set<String>

  public init(
    port: UInt16? = nil, stable: DestinationRule.Subset, candidate: DestinationRule.Subset, weight: Weight,
    rules: [RequestRule] = [], mirror: Weight = .none, stickiness: Stickiness? = nil,
    formerSubsets: Set<String> = [], ownRoutes: Set<String> = []
  ) {
    self.port = port
    self.stable = stable
    self.candidate = candidate
    self.weight = weight
    self.rules = rules
    self.mirror = mirror
    self.stickiness = stickiness
    self.formerSubsets = formerSubsets
    self.ownRoutes = ownRoutes
  }

  /// Whether a destination of the service is a part of the joint share; nothing is the whole service.
  public func takes(subset: String) -> Bool {
    subset.isEmpty || subset == stable.name || subset == candidate.name || formerSubsets.contains(subset)
  }

  /// Whether a route is divided.
  ///
  /// - Parameters:
  ///   - subsets: what it names of the service with a weight; nothing is the whole service.
  ///   - identity: of the route; asked for only where it matters.
  public func divides(_ subsets: some Sequence<String>, _ identity: () -> String) -> Bool {
    var names = false
    for subset in subsets where takes(subset: subset) {
      if subset.isEmpty || subset == stable.name { return true }
      names = true
    }
    return names && (ownRoutes.isEmpty || !ownRoutes.contains(identity()))
  }
}

extension NamespacedName {
  private static let preview = "~preview-"

  /// The VirtualService of a release's preview host. No object of Kubernetes is named so.
  public init(previewOf release: String, namespace: String) {
    self.init(namespace: namespace, name: Self.preview + release)
  }

  /// Whether it is a preview's, which takes no host from anybody.
  public var isOfPreview: Bool { name.hasPrefix(Self.preview) }
}

/// Which requests go to a release's candidate whatever its weight: all conditions must hold, and there is at least one.
public struct RequestRule: Sendable, Hashable {
  /// Header name, in lower case → condition.
  public var headers: [String: StringMatch]
  public var cookies: [String: StringMatch]
  public var queryParameters: [String: StringMatch]

  public init(
    headers: [String: StringMatch] = [:], cookies: [String: StringMatch] = [:],
    queryParameters: [String: StringMatch] = [:]
  ) {
    self.headers = headers
    self.cookies = cookies
    self.queryParameters = queryParameters
  }

  public var isEmpty: Bool { headers.isEmpty && cookies.isEmpty && queryParameters.isEmpty }
}

/// What makes a client stay with the version that it has reached: the same value, the same version, until the weight passes it.
/// While a weight grows, clients go from stable to candidate and none goes back.
public enum Stickiness: Sendable, Hashable {
  /// A cookie that the proxy sets where it is missing.
  case cookie(name: String, ttlSeconds: UInt64)
  /// A header that clients send, such as a user's id. Without it a request is not sticky.
  case header(String)
}
