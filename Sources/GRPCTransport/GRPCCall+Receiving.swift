internal import HTTP2Session
internal import HTTP2Transport
package import NIOCore

// What arrives on the call's stream, and the handler's control over it.
extension GRPCCall {
  /// Stops the delivery of messages and withholds flow-control credit: the peer can send at most one stream window more.
  public func pauseReading() {
    isPaused = true
  }

  /// Delivers what has waited, and gives credit for it.
  public func resumeReading() {
    guard isPaused else { return }
    isPaused = false
    deliver()
  }

  /// Hands whole messages to the handler until there are none, it pauses, or the turn is over, then credits the bytes.
  private func deliver() {
    guard !isDelivering, !isYielding else { return }
    isDelivering = true
    defer { isDelivering = false }
    var count = 0
    do throws(GRPCStatus) {
      while !isPaused, let handler, status == nil || role == .client {
        if waitsForLargeMessage() { break }
        guard let message = try deframer.next(storage: turns?.messages) else { break }
        handler.received(message: message)
        // One that was refused was not looked through, and says nothing of others.
        if message.readableBytes > ConnectionCalls.largeMessage, status == nil { turns?.largeIsHandled() }
        count += 1
        guard count < messagesPerTurn else {
          yield()
          break
        }
      }
    } catch {
      if error.code == .resourceExhausted { server?.counts.limitedStreams.add(.messageSize) }
      refuse(error)
    }
    deframer.compact(storage: turns?.messages)
    settlePlace()
    settleCharge()
    settleAwaited(isMessageWhole: count > 0)
    guard !isPaused, !isYielding else { return }
    credit()
    if let reason = pendingClose {
      tellClosed(reason)
    } else if hasPendingEnd {
      hasPendingEnd = false
      deliverEnd()
    }
  }

  /// Goes on after the other work of the event loop. No credit is given meanwhile.
  private func yield() {
    guard deframer.bufferedBytes > 0 else { return }
    isYielding = true
    if let turns {
      turns.enqueue(LaterWork(of: self) { [self] in goOn() })
    } else {
      eventLoop.assumeIsolatedUnsafeUnchecked().execute { [self] in goOn() }
    }
  }

  fileprivate func goOn(takesLargeMessage: Bool = false) {
    isYielding = false
    self.takesLargeMessage = takesLargeMessage
    if !isPaused { deliver() }
  }

  /// A large message takes long to handle, and nothing can come between. So it waits in a line of its own (`LoopTurns`), and
  /// for the connection's budget.
  private func waitsForLargeMessage() -> Bool {
    guard let turns, let connectionCalls, let length = deframer.wholeMessageLength,
      length > ConnectionCalls.largeMessage
    else { return false }
    if takesLargeMessage {
      takesLargeMessage = false
      connectionCalls.spend(length)
      return false
    }
    isYielding = true
    if isInLongMessage { stream?.messageIsWhole() }
    let work = LaterWork(of: self) { [self] in goOn(takesLargeMessage: true) }
    let network = connectionCalls.network
    guard let wait = connectionCalls.waitForLarge() else {
      turns.enqueueLarge(work, of: length, from: network)
      return true
    }
    // Cancelled when the call closes.
    largeMessageTimer = schedule(in: wait) { [self] in
      largeMessageTimer = nil
      turns.enqueueLarge(work, of: length, from: network)
    }
    return true
  }

  /// Tells the stream of long messages that begin, and of their end: when they are handed over, whoever goes on with them where. A client
  /// that comes back sends one after the other, and keeps its place among the loop's connections meanwhile.
  private func settlePlace() {
    // After nearly every message there is nothing left, and no need to look for a length.
    guard deframer.bufferedBytes > 0 else { return leavePlace() }
    if deframer.isInLongMessage {
      isInLongMessage = true
      stream?.messageIsLong()
    } else if deframer.wholeMessageLength.map({ $0 <= ConnectionCalls.largeMessage }) ?? true {
      leavePlace()
    }
  }

  private func leavePlace() {
    guard isInLongMessage else { return }
    isInLongMessage = false
    stream?.longMessageEnds()
  }

  /// Tells the connection what the client still owes.
  private func settleAwaited(isMessageWhole: Bool) {
    guard let connectionCalls, status == nil else { return }
    if deframer.bufferedBytes > 0 {
      guard isMessageWhole || awaited != .restOfMessage else { return }
      awaited = .restOfMessage
      if isMessageWhole { connectionCalls.isWhole(self) }
      connectionCalls.began(self)
    } else if isMessageWhole, awaited != .nothing {
      awaited = .nothing
      connectionCalls.isWhole(self)
    }
  }

