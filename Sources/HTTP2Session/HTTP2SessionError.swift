/// A failure that ends the whole connection, or a call that this session cannot carry out.
public struct HTTP2SessionError: Error, Sendable, CustomStringConvertible {
  public enum Code: Sendable, Hashable {
    /// The first bytes were not the HTTP/2 client preface (RFC 9113, section 3.4): an HTTP/1 client, or noise.
    case badPreface
    /// The peer made this end queue more control frames than the limits allow.
    case flooded
    /// libnghttp2 ran out of memory or reported a failure that leaves the session unusable.
    case sessionFailed
    /// A stream or session in a state that does not permit the call; nothing was sent.
    case invalidState
  }

  public let code: Code
  public let message: String

  public init(_ code: Code, _ message: String) {
    self.code = code
    self.message = message
  }

  /// The code that the GOAWAY for this error should carry.
  public var goAwayCode: HTTP2ErrorCode {
    switch code {
    case .badPreface: .protocolError
    case .flooded: .enhanceYourCalm
    case .sessionFailed, .invalidState: .internalError
    }
  }

  public var description: String { "HTTP/2 session: \(message)" }
}
