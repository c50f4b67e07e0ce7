/// An Istio `VirtualService` (networking.istio.io v1, v1beta1, v1alpha3), its HTTP routes.
public struct VirtualService: Sendable, Hashable {
  public var id: NamespacedName
  /// As written; `HostName.resolve` gives the full names.
  public var hosts: [String]
  /// The first that matches takes the request.
  public var http: [HTTPRoute]

  public init(id: NamespacedName, hosts: [String], http: [HTTPRoute]) {
    self.id = id
    self.hosts = hosts
    self.http = http
  }
}

public struct HTTPRoute: Sendable, Hashable {
  /// May be empty.
  public var name: String
  /// Any of these; no match at all means every request.
  public var matches: [HTTPMatch]
  public var destinations: [RouteDestination]
  /// Nil or 0 means no limit, as in Istio.
  public var timeoutMilliseconds: UInt64?
  /// Nil means Istio's default retries.
  public var retries: HTTPRetry?

  public init(
    name: String = "", matches: [HTTPMatch] = [], destinations: [RouteDestination], timeoutMilliseconds: UInt64? = nil,
    retries: HTTPRetry? = nil
  ) {
    self.name = name
    self.matches = matches
    self.destinations = destinations
    self.timeoutMilliseconds = timeoutMilliseconds
    self.retries = retries
  }

  /// By what it is known again when its VirtualService has been edited: which requests it takes. Where it leads, and where in the
  /// list it stands, may change.
  public func identity(in virtualService: NamespacedName) -> String {
    String(joining: "\(virtualService)", matches.map { " \($0.identity)" }.sorted().joined())
  }
}

/// `HTTPMatchRequest`: all of its conditions must hold.
public struct HTTPMatch: Sendable, Hashable {
  public var name: String
  public var uri: StringMatch?
  public var ignoreURICase: Bool
  public var method: StringMatch?
  public var authority: StringMatch?
  /// Header name → condition; `.present` where no condition was written.
  public var headers: [String: StringMatch]
  public var withoutHeaders: [String: StringMatch]
  public var queryParameters: [String: StringMatch]
  /// The port of the service that was asked for; nil means any.
  public var port: UInt16?

  public init(
    name: String = "", uri: StringMatch? = nil, ignoreURICase: Bool = false, method: StringMatch? = nil,
    authority: StringMatch? = nil, headers: [String: StringMatch] = [:], withoutHeaders: [String: StringMatch] = [:],
    queryParameters: [String: StringMatch] = [:], port: UInt16? = nil
  ) {
    self.name = name
    self.uri = uri
    self.ignoreURICase = ignoreURICase
    self.method = method
    self.authority = authority
    self.headers = headers
    self.withoutHeaders = withoutHeaders
    self.queryParameters = queryParameters
    self.port = port
  }

  /// All of its conditions, in one order. Texts are quoted, so that no two matches say the same.
  fileprivate var identity: String {
    var parts: [String] = []
    func add(_ field: String, _ condition: StringMatch?) {
      if let condition { parts.append("\(field) \(condition.identity)") }
    }
    add(ignoreURICase ? "uri, any case" : "uri", uri)
    add("method", method)
    add("authority", authority)
    for (kind, conditions) in [("header", headers), ("no header", withoutHeaders), ("query", queryParameters)] {
      for (name, condition) in conditions.sorted(by: { $0.key < $1.key }) {
        add("\(kind) \(name.debugDescription)", condition)
      }
    }
    if let port { parts.append("port \(port)") }
    return "[\(parts.joined(separator: ", "))]"
  }
}

/// Istio's `StringMatch`.
public enum StringMatch: Sendable, Hashable {
  case exact(String)
  case prefix(String)
  /// RE2 syntax, matches the whole value.
  case regex(String)
  case present

  fileprivate var identity: String {
    switch self {
    case .exact(let text): "exact \(text.debugDescription)"
    case .prefix(let text): "prefix \(text.debugDescription)"
    case .regex(let text): "regex \(text.debugDescription)"
    case .present: "present"
    }
  }
}

public struct RouteDestination: Sendable, Hashable {
  /// As written.
  public var host: String
  public var subset: String?
  /// May be left out if the service has one port.
  public var port: UInt16?
  /// A single destination without a weight has 100.
  public var weight: UInt32

  public init(host: String, subset: String? = nil, port: UInt16? = nil, weight: UInt32 = 100) {
    self.host = host
    self.subset = subset
    self.port = port
    self.weight = weight
  }
}

/// Istio's `HTTPRetry`.
public struct HTTPRetry: Sendable, Hashable {
  /// 0 turns retries off.
  public var attempts: UInt32
  public var perTryTimeoutMilliseconds: UInt64?
  /// Envoy's conditions, comma-separated; numbers are status codes. Nil means Istio's default.
  public var retryOn: String?

  public init(attempts: UInt32, perTryTimeoutMilliseconds: UInt64? = nil, retryOn: String? = nil) {
    self.attempts = attempts
    self.perTryTimeoutMilliseconds = perTryTimeoutMilliseconds
    self.retryOn = retryOn
  }
}
