internal import CNghttp2
public import NIOCore

/// One end of one HTTP/2 connection (RFC 9113): bytes in, typed events out, bytes out. It does no I/O, owns no timers,
/// and is confined to one thread (an event loop) by its owner.
///
///     received bytes ──receive──▶ libnghttp2 ──callbacks──▶ event queue ──nextEvent──▶ owner
///     owner ──submit/write/reset──▶ libnghttp2 + stream bodies ──takeOutput──▶ buffers to write
///
/// Application code never runs inside libnghttp2: callbacks only append events, and the owner drains these afterwards.
///
/// ## Who owns which pointer
///
/// - The `nghttp2_session` belongs to this object: made in `init`, freed in `deinit`, never handed out.
/// - The session's `user_data` is this object, unretained. It is valid in every callback, because callbacks run only
///   inside calls that this object makes.
/// - Options and callback tables are copied by libnghttp2 and freed before `init` returns.
/// - Pointers that a callback receives (frame, name, value, data) live until it returns. Names and values are copied;
///   data is turned into a slice of the received buffer, which keeps that buffer's storage alive.
/// - Pointers from `nghttp2_session_mem_send` live until its next call; they are copied at once.
/// - Body bytes never enter libnghttp2: it is told a length (NGHTTP2_DATA_FLAG_NO_COPY), writes a frame header, and the
///   slices follow it into the output by reference.
public final class HTTP2Session {
  public let role: HTTP2Role
  let configuration: HTTP2SessionConfiguration
  let session: OpaquePointer

  // Events, drained by index so that no element moves.
  private var events: [HTTP2Event] = []
  private var eventStart = 0

  // Inbound: the buffer inside the current `receive`, and the header block being assembled (blocks never interleave).
  var input = ByteBuffer()
  var inputBase: UnsafeRawPointer?
  /// libnghttp2 is at work on received bytes.
  var isParsing: Bool { inputBase != nil }
  /// Why the session is to end when it is through with them.
  var verdict: (code: HTTP2ErrorCode, reason: String)?
  var fields: [HTTP2Header] = []
  var fieldsSize = 0
  var consecutiveEmptyFrames = 0
  private var peerStreams = PeerStreams()
  var resetBudget: ResetBudget
  var diagnostic = ""

  // Outbound: control bytes and small bodies gather in `scratch`; `segments` says how they interleave with slices.
  let scratch: OutputScratch
  var segments: [OutputSegment] = []
  var segmentScratchBytes = 0
  /// Bytes of the output that is being taken, or was taken last.
  public internal(set) var outputSize = 0
  var outputLimit = 0

  var streams = StreamTable<Int32, StreamState>()

  /// Frames since ``takeFrameTally()``.
  var frameTally = FrameTally()

  /// Makes a session and queues its connection preface.
  ///
  /// - Parameter scratch: may be shared with other sessions of the thread.
  public init(
    role: HTTP2Role, configuration: HTTP2SessionConfiguration = .init(), scratch: OutputScratch = OutputScratch()
  ) throws(HTTP2SessionError) {
    self.role = role
    self.scratch = scratch
    self.configuration = configuration
    resetBudget = ResetBudget(burst: configuration.resetBurst, perSecond: configuration.resetRefillPerSecond)
    guard let session = makeNghttp2Session(role: role, configuration: configuration) else {
      throw HTTP2SessionError(.sessionFailed, "libnghttp2 could not allocate a session")
    }
    self.session = session
    attachUserData()
    try submitPreface()
  }

  deinit {
    nghttp2_session_del(session)
  }

  // MARK: Inbound

