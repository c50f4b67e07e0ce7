public import HTTP2Session
public import HTTP2Transport
public import NIOCore

/// The application's side of one call. Confined to the call's event loop; one object for each call.
///
/// The transport keeps the handler until ``closed(_:)``. A handler usually keeps its ``GRPCCall``, which lets go of the
/// handler when it closes, so the two do not leak.
public protocol GRPCCallHandler: AnyObject {
  /// One whole message, without its prefix. It may be a slice of a larger receive buffer: decode it, or copy what must
  /// stay. Its bytes are credited to the peer when this returns, unless reading is paused.
  func received(message: ByteBuffer)
  /// The peer has ended its side; no more messages. A server still owes a status.
  func receivedEnd()
  /// The call is over; last call, exactly once.
  func closed(_ reason: GRPCCloseReason)
  /// The call's outbound queue grew above the high mark (false; from inside `send`) or drained to the low mark (true).
  func writabilityChanged(isWritable: Bool)
  /// The connection is draining. On a server, if ``endsAtShutdown`` is true, the call is finished with UNAVAILABLE as
  /// soon as this returns. On a client it says that the server will take no new calls on this connection.
  func shutdownRequested()
  /// Whether the transport finishes the call after ``shutdownRequested()``. A handler that says false has the rest of
  /// the grace period to finish it.
  var endsAtShutdown: Bool { get }
  /// The server's initial metadata (client only), before the first message.
  func received(metadata: [(name: String, value: String)])
}

extension GRPCCallHandler {
  public func receivedEnd() {}
  public func writabilityChanged(isWritable: Bool) {}
  public func shutdownRequested() {}
  public var endsAtShutdown: Bool { true }
  public func received(metadata: [(name: String, value: String)]) {}
}

/// How a call ended.
public enum GRPCCloseReason: Sendable {
  /// Server: the status that this end sent has left. Client: the status that the server sent, or that stands for what
  /// it did wrong.
  case finished(GRPCStatus)
  /// The peer reset the stream; a client that cancels does this.
  case resetByPeer(HTTP2ErrorCode)
  /// This end reset the stream.
  case reset
  case connectionLost(HTTP2ConnectionError)
  case deadlineExceeded

  /// The reason as a status, as a client would report it.
  public var status: GRPCStatus {
    switch self {
    case .finished(let status): status
    case .resetByPeer(let code):
      switch code {
      case .refusedStream: GRPCStatus(.unavailable, "the peer refused the stream")
      case .cancel: GRPCStatus(.cancelled, "the peer cancelled the call")
      case .enhanceYourCalm: GRPCStatus(.resourceExhausted, "the peer asks for calm")
      case .inadequateSecurity: GRPCStatus(.permissionDenied, "the peer found the security inadequate")
      default: GRPCStatus(.internal, "the peer reset the stream: \(code)")
      }
    case .reset: GRPCStatus(.cancelled, "the call was reset")
    case .connectionLost(let error): GRPCStatus(.unavailable, error.description)
    case .deadlineExceeded: GRPCStatus(.deadlineExceeded, "the deadline has passed")
    }
  }
}
