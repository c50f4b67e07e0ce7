internal import EnvoyAPI
internal import GRPCTransport
internal import NIOCore
internal import XDSSnapshot

// Large requests. One with two hundred thousand names that nobody has named before takes hundreds of milliseconds to decode and
// to answer, and nothing may hold up an event loop for so long. So another thread does it, and the session, which is a value,
// goes there and comes back:
//
//     event loop   request ──▶ ┐          ┌ who is it, which type ┐           ┌ the session of now; write the responses
//     thread                   └ decode ──┘                       └ session ──┘
//
// Meanwhile the stream reads nothing more, and sends nothing; what is asked about its client is answered from the session of
// before, as if the request had not come yet. What is published meanwhile it finds when it is back. Few such
// requests are on their way at a time, and of a client that has just had one the next waits (`LargeTurns`).
extension XDSStream {
  /// A request as it was decoded, or why it was not.
  enum Decoded: Sendable {
    case stateOfTheWorld(DiscoveryRequest)
    case delta(DeltaDiscoveryRequest)
    case tooManyNames
    case unreadable(String)
  }

  /// What came of a request.
  private struct Outcome: Sendable {
    var session: ProxySession
    var heard: HeardRequest
    var responses: [(response: ProxySession.Response, message: EncodedMessage?)]
    /// How long it was handled.
    var took: TimeAmount
  }

  /// Requests above this size are large: some thousand names, which take some milliseconds.
  static let largeRequest = 64 << 10

  /// The thread that takes a request of this size off the stream's event loop; nil if it is to be handled here.
  func thread(forRequestOf byteCount: Int) -> (any EventLoop)? {
    guard byteCount > Self.largeRequest else { return nil }
    return server.largeRequests(call.eventLoop, call.isDistrusted)
  }

  func hear(_ message: ByteBuffer, on thread: any EventLoop) {
    isAway = true
    call.pauseReading()
    // Those who are not trusted have a thread of their own, and hold up each other only. But what waits for that thread is held by no
    // call any more, that could be ended to make room: so they too go there few at a time.
    call.holdLargeMessages()
    let memory = server.shared.memory
    // They are here, and the transport counts them no longer.
    memory.chargeAnyway(message.readableBytes, for: .parts)
    let stream = NIOLoopBound(self, eventLoop: call.eventLoop)
    let (loop, variant, limit) = (call.eventLoop, variant, server.limits.maximumSubscription)
    thread.execute { [session] in
      let start = NIODeadline.now()
      let lean = variant == .delta ? message.withUnsafeReadableBytes { Self.lean($0, session) } : nil
      let decoded = Self.decode(lean.map { ByteBuffer(bytes: $0.lean) } ?? message, variant, maximumNames: limit)
      let took = NIODeadline.now() - start
      loop.execute {
        memory.release(message.readableBytes, for: .parts)
        if let lean { stream.value.noteVain(lean.leftOut) }
        stream.value.apply(decoded, of: message.readableBytes, after: took, on: thread)
      }
    }
  }

  static func decode(_ message: ByteBuffer, _ variant: XDSProtocol, maximumNames limit: Int) -> Decoded {
    message.withUnsafeReadableBytes { bytes in
      do {
        switch variant {
        case .stateOfTheWorld:
          if DiscoveryRequest.names(in: bytes, exceed: limit) { return .tooManyNames }
          return .stateOfTheWorld(try DiscoveryRequest(decoding: bytes))
        case .delta:
          if DeltaDiscoveryRequest.names(in: bytes, exceed: limit) { return .tooManyNames }
          return .delta(try DeltaDiscoveryRequest(decoding: bytes))
        }
      } catch {
        return .unreadable("\(error)")
      }
    }
  }

  /// The type that a request is about. Nil if there is nothing to do for it, or it has ended the stream.
  func type(of decoded: Decoded) -> ResourceType? {
    switch decoded {
    case .tooManyNames: refuseNames()
    case .unreadable(let reason): refuseUnreadable(reason)
    case .stateOfTheWorld(let request): return identify(request.node) ? type(of: request.typeURL) : nil
    case .delta(let request): return identify(request.node) ? type(of: request.typeURL) : nil
    }
    return nil
  }

  private func apply(_ decoded: Decoded, of byteCount: Int, after decoding: TimeAmount, on thread: any EventLoop) {
    guard !isOver else { return comeBack(took: decoding) }
    guard let type = type(of: decoded), let session else { return comeBack(byteCount: byteCount, took: decoding) }
    let stream = NIOLoopBound(self, eventLoop: call.eventLoop)
    let (loop, now, canSend, shared) = (call.eventLoop, sinceOpened, call.isWritable, server.shared)
    thread.execute {
      let start = NIODeadline.now()
      var session = session
      let heard = session.heard(decoded, for: type)
      let responses = canSend ? session.pump(at: now) : []
      var outcome = Outcome(
        session: session, heard: heard,
        responses: responses.map { (response: $0, message: shared.framed($0.plan, $0.nonce)) }, took: decoding)
      outcome.took = decoding + (NIODeadline.now() - start)
      loop.execute { [outcome] in stream.value.take(outcome, type, of: byteCount) }
    }
  }

  private func take(_ outcome: Outcome, _ type: ResourceType, of byteCount: Int) {
    guard !isOver else { return comeBack(took: outcome.took) }
    isAway = false
    session = outcome.session
    settle(outcome.heard, type)
    if session != nil { write(outcome.responses, publishedAt: nil) }
    comeBack(after: outcome.heard, byteCount: byteCount, took: outcome.took)
  }

  /// Reads on.
  private func comeBack(after request: HeardRequest = HeardRequest(), byteCount: Int = 0, took: TimeAmount) {
    isAway = false
    call.releaseLargeMessages(took: took)
    guard !isOver else { return }
    resumeReading(after: request, byteCount: byteCount)
  }
}

extension ProxySession {
  /// Takes a request that was decoded, and says what it was.
  mutating func heard(_ decoded: XDSStream.Decoded, for type: ResourceType) -> HeardRequest {
    switch decoded {
    case .stateOfTheWorld(let request): heard(request, for: type)
    case .delta(let request): heard(request, for: type)
    case .tooManyNames, .unreadable: HeardRequest()
    }
  }
}
