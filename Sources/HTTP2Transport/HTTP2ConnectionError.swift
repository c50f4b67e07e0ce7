public import HTTP2Session

/// Why a connection ended. It affects every stream of the connection, and nothing else.
public struct HTTP2ConnectionError: Error, Sendable, CustomStringConvertible {
  public enum Code: Sendable, Hashable {
    /// The peer closed the connection, or the network did.
    case closedByPeer
    /// The peer sent GOAWAY with an error.
    case goAwayByPeer
    /// The peer broke HTTP/2 or a limit; it was told so by GOAWAY.
    case protocolViolation
    /// A keepalive PING had no answer.
    case keepaliveTimeout
    /// The peer did not complete the HTTP/2 preface in time.
    case prefaceTimeout
    /// No stream was open for the idle time.
    case idle
    /// This end closed the connection, or drained it.
    case closedLocally
    /// The socket failed; `cause` says how.
    case network
    /// libnghttp2 failed; this is not the peer's fault.
    case sessionFailed
  }

  public let code: Code
  public let message: String
  /// The HTTP/2 code in the GOAWAY that was sent or received, if any.
  public let http2Code: HTTP2ErrorCode?
  public let cause: (any Error)?

  public init(_ code: Code, _ message: String, http2Code: HTTP2ErrorCode? = nil, cause: (any Error)? = nil) {
    self.code = code
    self.message = message
    self.http2Code = http2Code
    self.cause = cause
  }

  public var description: String {
    let suffix = http2Code.map { " (\($0))" } ?? ""
    return "HTTP/2 connection: \(message)\(suffix)"
  }
}