  /// Waits for the first message (server).
  func awaitFirstMessage() {
    awaited = .firstMessage
    connectionCalls?.opened(self)
  }

  /// Work on the large message that was just delivered goes on elsewhere, until ``releaseLargeMessages(took:)``: few others are
  /// delivered meanwhile (``LargeTurns``).
  package func holdLargeMessages() {
    guard heldLarge == nil, let turns, let piece = turns.holdLarge() else { return }
    heldLarge = (turns, piece)
  }

  /// - Parameter time: how long it was handled; no other from its client's network is delivered for about as long.
  package func releaseLargeMessages(took time: TimeAmount) {
    guard let held = heldLarge else { return }
    heldLarge = nil
    // Of a call that is over only a part may have been done.
    held.turns.releaseLarge(held.piece, took: time, isHandled: handler != nil && status == nil)
  }

  /// Whether the client has broken rules, or is treated like one that has. Also when its stream has just ended: what is left of it is
  /// let go of where its requests were handled.
  package var isDistrusted: Bool {
    (stream?.connection ?? connectionCalls?.conduct.connection)?.isDistrusted ?? false
  }

  // MARK: For the connection

  /// Bytes that have arrived and were not handed over.
  var waitingBytes: Int { deframer.bufferedBytes }
  /// What waits here waits for this end.
  var isHeldUp: Bool { isPaused || isYielding }
  var isHoldingParts: Bool { status == nil && (charge?.charged ?? 0) > 0 }

  /// Ends the call for one of the transport's limits.
  func end(_ limit: GRPCStreamLimit, _ status: GRPCStatus, isBlamed: Bool = true) {
    server?.counts.limitedStreams.add(limit)
    finish(status, isBlamed: isBlamed)
  }

  /// Who needs the room may well be somebody else than who took it, so nobody is blamed.
  func refuseForMemory() {
    end(
      .bufferMemory, GRPCStatus(.resourceExhausted, "the server holds as much for its clients as it may"),
      isBlamed: false)
  }

  /// Charges what waits here, and ends the call if there is no room for it.
  private func settleCharge() {
    guard charge?.holds(deframer.bufferedBytes) == false else { return }
    refuseForMemory()
  }

  private func deliverEnd() {
    guard deframer.bufferedBytes == 0 else {
      refuse(GRPCStatus(.internal, "the stream ended inside a message"))
      return
    }
    handler?.receivedEnd()
  }

  private func credit() {
    guard uncredited > 0 else { return }
    stream?.consume(uncredited)
    uncredited = 0
  }

  /// Drops what was received and credits it; for calls whose input no longer matters.
  func discardInbound() {
    deframer.removeAll()
    leavePlace()
    charge?.releaseAll()
    connectionCalls?.ended(self)
    hasPendingEnd = false
    credit()
  }

  /// Ends the call for something that the peer sent.
  private func refuse(_ status: GRPCStatus) {
    switch role {
    case .server:
      finish(status)
    case .client:
      self.status = status
      reset()
    }
  }

  /// Tells the handler the end, once, and lets go of everything.
  func tellClosed(_ reason: GRPCCloseReason) {
    cancelDeadline()
    largeMessageTimer?.cancel()
    largeMessageTimer = nil
    leavePlace()
    stream = nil
    pendingClose = nil
    deframer.removeAll()
    charge?.releaseAll()
    connectionCalls?.ended(self)
    if isClientKnown { connectionCalls?.noteKnown(-1, isBlameless: !isBlamed) }
    isClientKnown = false
    server?.callClosed()
    server = nil
    let last = handler
    handler = nil
    last?.closed(reason)
  }
}

/// What is done for a call in a later turn of its event loop. It is apart from `GRPCCall`, whose public face is not to show it.
final class LaterWork: LoopTurns.Work {
  private let call: GRPCCall
  private let body: () -> Void

  init(of call: GRPCCall, _ body: @escaping () -> Void) {
    self.call = call
    self.body = body
  }

  var isDistrusted: Bool { call.isDistrusted }

  func takeSlice() -> Bool {
    body()
    return false
  }

  func endSlices() {}
}

/// Joins a stream to its call. It is apart from `GRPCCall` so that the call's public face does not show what only the
/// stream may say.
final class GRPCCallStream: HTTP2StreamDelegate {
  private let call: GRPCCall

  init(_ call: GRPCCall) {
    self.call = call
  }

