internal import CWeirProtos
internal import ProtobufC

extension Arena {
  func match(_ match: RouteMatch) -> UnsafeMutablePointer<Envoy__Config__Route__V3__RouteMatch> {
    let message = make(envoy__config__route__v3__route_match__init)
    switch match.path {
    case .prefix(let prefix):
      message.pointee.path_specifier_case = ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_PREFIX
      message.pointee.prefix = string(prefix)
    case .exact(let path):
      message.pointee.path_specifier_case = ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_PATH
      message.pointee.path = string(path)
    case .regex(let regex):
      message.pointee.path_specifier_case = ENVOY__CONFIG__ROUTE__V3__ROUTE_MATCH__PATH_SPECIFIER_SAFE_REGEX
      message.pointee.safe_regex = regexMatcher(regex)
    }
    // Has no effect on a regex, in Envoy and in Istio's API alike.
    if match.ignoreCase { message.pointee.case_sensitive = wrapped(false) }
    message.pointee.n_headers = match.headers.count
    message.pointee.headers = array(match.headers) { headerMatcher($0) }
    message.pointee.n_query_parameters = match.queryParameters.count
    message.pointee.query_parameters = array(match.queryParameters) { queryParameterMatcher($0) }
    return message
  }

  private func headerMatcher(
    _ matcher: HeaderMatcher
  ) -> UnsafeMutablePointer<Envoy__Config__Route__V3__HeaderMatcher>? {
    let message = make(envoy__config__route__v3__header_matcher__init)
    message.pointee.name = string(matcher.name)
    if let match = matcher.match {
      message.pointee.header_match_specifier_case =
        ENVOY__CONFIG__ROUTE__V3__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_STRING_MATCH
      message.pointee.string_match = stringMatcher(match)
    } else {
      message.pointee.header_match_specifier_case =
        ENVOY__CONFIG__ROUTE__V3__HEADER_MATCHER__HEADER_MATCH_SPECIFIER_PRESENT_MATCH
      message.pointee.present_match = 1
    }
    if matcher.inverted {
      message.pointee.invert_match = 1
      message.pointee.treat_missing_header_as_empty = matcher.match == nil ? 0 : 1
    }
    return message
  }

  private func queryParameterMatcher(
    _ matcher: QueryParameterMatcher
  ) -> UnsafeMutablePointer<Envoy__Config__Route__V3__QueryParameterMatcher>? {
    let message = make(envoy__config__route__v3__query_parameter_matcher__init)
    message.pointee.name = string(matcher.name)
    if let match = matcher.match {
      message.pointee.query_parameter_match_specifier_case =
        ENVOY__CONFIG__ROUTE__V3__QUERY_PARAMETER_MATCHER__QUERY_PARAMETER_MATCH_SPECIFIER_STRING_MATCH
      message.pointee.string_match = stringMatcher(match)
    } else {
      message.pointee.query_parameter_match_specifier_case =
        ENVOY__CONFIG__ROUTE__V3__QUERY_PARAMETER_MATCHER__QUERY_PARAMETER_MATCH_SPECIFIER_PRESENT_MATCH
      message.pointee.present_match = 1
    }
    return message
  }

  private func stringMatcher(
    _ matcher: StringMatcher
  ) -> UnsafeMutablePointer<Envoy__Type__Matcher__V3__StringMatcher> {
    let message = make(envoy__type__matcher__v3__string_matcher__init)
    switch matcher {
    case .exact(let text):
      message.pointee.match_pattern_case = ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_EXACT
      message.pointee.exact = string(text)
    case .prefix(let text):
      message.pointee.match_pattern_case = ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_PREFIX
      message.pointee.prefix = string(text)
    case .regex(let regex):
      message.pointee.match_pattern_case = ENVOY__TYPE__MATCHER__V3__STRING_MATCHER__MATCH_PATTERN_SAFE_REGEX
      message.pointee.safe_regex = regexMatcher(regex)
    }
    return message
  }

  private func regexMatcher(_ regex: String) -> UnsafeMutablePointer<Envoy__Type__Matcher__V3__RegexMatcher> {
    let message = make(envoy__type__matcher__v3__regex_matcher__init)
    message.pointee.regex = string(regex)
    // Without it Envoy refuses, with the whole response, an expression of more than 100 instructions; `a{99}` has them.
    let engine = make(envoy__type__matcher__v3__regex_matcher__google_re2__init)
    engine.pointee.max_program_size = wrapped(RouteMatch.maximumRegexProgramSize)
    message.pointee.engine_type_case = ENVOY__TYPE__MATCHER__V3__REGEX_MATCHER__ENGINE_TYPE_GOOGLE_RE2
    message.pointee.google_re2 = engine
    return message
  }
}
