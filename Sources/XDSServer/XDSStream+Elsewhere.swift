internal import EnvoyAPI
internal import GRPCTransport
internal import HTTP2Transport
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
    case tooLongName
    case unreadable(String)
  }

  /// What came of a request, beside the session.
  private struct Outcome: Sendable {
    var heard: HeardRequest
    var responses: [(response: ProxySession.Response, message: EncodedMessage?)]
    /// How long the thread was at it, without what others had of its processor meanwhile.
    var took: TimeAmount
  }

  /// Requests above this size are large: some thousand names, which take some milliseconds.
  static let largeRequest = 64 << 10

  /// The thread that takes a request of this size off the stream's event loop; nil if it is to be handled here.
  func thread(forRequestOf byteCount: Int) -> (any EventLoop)? {
    guard byteCount > Self.largeRequest else { return nil }
    return thread
  }

  /// Nil if the stream's own event loop is to do what takes long.
  var thread: (any EventLoop)? { server.largeRequests(call.eventLoop, call.isDistrusted) }

  /// Lets go of what may be large, where that holds up nobody.
  func discard<Content: Sendable>(_ parcel: Parcel<Content>, on thread: (any EventLoop)?) {
    guard let thread else { return }
    thread.execute { parcel.empty() }
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
      let start = ProcessorHold.ownTime
      var hold = ProcessorHold(since: .now())
      let lean =
        variant == .delta
        ? message.withUnsafeReadableBytes { Self.lean($0, session, nowAndThen: { hold.giveWay() }) } : nil
      let decoded = Parcel(
        Self.decode(lean.map { ByteBuffer(bytes: $0.lean) } ?? message, variant, maximumNames: limit))
      let took = ProcessorHold.ownTime - start
      loop.execute {
        memory.release(message.readableBytes, for: .parts)
        if let lean { stream.value.noteVain(lean.leftOut) }
        stream.value.apply(decoded, of: message.readableBytes, after: took, on: thread)
      }
    }
  }

  static func decode(_ message: ByteBuffer, _ variant: XDSProtocol, maximumNames limit: Int) -> Decoded {
    message.withUnsafeReadableBytes { bytes in
      // In a shorter one there is no room for such a name.
      if bytes.count > XDSLimits.maximumNameLength, RequestScan(bytes, variant)?.hasTooLongName ?? false {
        return .tooLongName
      }
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
    case .tooLongName: refuseName()
    case .unreadable(let reason): refuseUnreadable(reason)
    case .stateOfTheWorld(let request): return identify(request.node) ? type(of: request.typeURL) : nil
    case .delta(let request): return identify(request.node) ? type(of: request.typeURL) : nil
    }
    return nil
  }

  private func apply(
    _ decoded: Parcel<Decoded>, of byteCount: Int, after decoding: TimeAmount, on thread: any EventLoop
  ) {
    guard !isOver else {
      discard(decoded, on: thread)
      return comeBack(took: decoding)
    }
    guard let type = decoded.read({ type(of: $0) }), let session else {
      discard(decoded, on: thread)
      return comeBack(byteCount: byteCount, took: decoding)
    }
    let stream = NIOLoopBound(self, eventLoop: call.eventLoop)
    let (loop, now, canSend, shared) = (call.eventLoop, sinceOpened, call.isWritable, server.shared)
    thread.execute {
      guard let decoded = decoded.take() else { return }
      let start = ProcessorHold.ownTime
      var session = session
      let heard = session.heard(decoded, for: type)
      let responses = canSend ? session.pump(at: now) : []
      let messages = responses.map { (response: $0, message: shared.framed($0.plan, $0.nonce)) }
      let outcome = Outcome(heard: heard, responses: messages, took: decoding + (ProcessorHold.ownTime - start))
      let parcel = Parcel(session)
      loop.execute { stream.value.take(parcel, outcome, type, of: byteCount, on: thread) }
    }
  }

  private func take(
    _ parcel: Parcel<ProxySession>, _ outcome: Outcome, _ type: ResourceType, of byteCount: Int,
    on thread: any EventLoop
  ) {
    guard !isOver else {
      discard(parcel, on: thread)
      let took = outcome.took
      discard(Parcel(outcome), on: thread)
      return comeBack(took: took)
    }
    isAway = false
    parcel.exchange(with: &session)
    // The one of before.
    discard(parcel, on: thread)
    settle(outcome.heard, type)
    settleClaims()
    if session != nil { write(outcome.responses) }
    comeBack(after: outcome.heard, byteCount: byteCount, took: outcome.took)
  }

  private func write(_ responses: [(response: ProxySession.Response, message: EncodedMessage?)]) {
    if responses.isEmpty { return }
    for (response, message) in responses {
      guard write(response, message, publishedAt: nil) else { return }
    }
    call.flush()
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
  /// There may be much in it that no other stream has: it takes milliseconds to let go of it. O(types).
  var isLarge: Bool {
    let count = types.reduce(0) {
      $0 + $1.subscription.names.identity.count + $1.held.count + $1.claimedCount + ($1.inFlight?.plan.names.count ?? 0)
    }
    return count > Self.manyNames
  }

  /// The client has come with much that is not known here: whatever happens on the stream may take long. O(claimants).
  var hasManyClaims: Bool {
    !claimants.isEmpty
      && types.contains { $0.claimedCount > Self.manyNames }
  }

  static let manyNames = 2048

  /// Takes a request that was decoded, and says what it was.
  mutating func heard(_ decoded: XDSStream.Decoded, for type: ResourceType) -> HeardRequest {
    switch decoded {
    case .stateOfTheWorld(let request): heard(request, for: type)
    case .delta(let request): heard(request, for: type)
    case .tooManyNames, .tooLongName, .unreadable: HeardRequest()
    }
  }
}
