internal import TrafficModel

/// Strings that Envoy is sent: whatever it would refuse is refused here.
extension Field {
  func text(mayBeEmpty: Bool) -> String? {
    guard let text = mayBeEmpty ? string() : isPresent ? requiredString() : nil else { return nil }
    guard !Names.holdsControlCharacter(text) else {
      error("must not hold control characters")
      return nil
    }
    return text
  }

  func headerName() -> String? {
    guard isPresent, let name = requiredString() else { return nil }
    guard Names.isHeaderName(name) else {
      error("\"\(name)\" is not a valid name (RFC 9110: letters, digits and !#$%&'*+-.^_`|~)")
      return nil
    }
    return name
  }

  /// A host as Istio writes it: a short name, a full name, with a leading `*` where that is allowed. In lower case.
  func hostName(wildcard: Bool) -> String? {
    guard let written = requiredString() else { return nil }
    let host = written.lowercased()
    var rest = host[...]
    if wildcard {
      if host == "*" { return host }
      if host.hasPrefix("*.") { rest = rest.dropFirst(2) }
    }
    if rest.utf8.count > 253 || !Names.isSubdomain(rest) {
      error("\"\(written)\" is not a valid host name")
      return nil
    }
    return host
  }

  /// Becomes a part of a cluster's name, between `|`.
  func subsetName(isRequired: Bool) -> String? {
    guard let name = isRequired ? requiredString() : string() else { return nil }
    if name.isEmpty { return nil }
    guard Names.isLabel(name, allowsUppercase: true) else {
      error("\"\(name)\" is not a valid subset name (letters, digits and `-`)")
      return nil
    }
    return name
  }
}
