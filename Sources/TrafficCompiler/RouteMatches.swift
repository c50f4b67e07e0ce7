import EnvoyAPI
import TrafficModel

extension RouteMatch {
  /// Headers and query parameters are in the order of their names: the order of a dictionary must not reach the wire.
  init(_ match: HTTPMatch) {
    self.init()
    switch match.uri {
    case .exact(let value): path = .exact(value)
    case .prefix(let value): path = .prefix(value)
    case .regex(let value): path = .regex(value)
    case .present, nil: path = .prefix("/")
    }
    // Istio: "the case will be ignored only in the case of exact and prefix URI matches".
    if case .regex = path { ignoreCase = false } else { ignoreCase = match.ignoreURICase && match.uri != nil }
    if let method = match.method { headers.append(HeaderMatcher(name: ":method", match: StringMatcher(method))) }
    if let authority = match.authority {
      headers.append(HeaderMatcher(name: ":authority", match: StringMatcher(authority)))
    }
    for (name, condition) in match.headers.sorted(by: { $0.key < $1.key }) {
      headers.append(HeaderMatcher(name: name, match: StringMatcher(condition)))
    }
    for (name, condition) in match.withoutHeaders.sorted(by: { $0.key < $1.key }) {
      headers.append(HeaderMatcher(name: name, match: StringMatcher(condition), inverted: true))
    }
    for (name, condition) in match.queryParameters.sorted(by: { $0.key < $1.key }) {
      queryParameters.append(QueryParameterMatcher(name: name, match: StringMatcher(condition)))
    }
  }

  /// Text that orders the alternatives of one rule. They lead to the same action, so their order means nothing.
  var sortingText: String {
    var text = "\(path)\0\(ignoreCase)"
    for header in headers { text += "\0h\(header.name)\0\(header.inverted)\0\(Self.text(header.match))" }
    for parameter in queryParameters { text += "\0q\(parameter.name)\0\(Self.text(parameter.match))" }
    return text
  }

  private static func text(_ matcher: StringMatcher?) -> String { matcher.map { "\($0)" } ?? "" }
}

extension StringMatcher {
  /// Nil where presence is all that is asked for.
  init?(_ match: StringMatch) {
    switch match {
    case .exact(let value): self = .exact(value)
    case .prefix(let value): self = .prefix(value)
    case .regex(let value): self = .regex(value)
    case .present: return nil
    }
  }
}

extension RetryPolicy {
  private static let statusCodes = "retriable-status-codes"

  /// Istio's default since 1.24: two further attempts, each at a host not yet tried, where the request cannot have been
  /// worked on (no connection, a refused stream) or gRPC says `unavailable` or `cancelled`.
  ///
  /// A plain HTTP 503 is not repeated, whereas Istio did so before 1.24: it says nothing of what the service has done
  /// already, and a POST would be done twice. Whoever wants it writes `retryOn: "503"`.
  static let istioDefault = RetryPolicy(
    retryOn: "connect-failure,refused-stream,unavailable,cancelled", attempts: 2)

  /// A rule's retries; nil where it turns them off. Numbers among the conditions are status codes.
  init?(_ retry: HTTPRetry) {
    guard retry.attempts > 0 else { return nil }
    self = .istioDefault
    attempts = retry.attempts
    perTryTimeout = retry.perTryTimeoutMilliseconds.map(Milliseconds.init)
    guard let written = retry.retryOn, !written.isEmpty else { return }
    var conditions: [String] = []
    var codes: [UInt32] = []
    for part in written.split(separator: ",") {
      let part = part.trimmingPrefix { $0 == " " }.reversed().drop { $0 == " " }.reversed()
      let condition = String(part)
      if let code = UInt32(condition) {
        if (100...599).contains(code), !codes.contains(code) { codes.append(code) }
      } else if !condition.isEmpty, !conditions.contains(condition) {
        conditions.append(condition)
      }
    }
    if !codes.isEmpty, !conditions.contains(Self.statusCodes) { conditions.append(Self.statusCodes) }
    retryOn = conditions.joined(separator: ",")
    retriableStatusCodes = codes.sorted()
  }
}
