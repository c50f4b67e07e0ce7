/// What a release makes of a service's routes.
///
/// A route that names the stable subset, or the service without a subset, has its joint share of stable and candidate (and of
/// the whole service) divided between the two; its other destinations keep theirs, and its matches and policies stay. A route
/// that names none of them, or only the candidate, stays as it is. Without a VirtualService the route that every service has
/// is divided.
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

  public init(
    port: UInt16? = nil, stable: DestinationRule.Subset, candidate: DestinationRule.Subset, weight: Weight,
    rules: [RequestRule] = [], mirror: Weight = .none, stickiness: Stickiness? = nil
  ) {
    self.port = port
    self.stable = stable
    self.candidate = candidate
    self.weight = weight
    self.rules = rules
    self.mirror = mirror
    self.stickiness = stickiness
  }
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