  func received(headers: [HTTP2Header], kind: HTTP2HeaderKind, endStream: Bool) {
    call.received(headers: headers, kind: kind, endStream: endStream)
  }
  func received(body: ByteBuffer) { call.received(body: body) }
  func receivedEnd() { call.receivedEnd() }
  func writabilityChanged(isWritable: Bool) {
    call.isQueueFull = !isWritable
    call.handler?.writabilityChanged(isWritable: isWritable)
  }
  func connectionDraining() { call.connectionDraining() }
  func closed(_ reason: HTTP2StreamCloseReason) { call.closed(reason) }
}

// What the stream says.
extension GRPCCall {
  func received(body: ByteBuffer) {
    guard handler != nil, role == .client || status == nil else {
      stream?.consume(body.readableBytes)
      return
    }
    uncredited += body.readableBytes
    deframer.append(body, storage: turns?.messages)
    if isPaused || isYielding {
      deframer.compact(storage: turns?.messages)
      settlePlace()
      settleCharge()
    } else {
      deliver()
    }
  }

  func received(headers: [HTTP2Header], kind: HTTP2HeaderKind, endStream: Bool) {
    guard role == .client else {
      // A server's request trailers mean nothing to gRPC but their end.
      if endStream { receivedEnd() }
      return
    }
    switch kind {
    case .response: receivedResponse(headers, endStream: endStream)
    case .trailers, .request: status = Self.status(in: headers)
    }
  }

  private func receivedResponse(_ headers: [HTTP2Header], endStream: Bool) {
    let httpStatus = headers.first(named: ":status") ?? ""
    if httpStatus.hasPrefix("1"), !endStream { return }
    guard httpStatus == "200" else {
      refuse(GRPCStatus(httpStatus: httpStatus))
      return
    }
    guard isGRPC(contentType: headers.first(named: "content-type")) else {
      refuse(GRPCStatus(.unknown, "the response is not gRPC's"))
      return
    }
    if endStream {
      status = Self.status(in: headers)
    } else {
      handler?.received(metadata: metadataFields(headers))
    }
  }

  private static func status(in headers: [HTTP2Header]) -> GRPCStatus {
    guard let value = headers.first(named: "grpc-status") else {
      return GRPCStatus(.unknown, "the response has no grpc-status")
    }
    let message = StatusMessageCoding.decode(headers.first(named: "grpc-message") ?? "")
    return GRPCStatus(Int(value).flatMap(GRPCStatus.Code.init(rawValue:)) ?? .unknown, message)
  }

  func receivedEnd() {
    guard status == nil else { return }
    if isPaused || isDelivering || isYielding {
      hasPendingEnd = true
    } else {
      deliverEnd()
    }
  }

  func connectionDraining() {
    guard let handler else { return }
    handler.shutdownRequested()
    if role == .server, handler.endsAtShutdown {
      finish(GRPCStatus(.unavailable, "the server is shutting down"))
    }
  }

  func closed(_ reason: HTTP2StreamCloseReason) {
    let told: GRPCCloseReason
    switch (role, reason) {
    case (.server, .finished):
      told = status.map { .finished($0) } ?? .resetByPeer(.noError)
    case (.client, .finished):
      told = .finished(status ?? GRPCStatus(.unknown, "the response ended without a status"))
    case (_, .reset(let code, byPeer: true)):
      told = .resetByPeer(code)
    case (.client, .reset(.refusedStream, byPeer: false)):
      // The server's GOAWAY left this call out; it was never processed.
      told = .resetByPeer(.refusedStream)
    case (.client, .reset(_, byPeer: false)):
      // A status here is this end's verdict on what the server sent.
      told = status.map { .finished($0) } ?? .reset
    case (.server, .reset(_, byPeer: false)):
      told = .reset
    case (_, .connectionLost(let error)):
      told = .connectionLost(error)
    }
    guard case .finished(let status) = told, role == .client, deframer.bufferedBytes > 0 else {
      tellClosed(told)
      return
    }
    if isPaused {
      cancelDeadline()
      leavePlace()
      stream = nil
      pendingClose = told
    } else {
      let truncated = GRPCStatus(.internal, "the response ended inside a message")
      tellClosed(.finished(status == .ok ? truncated : status))
    }
  }
}

/// `application/grpc`, alone or with a suffix such as `+proto` or parameters.
func isGRPC(contentType: String?) -> Bool {
  guard let contentType else { return false }
  let name = "application/grpc"
  guard contentType.hasPrefix(name) else { return false }
  let rest = contentType.utf8.dropFirst(name.utf8.count)
  return rest.isEmpty || rest.first == UInt8(ascii: "+") || rest.first == UInt8(ascii: ";")
}

func metadataFields(_ headers: [HTTP2Header]) -> [(name: String, value: String)] {
  headers.compactMap { header in
    header.name.utf8.first == UInt8(ascii: ":") ? nil : (name: header.name, value: header.value)
  }
}
