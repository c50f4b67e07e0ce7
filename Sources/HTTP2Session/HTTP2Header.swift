/// One header or trailer field. Names are lower case on the wire (RFC 9113, section 8.2.1); pseudo-fields begin with ':'.
///
/// Values are ASCII: gRPC carries binary metadata as base64. In what is received each other byte is U+FFFD, so that a text
/// from a peer costs no more to compare than its length; in a pseudo-field it is an error.
public struct HTTP2Header: Sendable, Hashable {
  public var name: String
  public var value: String

  public init(_ name: String, _ value: String) {
    self.name = name
    self.value = value
  }
}

extension [HTTP2Header] {
  /// The first value of a field, or nil. `name` must be lower case. Cost: linear in the number of fields.
  public func first(named name: String) -> String? {
    for header in self where header.name == name { return header.value }
    return nil
  }
}

/// The number of a stream on its connection: odd for streams that the client opened (RFC 9113, section 5.1.1).
@frozen public struct HTTP2StreamID: Sendable, Hashable, Comparable, CustomStringConvertible {
  public let rawValue: Int32

  public init(rawValue: Int32) {
    self.rawValue = rawValue
  }

  public var description: String { "\(rawValue)" }

  @inlinable public static func < (a: Self, b: Self) -> Bool { a.rawValue < b.rawValue }
}

/// Which end of the connection this is. The same code serves both; only who opens streams differs.
public enum HTTP2Role: Sendable {
  case client
  case server
}
