import EnvoyAPI
import TrafficModel

extension RouteMatch {
  /// With a rule's conditions on top of its own.
  func adding(_ rule: RequestRule) -> RouteMatch {
    var match = self
    for (name, condition) in rule.headers.sorted(by: { $0.key < $1.key }) {
      match.headers.append(HeaderMatcher(name: name, match: StringMatcher(condition)))
    }
    for (name, condition) in rule.cookies.sorted(by: { $0.key < $1.key }) {
      match.headers.append(HeaderMatcher(cookie: name, condition))
    }
    for (name, condition) in rule.queryParameters.sorted(by: { $0.key < $1.key }) {
      match.queryParameters.append(QueryParameterMatcher(name: name, match: StringMatcher(condition)))
    }
    return match
  }
}

extension HeaderMatcher {
  /// A condition on one of the cookies. By an expression, for a client puts all its cookies into one header, and Envoy joins
  /// those of several.
  init(cookie name: String, _ condition: StringMatch) {
    let value =
      switch condition {
      case .exact(let text): Self.quoted(text)
      case .prefix(let text): Self.quoted(text) + "[^;]*"
      case .regex(let expression): "(?:\(expression))"
      case .present: "[^;]*"
      }
    self.init(name: "cookie", match: .regex("(?:.*;[ \\t]*)?\(Self.quoted(name))=\(value)(?:[ \\t]*;.*)?"))
  }

  /// As an expression that matches only this text.
  private static func quoted(_ text: String) -> String {
    var quoted = ""
    for scalar in text.unicodeScalars {
      let isPlain =
        !scalar.isASCII || scalar == "_" || ("0"..."9").contains(scalar) || ("a"..."z").contains(scalar)
        || ("A"..."Z").contains(scalar)
      if !isPlain { quoted.append("\\") }
      quoted.unicodeScalars.append(scalar)
    }
    return quoted
  }
}
