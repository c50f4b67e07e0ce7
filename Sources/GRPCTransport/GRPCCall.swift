internal import HTTP2Session
package import HTTP2Transport
public import NIOCore

/// One call, seen from either end: messages out, a status out (server) or an end out (client). What comes in goes to the
/// ``GRPCCallHandler``.
///
/// Confined to its event loop. After the call has closed, everything here does nothing.
public final class GRPCCall {
  /// The path, for example `/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources`.
  public let method: String
  /// The request's fields without pseudo-fields, names in lower case; `-bin` values are base64 as on the wire. On a server they
  /// are there until the call has been accepted, and then let go: whoever needs one for longer keeps that one. A client could
  /// otherwise make each call of a connection hold as much as a header block may be, for a few bytes.
  public internal(set) var metadata: [(name: String, value: String)]
  public let eventLoop: any EventLoop
  public let remoteAddress: SocketAddress?
  /// What stands for the client, whatever ports it uses: its address, or the network of that. Nil for a Unix socket.
  package var clientNetwork: [UInt8]? { connectionCalls?.network ?? remoteAddress?.clientNetwork }

  /// Its event loop's thread gets what time all others leave over (``GRPCServer/init(group:lowPriorityGroup:configuration:logger:accept:)``).
  package var isServedLast: Bool { server?.lowPriorityLoops.contains(ObjectIdentifier(eventLoop)) ?? false }

  let role: HTTP2Role
  var stream: HTTP2Stream?
  var handler: (any GRPCCallHandler)?
  /// The server that counts this call, until it closes.
  var server: GRPCServerCore?
  private var isHeadSent: Bool
  private var hasEnded = false
  var isClientKnown = false
  /// As the stream has said last: to ask it for each message would be a look through four objects.
  var isQueueFull = false
  /// The client has done what it should not (server).
  var isBlamed = false
  private var deadline: LoopTimers.Timer?
  /// The stream was told that a long message has begun.
  var isInLongMessage = false
  /// A large message waits for the connection's budget.
  var largeMessageTimer: LoopTimers.Timer?

  // Inbound state, used in GRPCCall+Receiving.swift.
  var deframer: GRPCDeframer
  var isPaused = false
  /// Bytes taken from the stream whose window has not been given back.
  var uncredited = 0
  /// The peer's end, kept while messages wait behind a pause.
  var hasPendingEnd = false
  /// The close, kept while messages wait behind a pause.
  var pendingClose: GRPCCloseReason?
  var isDelivering = false
  /// Messages wait for the event loop's next turn.
  var isYielding = false
  /// Messages that are handed over in one turn of the event loop.
  var messagesPerTurn = Int.max
  /// Whose line the rest of the messages waits in (server).
  var turns: LoopTurns?
  /// The line in which other large messages wait for this call's (server).
  var heldLarge: (turns: LoopTurns, piece: LargeTurns.Piece)?
  /// For the bytes that wait here (server).
  var charge: BufferCharge?
  /// What the connection's calls share (server).
  var connectionCalls: ConnectionCalls?
  /// What the client owes (server).
  enum Awaited {
    case nothing
    case firstMessage
    case restOfMessage
  }
  var awaited = Awaited.nothing
  /// The next message may be a large one: it has waited.
  var takesLargeMessage = false
  /// What the call ends with, once known: sent (server), received or concluded (client).
  var status: GRPCStatus?

  init(
    role: HTTP2Role, method: String, metadata: [(name: String, value: String)], eventLoop: any EventLoop,
    remoteAddress: SocketAddress?, maxMessageSize: Int
  ) {
    self.role = role
    self.method = method
    self.metadata = metadata
    self.eventLoop = eventLoop
    self.remoteAddress = remoteAddress
    self.deframer = GRPCDeframer(maxMessageSize: maxMessageSize)
    // A client's head goes out when the stream is opened.
    self.isHeadSent = role == .client
  }

  // MARK: Outbound

  /// Sends the server's initial metadata now instead of with the first message. No effect on a client or a second time.
  public func sendInitialMetadata(_ metadata: [(name: String, value: String)] = []) {
    guard let stream, !isHeadSent, !hasEnded else { return }
    isHeadSent = true
    stream.respond(Self.responseHead + metadata.map { HTTP2Header($0.name, $0.value) }, endStream: false)
  }

  /// Sends one message; adds the prefix. Large messages are shared with the caller, small ones copied.
  public func send(_ message: ByteBuffer) {
    guard message.readableBytes > 1024 else {
      send(framed: GRPCFraming.frame(message))
      return
    }
    guard let stream, !hasEnded else { return }
    sendInitialMetadata()
    var prefix = ByteBufferAllocator().buffer(capacity: GRPCFraming.prefixLength)
    GRPCFraming.writePrefix(length: message.readableBytes, into: &prefix)
    stream.send(body: prefix)
    stream.send(body: message)
  }

  /// Sends one or more messages that carry their prefixes already. The storage is shared with every other call that was
  /// given the same buffer and is written to the socket without a copy.
  public func send(framed: ByteBuffer) {
    guard let stream, !hasEnded else { return }
    sendInitialMetadata()
    stream.send(body: framed)
  }

  /// Queues framed messages as ``send(framed:)`` does, to leave with the next ``flush()``.
  public func write(framed: ByteBuffer) {
    guard let stream, !hasEnded else { return }
    sendInitialMetadata()
    stream.write(body: framed)
  }

