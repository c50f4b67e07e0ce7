/// `envoy.config.route.v3.VirtualHost`.
public struct VirtualHost: Sendable, Hashable {
  public var name: String
  public var domains: [String]
  public var routes: [Route]

  public init(name: String, domains: [String], routes: [Route]) {
    self.name = name
    self.domains = domains
    self.routes = routes
  }
}

/// `envoy.config.route.v3.Route`.
public struct Route: Sendable, Hashable {
  /// Comes from the rule's content or its own name, never from its position; may be empty.
  public var name: String
  public var match: RouteMatch
  public var action: RouteAction
  /// Added to what an answer has; values may hold Envoy's command operators, such as `%REQ(x-request-id)%`.
  public var responseHeaders: [HeaderAddition]

  public init(name: String = "", match: RouteMatch, action: RouteAction, responseHeaders: [HeaderAddition] = []) {
    self.name = name
    self.match = match
    self.action = action
    self.responseHeaders = responseHeaders
  }
}

/// `envoy.config.core.v3.HeaderValueOption`, appending.
public struct HeaderAddition: Sendable, Hashable {
  public var name: String
  public var value: String
  public init(name: String, value: String) {
    self.name = name
    self.value = value
  }
}

/// `envoy.config.route.v3.RouteMatch`: all of its conditions must hold.
public struct RouteMatch: Sendable, Hashable {
  public enum Path: Sendable, Hashable {
    case prefix(String)
    case exact(String)
    /// An RE2 expression that must match the whole path (`safe_regex`).
    case regex(String)
  }
  public var path: Path
  public var ignoreCase: Bool
  public var headers: [HeaderMatcher]
  public var queryParameters: [QueryParameterMatcher]

  /// What an expression may compile to, in RE2's instructions. Whoever builds a value has checked that it stays below.
  public static let maximumRegexProgramSize: UInt32 = 32768

  public init(
    path: Path = .prefix("/"), ignoreCase: Bool = false, headers: [HeaderMatcher] = [],
    queryParameters: [QueryParameterMatcher] = []
  ) {
    self.path = path
    self.ignoreCase = ignoreCase
    self.headers = headers
    self.queryParameters = queryParameters
  }
}

/// `envoy.type.matcher.v3.StringMatcher`.
public enum StringMatcher: Sendable, Hashable {
  case exact(String)
  case prefix(String)
  case regex(String)
}

/// `envoy.config.route.v3.HeaderMatcher`. `match == nil` asks only that the header is present.
///
/// Inverted it holds for every request for which it would not hold otherwise, so also for one without the header. Envoy by
/// itself says of a missing header that no value matches, inverted or not; encoding therefore sets
/// `treat_missing_header_as_empty` where a value is inverted, as Istio does. (So an inverted match of the empty value, too,
/// excludes requests without the header.)
public struct HeaderMatcher: Sendable, Hashable {
  public var name: String
  public var match: StringMatcher?
  public var inverted: Bool
  public init(name: String, match: StringMatcher?, inverted: Bool = false) {
    self.name = name
    self.match = match
    self.inverted = inverted
  }
}

/// `envoy.config.route.v3.QueryParameterMatcher`. `match == nil` asks only that the parameter is present.
public struct QueryParameterMatcher: Sendable, Hashable {
  public var name: String
  public var match: StringMatcher?
  public init(name: String, match: StringMatcher?) {
    self.name = name
    self.match = match
  }
}

/// `envoy.config.route.v3.RouteAction` (or a direct response).
public enum RouteAction: Sendable, Hashable {
  case forward(Forward)
  /// `DirectResponseAction`: the proxy itself answers with this status and no body.
  case respond(status: UInt32)

  public struct Forward: Sendable, Hashable {
    /// One destination becomes `cluster`, several become `weighted_clusters`. Weights must not all be zero.
    public var destinations: [WeightedCluster]
    /// Whether what `hashPolicy` gives chooses among the destinations, if it gives something: each has the range of values,
    /// modulo the sum of all weights, that follows on those before it (`use_hash_policy`). Only for several destinations.
    public var isSticky: Bool
    /// The whole request's limit; 0 means none (Envoy's own default would be 15 s).
    public var timeout: Milliseconds
    public var retry: RetryPolicy?
    /// Where the route is sticky, the first that gives something counts alone; else all of them together.
    public var hashPolicy: [HashPolicy]
    /// Who gets copies of requests.
    public var mirrors: [MirrorPolicy]
    /// `prefix_rewrite` where the match is a prefix or an exact path.
    public var pathRewrite: String?
    /// `host_rewrite_literal`.
    public var hostRewrite: String?

    public init(
      destinations: [WeightedCluster], isSticky: Bool = false, timeout: Milliseconds = Milliseconds(0),
      retry: RetryPolicy? = nil, hashPolicy: [HashPolicy] = [], mirrors: [MirrorPolicy] = [],
      pathRewrite: String? = nil, hostRewrite: String? = nil
    ) {
      self.destinations = destinations
      self.isSticky = isSticky
      self.mirrors = mirrors
      self.timeout = timeout
      self.retry = retry
      self.hashPolicy = hashPolicy
      self.pathRewrite = pathRewrite
      self.hostRewrite = hostRewrite
    }
  }
}

public struct WeightedCluster: Sendable, Hashable {
  public var cluster: String
  public var weight: UInt32
  public init(cluster: String, weight: UInt32) {
    self.cluster = cluster
    self.weight = weight
  }
}

/// `envoy.config.route.v3.RouteAction.RequestMirrorPolicy`: the cluster gets a copy of a share of the requests, with `-shadow`
/// behind the host, and its answers are thrown away.
public struct MirrorPolicy: Sendable, Hashable {
  public var cluster: String
  /// Of all requests; 1 to 10,000.
  public var tenThousandths: UInt32
  public init(cluster: String, tenThousandths: UInt32) {
    self.cluster = cluster
    self.tenThousandths = tenThousandths
  }
}

/// `envoy.config.route.v3.RetryPolicy`. A retry avoids hosts already tried (`retry_host_predicate: previous_hosts`).
public struct RetryPolicy: Sendable, Hashable {
  /// Comma-separated conditions as in Envoy's `x-envoy-retry-on`.
  public var retryOn: String
  public var attempts: UInt32
  public var perTryTimeout: Milliseconds?
  public var retriableStatusCodes: [UInt32]
  public init(
    retryOn: String, attempts: UInt32, perTryTimeout: Milliseconds? = nil, retriableStatusCodes: [UInt32] = []
  ) {
    self.retryOn = retryOn
    self.attempts = attempts
    self.perTryTimeout = perTryTimeout
    self.retriableStatusCodes = retriableStatusCodes
  }
}

/// `envoy.config.route.v3.RouteAction.HashPolicy`.
public enum HashPolicy: Sendable, Hashable {
  case header(String)
  case cookie(name: String, path: String, ttl: Milliseconds?)
  case queryParameter(String)
  case sourceIP
}
