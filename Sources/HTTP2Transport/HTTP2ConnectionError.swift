public import HTTP2Session

/// Why a connection ended. It affects every stream of the connection, and nothing else.
public struct HTTP2ConnectionError: Error, Sendable, CustomStringConvertible {
  /// The raw value names the code in metrics.
  public enum Code: String, Sendable, Hashable, CaseIterable {
    /// The peer closed the connection, or the network did.
    case closedByPeer = "closed_by_peer"
    /// The peer sent GOAWAY with an error.
    case goAwayByPeer = "goaway_by_peer"
    /// The peer broke HTTP/2 or a limit; it was told so by GOAWAY.
    case protocolViolation = "protocol_violation"
    /// The peer sent more than a connection may: frames in a short time, resets, or frames that it does not read the
    /// answers to. It was told so by GOAWAY.
    case flood
    /// The peer took no byte of what waits for it for the stall time.
    case writeStall = "write_stall"
    /// A keepalive PING had no answer.
    case keepaliveTimeout = "keepalive_timeout"
    /// The peer did not complete the HTTP/2 preface in time.
    case prefaceTimeout = "handshake_timeout"
    /// No stream was open for the idle time.
    case idle
    /// It made room for a connection from elsewhere; the peer was told so by GOAWAY.
    case displaced
    /// This end closed the connection, or drained it.
    case closedLocally = "closed_locally"
    /// The socket failed; `cause` says how.
    case network
    /// libnghttp2 failed; this is not the peer's fault.
    case sessionFailed = "session_failed"
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