  /// Lets what is queued leave now, and not at the end of the event loop's tick: the first of a thousand calls that are given
  /// a message in one tick need not wait for the last.
  public func flush() { stream?.flush() }

  /// Ends the call (server): trailers after all queued messages. Messages that still arrive are discarded. On a client,
  /// which has no status to send, this resets the call.
  /// - Parameter isBlamed: whether the client is distrusted for a status of INVALID_ARGUMENT or RESOURCE_EXHAUSTED; false where
  ///   others have used up what it asks for.
  public func finish(_ status: GRPCStatus, metadata: [(name: String, value: String)] = [], isBlamed: Bool = true) {
    guard let stream, !hasEnded else { return }
    guard role == .server else {
      reset()
      return
    }
    hasEnded = true
    self.status = status
    if isBlamed, status.code == .invalidArgument || status.code == .resourceExhausted { distrust() }
    var trailers = [HTTP2Header("grpc-status", "\(status.code.rawValue)")]
    if !status.message.isEmpty {
      trailers.append(HTTP2Header("grpc-message", StatusMessageCoding.encode(status.message)))
    }
    trailers.append(contentsOf: metadata.map { HTTP2Header($0.name, $0.value) })
    if isHeadSent {
      stream.end(trailers: trailers)
    } else {
      isHeadSent = true
      stream.respond(Self.responseHead + trailers, endStream: true)
    }
    discardInbound()
  }

  /// The client asks for more than its share, or for what it may not: what it sends, and what others send from its address,
  /// waits behind what the rest sends for a while. A status of INVALID_ARGUMENT or RESOURCE_EXHAUSTED does so by itself
  /// (``finish(_:metadata:isBlamed:)``).
  public func distrust() { note(.grave) }

  /// The client has done what it should not (server). Also from within the handler's `closed`.
  package func note(_ offence: Offence) {
    blame()
    connectionCalls?.conduct.note(offence, sparing: connectionCalls?.hasBlameless ?? false)
  }

  private func blame() {
    guard !isBlamed else { return }
    isBlamed = true
    if isClientKnown { connectionCalls?.noteBlame() }
  }

  /// The application knows now who the client is (server). Connections without such a call are the first to go when there are
  /// too many.
  public func clientIsKnown() {
    guard !isClientKnown, stream != nil else { return }
    isClientKnown = true
    connectionCalls?.noteKnown(1, isBlameless: !isBlamed)
  }

  /// What the client sends on this connection waits behind what the rest sends, for a while. Nothing is held against its
  /// address; but if rules were broken from there lately, the connection drains, so that the client comes back to where such
  /// are served (``isServedLast``), unless it carries another known client that has done nothing wrong.
  public func deprioritize() {
    blame()
    connectionCalls?.conduct.comeAfterOthers(sparing: connectionCalls?.hasBlameless ?? false)
  }

  /// Has something done when the clients that are not distrusted have had theirs, if this one is. Returns false if it is not,
  /// or nobody is served before others.
  package func afterOthers(_ body: @escaping () -> Void) -> Bool {
    guard isDistrusted, let turns else { return false }
    turns.enqueue(LaterWork(of: self, body))
    return true
  }

  /// Ends the client's side after all queued messages. No effect on a server.
  public func end() {
    guard let stream, role == .client, !hasEnded else { return }
    hasEnded = true
    stream.end()
  }

  /// Ends the call at once, dropping what is queued: RST_STREAM with CANCEL. The handler is told once the frame is out.
  public func reset() {
    hasEnded = true
    stream?.reset(.cancel)
    discardInbound()
    // The call is over on the wire already, and only waited for its messages to be read.
    if let pendingClose { tellClosed(pendingClose) }
  }

  /// Bytes given to `send` that have not been handed to the socket, prefixes included.
  public var bufferedBytes: Int { stream?.bufferedBytes ?? 0 }
  /// False while the outbound queue is above its high mark, and after the call has closed.
  public var isWritable: Bool { stream != nil && !isQueueFull }
  /// Whether the call has closed.
  public var isClosed: Bool { stream == nil }

  /// Where the objects lie that a message goes through, and how many bytes of them it needs: a hint, for a caller that is about to
  /// send to many calls.
  package func forEachPlace(_ body: (_ address: UnsafeRawPointer, _ byteCount: Int) -> Void) {
    body(Unmanaged.passUnretained(self).toOpaque(), 320)
    stream?.forEachPlace(body)
  }

  static let responseHead = [HTTP2Header(":status", "200"), HTTP2Header("content-type", "application/grpc")]

  // MARK: Time

  /// Does something later, unless the timer is cancelled, which the end of the call does not do. Nil if the call has closed.
  /// O(log timers of the loop).
  package func schedule(in delay: TimeAmount, _ work: @escaping () -> Void) -> LoopTimers.Timer? {
    stream?.connection?.timers?.schedule(in: delay, work)
  }

  func startDeadline(_ timeout: TimeAmount) {
    // Cancelled when the call closes, so this keeps nothing alive longer (and a weak reference would slow the call).
    deadline = schedule(in: timeout) { [self] in deadlinePassed() }
  }

  func cancelDeadline() {
    deadline?.cancel()
    deadline = nil
  }

  private func deadlinePassed() {
    deadline = nil
    guard stream != nil else { return }
    // A status behind queued messages would wait for a peer that may not be reading; a reset does not.
    if role == .server, bufferedBytes == 0 {
      finish(GRPCStatus(.deadlineExceeded, "the deadline has passed"))
    } else {
      reset()
    }
    tellClosed(.deadlineExceeded)
  }
}
