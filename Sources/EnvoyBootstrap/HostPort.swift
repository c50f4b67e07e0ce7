#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Darwin)
  internal import Darwin
#endif

/// A host and a port, written `127.0.0.1:15010`, `weir.shop:15010` or `[::1]:15010`.
public struct HostPort: Sendable, Hashable, CustomStringConvertible {
  /// A name or an IP literal, without brackets.
  public var host: String
  public var port: UInt16

  public init(host: String, port: UInt16) {
    self.host = host
    self.port = port
  }

  public init(_ text: String) throws(ParseFailure) {
    guard let colon = text.lastIndex(of: ":") else {
      throw ParseFailure(message: "\"\(text)\" is not HOST:PORT: the port is missing")
    }
    let host = text[..<colon]
    let port = text[text.index(after: colon)...]
    guard let number = UInt16(port), port.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
      throw ParseFailure(message: "\"\(text)\" is not HOST:PORT: the port must be a number from 0 to 65535")
    }
    self.port = number
    if host.hasPrefix("["), host.hasSuffix("]") {
      self.host = String(host.dropFirst().dropLast())
      guard isIPv6 else {
        throw ParseFailure(message: "\"\(text)\" is not HOST:PORT: only an IPv6 address stands in brackets")
      }
    } else if host.contains(":") {
      throw ParseFailure(message: "\"\(text)\" is not HOST:PORT: an IPv6 address stands in brackets, as in [::1]:80")
    } else {
      self.host = String(host)
      guard isIPv4 || isName else {
        throw ParseFailure(message: "\"\(text)\" is not HOST:PORT: \"\(host)\" is neither a name nor an IP address")
      }
    }
  }

  public var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

  /// Whether the host is an IP literal, so that nothing has to be resolved.
  public var isIPAddress: Bool { isIPv4 || isIPv6 }

  public struct ParseFailure: Error, Sendable, Hashable, CustomStringConvertible {
    public var message: String
    public var description: String { message }
  }

  private var isIPv4: Bool {
    var address = in_addr()
    return inet_pton(AF_INET, host, &address) == 1
  }

  private var isIPv6: Bool {
    var address = in6_addr()
    return inet_pton(AF_INET6, host, &address) == 1
  }

  /// Labels of letters, digits, `-` and `_`; the last one is not all digits, for then an IPv4 address was meant.
  private var isName: Bool {
    let labels = host.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
    let isWellFormed = labels.allSatisfy { label in
      (1...63).contains(label.count)
        && label.allSatisfy {
          switch $0 {
          case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"):
            true
          default: false
          }
        }
    }
    return isWellFormed && host.utf8.count <= 253
      && !(labels.last ?? host.utf8[...]).allSatisfy { (0x30...0x39).contains($0) }
  }
}
