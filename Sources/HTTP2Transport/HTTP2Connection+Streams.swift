public import HTTP2Session
public import NIOCore

// Events to streams, and the owner's commands.
extension HTTP2Connection {
  /// Opens a stream (client).
  /// - Throws: ``HTTP2ConnectionError`` when the connection is closed, ``HTTP2SessionError`` when it takes no streams.
  public func openStream(
    _ head: [HTTP2Header], endStream: Bool, delegate: any HTTP2StreamDelegate
  ) throws -> HTTP2Stream {
    guard !isClosed, !isDraining else {
      throw HTTP2ConnectionError(.closedLocally, "the connection takes no new streams")
    }
    let id = try session.openStream(head, endStream: endStream)
    let stream = HTTP2Stream(id: id, connection: self, delegate: delegate)
    streams[id] = stream
    stopIdleTimer()
    scheduleFlush()
    return stream
  }

  /// Begins a graceful end: tells the peer (GOAWAY) and every stream, and closes when the last stream has finished. A
  /// server gives streams that are on their way one round trip to arrive (RFC 9113, section 6.8), but waits for it no longer
  /// than ``HTTP2ConnectionConfiguration/drainProbeTimeout``: a mute peer must not hold up a shutdown.
  public func drain() {
    guard !isDraining, !isClosed else { return }
    isDraining = true
    guard isStarted else {
      // Still in TLS' handshake, say: there is nobody yet to tell.
      closeNow(HTTP2ConnectionError(.closedLocally, "the connection was drained before it began"))
      return
    }
    switch role {
    case .server:
      session.announceShutdown()
      session.ping(Self.drainProbe)
      startDrainTimer()
    case .client:
      session.goAway()
    }
    tellStreamsToFinish()
    scheduleFlush()
  }

  /// Whoever stands before this handler may ask for a drain, without knowing what speaks behind it.
  public func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if event is ChannelShouldQuiesceEvent { drain() }
    context.fireUserInboundEventTriggered(event)
  }

  /// The second GOAWAY of a drain: names the last stream; the connection closes when that has finished.
  func takeNoMoreStreams() {
    drainTimer?.cancel()
    drainTimer = nil
    session.goAway()
    scheduleFlush()
  }

  private func tellStreamsToFinish() {
    for stream in streams.values { stream.connectionDraining() }
  }

  /// Ends the connection now: GOAWAY without error, then close. Open streams are lost.
  public func close() {
    fail(HTTP2ConnectionError(.closedLocally, "the connection was closed"), goAway: .noError)
  }

  /// Ends the connection now, so that another has its place: GOAWAY with ENHANCE_YOUR_CALM, then close.
  public func makeRoom() {
    fail(HTTP2ConnectionError(.displaced, "another connection was given the place"), goAway: .enhanceYourCalm)
  }

  /// Tells the events that have happened. Returns whether there were any.
  @discardableResult
  func drainEvents() -> Bool {
    var toldAny = false
    while !isClosed, let event = session.nextEvent() {
      toldAny = true
      handle(event)
    }
    return toldAny
  }

  private func handle(_ event: HTTP2Event) {
    switch event {
    case .headers(let id, .request, let fields, let endStream):
      accept(id, head: fields, endStream: endStream)
    case .headers(let id, let kind, let fields, let endStream):
      streams[id]?.received(headers: fields, kind: kind, endStream: endStream)
    case .headersTooLarge:
      delegate?.connection(self, reached: .headerListSize)
    case .data(let id, let body):
      streams[id]?.received(body: body)
    case .endStream(let id):
      streams[id]?.receivedEnd()
    case .writable(let id):
      streams[id]?.becameWritable()
    case .streamClosed(let id, let code, let byPeer):
      guard let stream = streams.removeValue(forKey: id) else { return }
      stream.closed(code == .noError ? .finished : .reset(code, byPeer: byPeer))
      if streams.isEmpty { startIdleTimer() }
    case .settings:
      guard !hasPeerSettings else { return }
      hasPeerSettings = true
      stopPrefaceTimer()
      delegate?.connectionReady(self)
    case .pingAcknowledged(let payload):
      if payload == Self.drainProbe, isDraining { takeNoMoreStreams() }
    case .goAway(_, let code, let debug):
      if code != .noError {
        note(HTTP2ConnectionError(.goAwayByPeer, "the peer sent GOAWAY: \(debug)", http2Code: code))
      }
      // A graceful shutdown sends two GOAWAY frames; the streams need telling once.
      guard !isPeerGoingAway else { return }
      isPeerGoingAway = true
      // A client's is about streams that the server would open, and none of its own (RFC 9113, section 6.8).
      if role == .client { tellStreamsToFinish() }
      delegate?.connectionGoingAway(self)
    case .terminated(let code, let reason):
      note(terminationError(code, reason))
    }
  }

  /// libnghttp2 ends a connection with INTERNAL_ERROR of its own accord only when the peer resets too many streams.
  private func terminationError(_ code: HTTP2ErrorCode, _ reason: String) -> HTTP2ConnectionError {
    switch code {
    case .enhanceYourCalm: HTTP2ConnectionError(.flood, reason, http2Code: code)
    case .internalError: HTTP2ConnectionError(.flood, "the peer resets too many streams", http2Code: code)
    default: HTTP2ConnectionError(.protocolViolation, reason, http2Code: code)
    }
  }

  private func accept(_ id: HTTP2StreamID, head: [HTTP2Header], endStream: Bool) {
    let stream = HTTP2Stream(id: id, connection: self, delegate: nil)
    streams[id] = stream
    stopIdleTimer()
    guard let user = delegate?.connection(self, accept: stream, head: head, endStream: endStream) else {
      stream.reset(.refusedStream)
      return
    }
    stream.attach(user)
    if endStream { stream.receivedEnd() }
    if isDraining { stream.connectionDraining() }
  }
}
