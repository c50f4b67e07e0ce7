internal import TrafficModel

extension ObjectHeader {
  /// Conditions that Weir cannot check. Without them a rule would take requests that are not its own, so what carries one
  /// matches nothing.
  private static let unsupportedConditions = ["scheme", "sourceLabels", "sourceNamespace"]

  /// Nil if the condition is never met or is malformed; both are reported.
  func decodeMatch(_ item: Field) -> HTTPMatch? {
    guard
      item.expectMapping(
        reads: [
          "name", "uri", "ignoreUriCase", "method", "authority", "headers", "withoutHeaders", "queryParams", "port",
          "gateways", "scheme", "sourceLabels", "sourceNamespace",
        ], ignores: ["statPrefix"])
    else {
      if !item.isPresent { item.error("must be a mapping") }
      return nil
    }
    var match = HTTPMatch(name: item["name"].text(mayBeEmpty: true) ?? "")
    var isServed = true
    for condition in Self.unsupportedConditions where item[condition].isPresent {
      item[condition].warning("is not supported: what it is a condition of never matches, and is left out")
      isServed = false
    }
    let gateways = item["gateways"].items.map { $0.string() }
    if !gateways.isEmpty, !gateways.contains("mesh") {
      item["gateways"].warning("does not name `mesh`: gateways are not supported, and the match is left out")
      isServed = false
    }
    // `@request.auth.claims` and the like are no headers.
    for place in ["headers", "withoutHeaders"] {
      for (name, field) in item[place].isMapping ? item[place].entries : [] where name.hasPrefix("@") {
        field.warning("is not supported: what it is a condition of never matches, and is left out")
        isServed = false
      }
    }
    match.uri = stringMatch(item["uri"], mayBePresence: false)
    match.ignoreURICase = item["ignoreUriCase"].bool() ?? false
    match.method = stringMatch(item["method"], mayBePresence: false)
    match.authority = stringMatch(item["authority"], mayBePresence: false)
    match.headers = stringMatches(item["headers"], isHeader: true)
    match.withoutHeaders = stringMatches(item["withoutHeaders"], isHeader: true)
    match.queryParameters = stringMatches(item["queryParams"], isHeader: false)
    match.port = item["port"].port()
    return isServed ? match : nil
  }

  private func stringMatches(_ field: Field, isHeader: Bool) -> [String: StringMatch] {
    var result: [String: StringMatch] = [:]
    for (name, condition) in field.entries where !(isHeader && name.hasPrefix("@")) {
      if isHeader {
        if !Names.isHeaderName(name) { condition.error("\"\(name)\" is not a valid header name") }
      } else if name.isEmpty || name.utf8.count > 1_024 || Names.holdsControlCharacter(name) {
        // Envoy: QueryParameterMatcher.name.
        condition.error("is not a valid parameter name (1 to 1024 bytes, no control characters)")
      }
      result[name] = condition.isPresent ? stringMatch(condition, mayBePresence: true) : .present
    }
    return result
  }

  private func stringMatch(_ field: Field, mayBePresence: Bool) -> StringMatch? {
    guard field.expectMapping(reads: ["exact", "prefix", "regex"]) else { return nil }
    let written = ["exact", "prefix", "regex"].filter { field[$0].isPresent }
    if written.isEmpty, mayBePresence { return .present }
    guard written.count == 1 else {
      field.error("must have exactly one of exact, prefix, regex")
      return nil
    }
    let condition = field[written[0]]
    // An exact empty value is a header that is there and empty. Elsewhere an empty string is what Envoy refuses, or what
    // nothing ever matches.
    guard let text = condition.text(mayBeEmpty: written[0] == "exact" && mayBePresence) else { return nil }
    switch written[0] {
    case "exact": return .exact(text)
    case "prefix": return .prefix(text)
    default:
      if let problem = RE2Syntax.problem(text) { condition.error("is not a valid RE2 expression: \(problem)") }
      return .regex(text)
    }
  }
}
