public import NIOCore

/// What happened on a session, in order. Events are facts about the past: a stream named by one may have been reset by
/// this end since, and its user must then ignore the event.
public enum HTTP2Event: Sendable {
  /// A whole header block arrived.
  case headers(stream: HTTP2StreamID, kind: HTTP2HeaderKind, fields: [HTTP2Header], endStream: Bool)
  /// A header block was larger than ``HTTP2SessionConfiguration/maxHeaderListSize``. Its stream has been reset, and was
  /// announced only if this was not its first block.
  case headersTooLarge(HTTP2StreamID)
  /// Body bytes arrived; a slice of the buffer given to ``HTTP2Session/receive(_:)``, not a copy. They hold down the
  /// peer's window until ``HTTP2Session/consume(_:on:)``.
  case data(stream: HTTP2StreamID, ByteBuffer)
  /// The peer ended its side with a DATA frame. (A header block that ends it says so itself.)
  case endStream(HTTP2StreamID)
  /// The stream is gone; last event of every stream that was announced or opened.
  case streamClosed(HTTP2StreamID, HTTP2ErrorCode, byPeer: Bool)
  /// A stream that had stopped being writable drained to the low mark.
  case writable(HTTP2StreamID)
  /// The peer's SETTINGS arrived; the first one completes the connection preface.
  case settings
  /// The peer answered ``HTTP2Session/ping(_:)``.
  case pingAcknowledged(UInt64)
  /// The peer will take no new streams; streams above `lastStream` were not processed and may be retried elsewhere.
  case goAway(lastStream: HTTP2StreamID, HTTP2ErrorCode, debug: String)
  /// This end found a violation and has sent GOAWAY with this code; close the connection once the output is written.
  case terminated(HTTP2ErrorCode, reason: String)
}

/// What a header block is, by its place on the stream.
public enum HTTP2HeaderKind: Sendable {
  case request
  /// The response's head, or an informational (1xx) one before it; `:status` tells.
  case response
  case trailers
}