  /// Parses received bytes and queues the events that they cause. A violation by the peer that HTTP/2 can answer (a
  /// GOAWAY) does not throw: it yields ``HTTP2Event/terminated(_:reason:)`` when that frame goes out.
  public func receive(_ bytes: ByteBuffer) throws(HTTP2SessionError) {
    guard bytes.readableBytes > 0 else { return }
    input = bytes
    let (result, violation) = bytes.withUnsafeReadableBytes { raw -> (Int, HTTP2ErrorCode?) in
      inputBase = raw.baseAddress
      let violation = role == .server ? peerStreams.firstViolation(in: raw, seen: frameBegan) : nil
      let good = violation?.offset ?? raw.count
      let start = raw.baseAddress?.assumingMemoryBound(to: UInt8.self)
      return (nghttp2_session_mem_recv(session, start, good), violation?.code)
    }
    inputBase = nil
    input = ByteBuffer()
    guard result >= 0 else { throw sessionError(Int32(truncatingIfNeeded: result)) }
    // What comes after this, libnghttp2 ignores.
    if let verdict {
      self.verdict = nil
      terminate(verdict.code, because: verdict.reason)
    }
    if let violation { terminate(violation, because: "the peer used a stream that it had closed") }
    if role == .server, nghttp2_session_get_outbound_queue_size(session) > configuration.maxOutboundControlFrames {
      throw HTTP2SessionError(.flooded, "the peer caused more control frames than it reads")
    }
  }

  /// The oldest event that has not been taken, or nil.
  public func nextEvent() -> HTTP2Event? {
    guard eventStart < events.count else {
      guard eventStart > 0 else { return nil }
      events.removeAll(keepingCapacity: events.capacity <= 64)
      eventStart = 0
      return nil
    }
    defer { eventStart += 1 }
    return events[eventStart]
  }

  func emit(_ event: HTTP2Event) {
    events.append(event)
  }

  // MARK: State

  /// False when the session has nothing more to say or hear: close the connection.
  public var isAlive: Bool {
    nghttp2_session_want_read(session) != 0 || nghttp2_session_want_write(session) != 0
  }

  /// Whether ``takeOutput(limit:_:)`` would yield bytes now.
  public var wantsWrite: Bool { nghttp2_session_want_write(session) != 0 }

  /// The number of open streams, both directions.
  public var openStreamCount: Int { streams.count }

  /// Frames received and DATA frames sent since the last call: what a limit on the peer's frames goes by.
  public func takeFrameTally() -> FrameTally {
    defer { frameTally = FrameTally() }
    return frameTally
  }

  /// How many of the next bytes to come are a body's (server): they cost no more than to be put where they belong.
  public var bodyAhead: Int { peerStreams.bodyAhead }

  /// How many of these bytes, the next to come, are the rest of a DATA frame, and whole ones behind it with at least so much in them.
  public func bodyAhead(in bytes: ByteBuffer, least: Int) -> Int {
    bytes.withUnsafeReadableBytes { peerStreams.bodyAhead(in: $0, least: least) }
  }

  /// The objects that a write to the newest stream goes through, and what is read of its answer, where they lie, and how many bytes of
  /// them are needed: a hint, for a caller that has to do with many sessions one after the other.
  package func forEachPlace(_ body: (_ address: UnsafeRawPointer, _ byteCount: Int) -> Void) {
    body(Unmanaged.passUnretained(self).toOpaque(), 448)
    body(UnsafeRawPointer(session), 1280)
    if let stream = streams.newest?.stream { body(Unmanaged.passUnretained(stream).toOpaque(), 128) }
  }

  func sessionError(_ code: Int32) -> HTTP2SessionError {
    let text = String(cString: nghttp2_strerror(code))
    if code == NGHTTP2_ERR_BAD_CLIENT_MAGIC.rawValue {
      return HTTP2SessionError(.badPreface, "the peer does not speak HTTP/2")
    }
    if code == NGHTTP2_ERR_FLOODED.rawValue || code == NGHTTP2_ERR_TOO_MANY_CONTINUATIONS.rawValue {
      return HTTP2SessionError(.flooded, text)
    }
    return HTTP2SessionError(.sessionFailed, diagnostic.isEmpty ? text : "\(text): \(diagnostic)")
  }
}
