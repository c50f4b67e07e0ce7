public import HTTP2Session
public import NIOCore

/// What the user of a stream hears. All calls are on the connection's event loop, and never from inside a call that the
/// user makes on the stream, except ``writabilityChanged(isWritable:)`` from ``HTTP2Stream/send(body:)``, ``HTTP2Stream/write(body:)`` and
/// ``HTTP2Stream/flush()``.
public protocol HTTP2StreamDelegate: AnyObject {
  func received(headers: [HTTP2Header], kind: HTTP2HeaderKind, endStream: Bool)
  /// Body bytes. They keep the peer's window down until ``HTTP2Stream/consume(_:)``.
  func received(body: ByteBuffer)
  /// The peer's side ended without trailers.
  func receivedEnd()
  /// The outbound body grew above the high mark (false) or drained to the low mark (true).
  func writabilityChanged(isWritable: Bool)
  /// The connection is draining, by this end or by the peer: finish soon.
  func connectionDraining()
  /// The stream is gone. Last call, exactly once.
  func closed(_ reason: HTTP2StreamCloseReason)
}

/// How a stream ended.
public enum HTTP2StreamCloseReason: Sendable {
  /// Both sides ended, or the server reset an unfinished request with NO_ERROR after its whole response.
  case finished
  case reset(HTTP2ErrorCode, byPeer: Bool)
  case connectionLost(HTTP2ConnectionError)
}

/// One stream of a connection, confined to its event loop. After it has closed, calls on it do nothing.
public final class HTTP2Stream {
  public let id: HTTP2StreamID
  /// The connection while the stream is open.
  public private(set) var connection: HTTP2Connection?
  public private(set) var delegate: (any HTTP2StreamDelegate)?
  private var isReset = false

  init(id: HTTP2StreamID, connection: HTTP2Connection, delegate: (any HTTP2StreamDelegate)?) {
    self.id = id
    self.connection = connection
    self.delegate = delegate
  }

  func attach(_ delegate: any HTTP2StreamDelegate) {
    self.delegate = delegate
  }

  // MARK: Outbound

  /// Sends the response head (server).
  public func respond(_ head: [HTTP2Header], endStream: Bool) {
    guard let connection else { return }
    connection.session.respond(head, on: id, endStream: endStream)
    connection.scheduleFlush()
  }

  /// Queues body bytes; the buffer's storage is shared with whoever else holds it. They leave at the end of the event loop's
  /// current tick, with all else that is queued until then.
  public func send(body: ByteBuffer) {
    guard let connection else { return }
    write(body: body)
    connection.scheduleFlush()
  }

  /// Queues body bytes that leave with the next ``flush()``.
  public func write(body: ByteBuffer) {
    guard let connection, connection.session.write(body, on: id) else { return }
    connection.watchForStall()
    delegate?.writabilityChanged(isWritable: false)
  }

  /// Lets what is queued leave now: for a caller that has many connections to serve in one tick, and no reason to keep the
  /// first waiting for the last.
  public func flush() { connection?.flushNow() }

  /// Ends this side after the queued body.
  public func end() {
    guard let connection else { return }
    connection.session.end(id)
    if bufferedBytes > 0 { connection.watchForStall() }
    connection.scheduleFlush()
  }

  /// Ends this side with trailers after the queued body.
  public func end(trailers: [HTTP2Header]) {
    guard let connection else { return }
    connection.session.end(id, trailers: trailers)
    if bufferedBytes > 0 { connection.watchForStall() }
    connection.scheduleFlush()
  }

  /// Ends the stream now; queued body is dropped. The delegate hears only ``HTTP2StreamDelegate/closed(_:)`` after this.
  public func reset(_ code: HTTP2ErrorCode) {
    guard let connection, !isReset else { return }
    isReset = true
    connection.session.reset(id, code)
    connection.scheduleFlush()
  }

  /// Gives the peer the window of so many received body bytes back.
  public func consume(_ count: Int) {
    guard let connection else { return }
    connection.session.consume(count, on: id)
    connection.scheduleFlush()
  }

  /// A long message has begun. Its rest may have to wait while other connections of the loop send theirs (``LoopTurns``).
  public func messageIsLong() { connection?.messageIsLong() }

  /// The whole of it is there.
  public func messageIsWhole() { connection?.messageIsWhole() }

  /// It was handed over, or will not be: other connections may send theirs. Whoever has said that one has begun says this, too.
  public func longMessageEnds() { connection?.longMessageEnds() }

  /// Body bytes accepted and not yet handed to the socket.
  public var bufferedBytes: Int { connection?.session.bufferedBytes(on: id) ?? 0 }
  public var isWritable: Bool { connection?.session.isWritable(id) ?? false }

  /// Where the objects lie that a write, and the reading of its answer, go through (``HTTP2Session/HTTP2Session/forEachPlace(_:)``).
  package func forEachPlace(_ body: (_ address: UnsafeRawPointer, _ byteCount: Int) -> Void) {
    body(Unmanaged.passUnretained(self).toOpaque(), 64)
    guard let connection else { return }
    body(Unmanaged.passUnretained(connection).toOpaque(), 448)
    if let context = connection.context { body(Unmanaged.passUnretained(context).toOpaque(), 128) }
    if let channel = connection.channel { body(Unmanaged.passUnretained(channel as AnyObject).toOpaque(), 448) }
    connection.session.forEachPlace(body)
  }

  // MARK: Inbound, from the connection

  func received(headers: [HTTP2Header], kind: HTTP2HeaderKind, endStream: Bool) {
    guard !isReset else { return }
    delegate?.received(headers: headers, kind: kind, endStream: endStream)
  }

  func received(body: ByteBuffer) {
    guard !isReset else { return }
    delegate?.received(body: body)
  }

  func receivedEnd() {
    guard !isReset else { return }
    delegate?.receivedEnd()
  }

  func becameWritable() {
    guard !isReset else { return }
    delegate?.writabilityChanged(isWritable: true)
  }

  func connectionDraining() {
    guard !isReset else { return }
    delegate?.connectionDraining()
  }

  func closed(_ reason: HTTP2StreamCloseReason) {
    guard connection != nil else { return }
    connection = nil
    let last = delegate
    delegate = nil
    last?.closed(reason)
  }
}
