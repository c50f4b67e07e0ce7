internal import HTTP2Session
internal import NIOCore

/// A session and an application that uses it, with the rules for what the session may say: every stream begins once, ends
/// once, and says nothing before or after; what the session holds of a stream goes with it.
final class SessionRun {
  private enum Phase {
    /// Opened by this end, no head yet.
    case awaitsHead
    case open
    /// The peer has ended its side.
    case ended
    case closed
  }

  private let session: HTTP2Session
  private let role: HTTP2Role
  private let manner: Int
  private var phases: [HTTP2StreamID: Phase] = [:]
  private var unconsumed: [HTTP2StreamID: Int] = [:]
  private var lastPeerStream: Int32 = 0
  private var written = 0
  private var queued = 0
  private let window: Int

  init(role: HTTP2Role, manner: Int) throws {
    self.role = role
    self.manner = manner
    var configuration = HTTP2SessionConfiguration()
    if manner & 16 != 0 {
      configuration.initialStreamWindow = 4096
      configuration.connectionWindow = 65_535
      configuration.maxConcurrentStreams = 4
      configuration.maxHeaderListSize = 512
      configuration.writeHighWatermark = 1000
      configuration.writeLowWatermark = 100
    }
    // Until the peer has acknowledged the settings, the protocol's own window counts.
    window = max(65_535, configuration.initialStreamWindow)
    session = try HTTP2Session(role: role, configuration: configuration)
  }

  func go(_ chunks: Chunks) throws {
    if role == .client { try openStreams() }
    try exchange()
    for chunk in chunks {
      do {
        try session.receive(ByteBuffer(bytes: chunk))
      } catch {
        try require(error.code != .invalidState, "receive: \(error)")
        try drainEvents()
        return
      }
      try exchange()
      guard session.isAlive else { break }
    }
    session.terminate(.noError)
    try exchange()
    let limit = 4096 + 16 * chunks.byteCount + queued * 5 / 4
    try require(written <= limit, "\(written) bytes written for \(chunks.byteCount) received and \(queued) sent")
    try require(!session.wantsWrite, "the session still wants to write after its end")
  }

  private func openStreams() throws {
    let head = [
      HTTP2Header(":method", "POST"), HTTP2Header(":scheme", "http"), HTTP2Header(":path", EmbeddedServer.echo),
      HTTP2Header(":authority", "weir"),
    ]
    for size in [0, 10, 100_000] {
      let id = try session.openStream(head, endStream: size == 0)
      phases[id] = .awaitsHead
      queued += 200
      write(size, on: id)
      if size == 10 { session.end(id) }
    }
  }

  /// Tells the application, and takes what the session has to say, until both are quiet.
  private func exchange() throws {
    var rounds = 0
    while true {
      rounds += 1
      try require(rounds < 100_000, "the session never comes to rest")
      try drainEvents()
      let count: Int
      do {
        var taken = 0
        count = try session.takeOutput(limit: 64 * 1024) { taken += $0.readableBytes }
        try require(taken == count, "\(taken) bytes given, \(count) reported")
      } catch let error as HTTP2SessionError {
        throw FuzzFailure("takeOutput: \(error)")
      }
      written += count
      if count == 0, try !drainEvents() { break }
    }
    let open = phases.values.count { $0 != .closed }
    try require(
      session.openStreamCount == open, "the session has \(session.openStreamCount) streams, the application \(open)")
  }

  @discardableResult
  private func drainEvents() throws -> Bool {
    var any = false
    while let event = session.nextEvent() {
      any = true
      try handle(event)
    }
    return any
  }

  private func handle(_ event: HTTP2Event) throws {
    switch event {
    case .headers(let id, .request, _, let endStream):
      try require(role == .server, "a request for a client")
      try require(phases[id] == nil, "stream \(id) opened twice")
      try require(id.rawValue > lastPeerStream && id.rawValue % 2 == 1, "stream \(id) after \(lastPeerStream)")
      lastPeerStream = id.rawValue
      phases[id] = endStream ? .ended : .open
      answer(id)
    case .headers(let id, _, _, let endStream):
      let phase = try phase(of: id, "headers")
      try require(phase != .ended, "headers on \(id) after its end")
      phases[id] = endStream ? .ended : .open
    case .data(let id, let body):
      let phase = try phase(of: id, "data")
      try require(phase != .ended, "data on \(id) after its end")
      try require(phase != .awaitsHead, "data on \(id) before its head")
      unconsumed[id, default: 0] += body.readableBytes
      try require(unconsumed[id, default: 0] <= window, "more than a window on \(id)")
      if manner & 8 == 0 {
        session.consume(body.readableBytes, on: id)
        unconsumed[id] = 0
      }
      // Half a window is given back in one frame of 13 bytes; small windows make these frequent.
      queued += 64
    case .endStream(let id):
      let phase = try phase(of: id, "an end")
      try require(phase != .ended, "a second end on \(id)")
      phases[id] = .ended
      session.end(id)
    case .streamClosed(let id, _, _):
      _ = try phase(of: id, "a close")
      phases[id] = .closed
      unconsumed[id] = nil
    case .writable(let id):
      _ = try phase(of: id, "writability")
    case .headersTooLarge, .settings, .pingAcknowledged, .goAway, .terminated:
      break
    }
  }

  private func phase(of id: HTTP2StreamID, _ what: String) throws -> Phase {
    guard let phase = phases[id] else { throw FuzzFailure("\(what) on \(id), which was never opened") }
    try require(phase != .closed, "\(what) on \(id), which is closed")
    return phase
  }

  /// What the server's application does with a request depends on its number.
  private func answer(_ id: HTTP2StreamID) {
    let head = [HTTP2Header(":status", "200"), HTTP2Header("content-type", "application/grpc")]
    queued += 200
    switch (Int(id.rawValue) / 2 + manner) % 8 {
    case 0:
      session.respond(head, on: id, endStream: true)
    case 1:
      session.respond(head, on: id, endStream: false)
      write(10, on: id)
      session.end(id, trailers: [HTTP2Header("grpc-status", "0")])
    case 2:
      session.respond(head, on: id, endStream: false)
      write(70_000, on: id)
      session.end(id)
    case 3:
      session.reset(id, .cancel)
    case 4:
      session.respond(head, on: id, endStream: false)
      write(2000, on: id)
    case 5:
      session.ping(UInt64(id.rawValue))
    default:
      session.respond(head, on: id, endStream: false)
    }
  }

  private func write(_ count: Int, on id: HTTP2StreamID) {
    guard count > 0 else { return }
    queued += count
    session.write(ByteBuffer(repeating: 7, count: count), on: id)
  }
}
