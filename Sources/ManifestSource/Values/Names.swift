#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// The grammars of names, as Kubernetes and Envoy check them.
enum Names {
  /// RFC 1123 label: at most 63 of `a-z 0-9 -`, beginning and ending with a letter or digit.
  static func isLabel(_ text: some StringProtocol, allowsUppercase: Bool = false) -> Bool {
    isLabel(text.utf8, allowsUppercase)
  }

  private static func isLabel(_ bytes: some Collection<UInt8>, _ allowsUppercase: Bool) -> Bool {
    guard (1...63).contains(bytes.count), bytes.first != UInt8(ascii: "-") else { return false }
    var last: UInt8 = 0
    for byte in bytes {
      switch byte {
      case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): break
      case UInt8(ascii: "A")...UInt8(ascii: "Z") where allowsUppercase: break
      default: return false
      }
      last = byte
    }
    return last != UInt8(ascii: "-")
  }

  /// RFC 1123 subdomain: labels joined by dots, at most 253 characters.
  static func isSubdomain(_ text: some StringProtocol, allowsUppercase: Bool = false) -> Bool {
    (1...253).contains(text.utf8.count)
      && text.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        .allSatisfy { isLabel($0, allowsUppercase) }
  }

  /// RFC 9110 section 5.1: a header's name is a token.
  static func isHeaderName(_ text: String) -> Bool {
    !text.isEmpty
      && text.utf8.allSatisfy {
        switch $0 {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
          UInt8(ascii: "0")...UInt8(ascii: "9"):
          true
        default: "!#$%&'*+-.^_`|~".utf8.contains($0)
        }
      }
  }

  /// Control characters: NUL ends a C string on the way, and Envoy refuses line breaks in names and values.
  static func holdsControlCharacter(_ text: String) -> Bool {
    text.utf8.contains { $0 < 0x20 || $0 == 0x7F }
  }
}

/// IP addresses, as the system's `inet_pton` reads them: no names, no zones, no leading zeros.
enum IPLiteral {
  static func isIPv4(_ text: String) -> Bool {
    var address = in_addr()
    return !text.utf8.contains(0) && inet_pton(AF_INET, text, &address) == 1
  }

  static func isIPv6(_ text: String) -> Bool {
    var address = in6_addr()
    return !text.utf8.contains(0) && inet_pton(AF_INET6, text, &address) == 1
  }
}
