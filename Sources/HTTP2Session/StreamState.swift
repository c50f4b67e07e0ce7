internal import NIOCore

/// What the session keeps for one open stream: the outbound body and the inbound debt.
///
/// Owned by `HTTP2Session.streams` alone from open to close; no C pointer refers to it, so libnghttp2 naming a stream
/// that is gone finds nothing instead of freed memory.
final class StreamState {
  enum Ending {
    /// More body may follow.
    case open
    /// END_STREAM goes on the last DATA frame.
    case endStream
    /// Trailers follow the last DATA frame.
    case trailers([HTTP2Header])
    /// The end has been handed to libnghttp2 (or the stream has been reset): nothing may follow.
    case handedOver
  }

  let id: HTTP2StreamID
  var body = BodyQueue()
  var ending: Ending = .open
  /// libnghttp2 asked for body, found none, and waits for `nghttp2_session_resume_data`.
  var isDeferred = false
  /// A head with a data provider has been submitted, so body can flow.
  var hasBody = false
  var isWritable = true
  var remoteEnded = false
  var resetByPeer = false
  var resetByUs = false
  /// Body bytes handed to the output, ever.
  var sentBytes: UInt64 = 0
  /// Bytes received and not yet consumed by the application.
  var unconsumed = 0

  init(id: HTTP2StreamID) {
    self.id = id
  }
}

/// A first-in-first-out queue of shared buffer slices. The common case, one slice, allocates nothing.
struct BodyQueue {
  private var head: ByteBuffer?
  private var rest: [ByteBuffer] = []
  private var restStart = 0
  private(set) var byteCount = 0

  mutating func append(_ buffer: ByteBuffer) {
    guard buffer.readableBytes > 0 else { return }
    byteCount += buffer.readableBytes
    if head == nil {
      head = buffer
    } else {
      rest.append(buffer)
    }
  }

  /// Takes at most `maximum` bytes off the front as one slice that shares storage; nil when empty.
  mutating func next(upTo maximum: Int) -> ByteBuffer? {
    guard maximum > 0, let first = head else { return nil }
    if first.readableBytes <= maximum {
      byteCount -= first.readableBytes
      advance()
      return first
    }
    var remaining = first
    let slice = remaining.readSlice(length: maximum)
    head = remaining
    byteCount -= maximum
    return slice
  }

  mutating func removeAll() {
    self = BodyQueue()
  }

  private mutating func advance() {
    guard restStart < rest.count else {
      head = nil
      rest = []
      restStart = 0
      return
    }
    head = rest[restStart]
    rest[restStart] = ByteBuffer()
    restStart += 1
    if restStart > 32, restStart * 2 > rest.count {
      rest.removeFirst(restStart)
      restStart = 0
    }
  }
}
