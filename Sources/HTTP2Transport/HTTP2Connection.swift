public import HTTP2Session
public import NIOCore

/// What the owner of a connection hears, on the connection's event loop.
public protocol HTTP2ConnectionDelegate: AnyObject {
  /// The peer's SETTINGS arrived: it speaks HTTP/2.
  func connectionReady(_ connection: HTTP2Connection)
  /// A peer opened a stream (server). Nil refuses it with REFUSED_STREAM.
  func connection(
    _ connection: HTTP2Connection, accept stream: HTTP2Stream, head: [HTTP2Header], endStream: Bool
  ) -> (any HTTP2StreamDelegate)?
  /// A peer came up against a limit that cost it a stream and not the connection.
  func connection(_ connection: HTTP2Connection, reached limit: HTTP2StreamLimit)
  /// The peer will take no new streams; the open streams have been told. Once.
  func connectionGoingAway(_ connection: HTTP2Connection)
  /// The channel closed, after every stream heard so. Last call, exactly once.
  func connection(_ connection: HTTP2Connection, closed error: HTTP2ConnectionError)
}

extension HTTP2ConnectionDelegate {
  public func connection(_ connection: HTTP2Connection, reached limit: HTTP2StreamLimit) {}
}

/// A limit that ends a stream.
public enum HTTP2StreamLimit: Sendable, Hashable {
  /// A header block was larger than allowed.
  case headerListSize
  /// The peer gave no window for what waits for it, for the stall time.
  case writeStall
}

/// A channel handler that joins a byte channel (TCP, Unix socket, or TLS handlers before it) to an HTTP/2 session.
///
///     channelRead ──▶ session ──▶ events ──▶ streams
///     streams ──▶ session ──(once a tick, while the channel is writable)──▶ write… flush, or the socket
///
/// Output is taken from the session only while the channel is writable, so at most one batch waits in the channel and
/// the rest stays in the streams' queues, where their users see it. Everything written in one tick, or while one read
/// is handled, leaves with one flush, which NIO turns into one `writev`.
///
/// Confined to its channel's event loop.
public final class HTTP2Connection: ChannelDuplexHandler {
  public typealias InboundIn = ByteBuffer
  public typealias OutboundIn = ByteBuffer
  public typealias OutboundOut = ByteBuffer

  let session: HTTP2Session
  let configuration: HTTP2ConnectionConfiguration
  public let role: HTTP2Role
  var delegate: (any HTTP2ConnectionDelegate)?
  var context: ChannelHandlerContext?
  var streams = StreamTable<HTTP2StreamID, HTTP2Stream>()

  /// Shares the loop's time with its other connections; nil handles what is received at once.
  let turns: LoopTurns?
  /// What was received and is not handled yet.
  private var inbound = ByteBuffer()
  /// Bytes of it that `turns` knows of.
  private var waitingBytes = 0
  /// The channel would like to read, and may when `inbound` is handled.
  private var isReadWithheld = false
  /// What was handled last was of a large body, and the socket may have more of it, which is read past the channel: through it,
  /// each piece costs two changes to the selector and a turn of the loop.
  private var mayReadOn: Bool { isInLargeBody && !isSocketEmpty && socket != nil }
  private var isInLargeBody = false
  /// From when it is told so until it is told that the message is handed over.
  public var isInLongMessage: Bool { isMessageLong && !needsNoPlace }
  private var isMessageLong = false
  private var needsNoPlace = false
  /// Since the channel has read last.
  private var isSocketEmpty = false
  /// `turns` will ask for the next slice.
  private var isWaitingForTurn = false
  private(set) var isReading = false
  private(set) var isStarted = false
  private(set) var isClosing = false

  // Output (HTTP2Connection+Output.swift).
  var isFlushing = false
  var isFlushScheduled = false
  /// As the channel has said last: to ask it at each turn would be several looks into cold memory.
  var isChannelWritable = true
  /// The channel's socket, if what is written may go there past the channel. The channel owns it, so it is void when the channel
  /// is closed or about to be.
  var socket: CInt?
  /// Writes that the channel has not done yet: nothing may pass them.
  var backlog = 0
  public private(set) var isClosed = false
  public internal(set) var isDraining = false
  /// The peer has broken rules, or is suspected of it: what it sends waits behind what others send (``LoopTurns``), for half
  /// a minute after the last time.
  public var isDistrusted: Bool {
    guard let end = distrustEnd else { return false }
    if now < end { return true }
    distrustEnd = nil
    return false
  }
  private var distrustEnd: NIODeadline?
  private static let distrustTime = TimeAmount.seconds(30)
  /// Whether the peer has spoken HTTP/2 at all.
  public var hasHeardPeer: Bool { hasPeerSettings }
  /// When the channel was set up: for a TLS connection, before its handshake.
  private(set) var setUp = NIODeadline.distantPast
  var now: NIODeadline { context?.eventLoop.now ?? .now() }
  public internal(set) var isPeerGoingAway = false
  /// The first reason to close is the one that is told.
  private var closeError: HTTP2ConnectionError?
  private var frameBudget: FrameBudget

  // Timers (HTTP2Connection+Timers.swift).
  /// For timers of who uses the connection, too. Nil once it is closed, and without `turns` before it has a channel.
  public private(set) var timers: LoopTimers?
  var prefaceTimer: LoopTimers.Timer?
  var keepaliveTimer: LoopTimers.Timer?
  var idleTimer: LoopTimers.Timer?
  var lingerTimer: LoopTimers.Timer?
  var drainTimer: LoopTimers.Timer?
  var stallTimer: LoopTimers.Timer?
  var stallWatch = StallWatch()
  var heardSinceProbe = false
  var hasPeerSettings = false

  /// - Parameters:
  ///   - timers: of the loop; nil for those of `turns`, or its own.
  ///   - socket: of the channel, if its bytes are the connection's, without TLS between: small output goes there at once.
  /// - Throws: ``HTTP2SessionError`` when libnghttp2 cannot allocate.
  public init(
    role: HTTP2Role, configuration: HTTP2ConnectionConfiguration, delegate: any HTTP2ConnectionDelegate,
    turns: LoopTurns? = nil, timers: LoopTimers? = nil, socket: CInt? = nil
  ) throws {
    self.role = role
    self.turns = turns
    self.timers = timers ?? turns?.timers
    self.socket = socket
    self.configuration = configuration
    self.session = try HTTP2Session(
      role: role, configuration: configuration.session, scratch: turns?.scratch ?? OutputScratch())
    self.delegate = delegate
    self.frameBudget = FrameBudget(burst: configuration.frameBurst, perSecond: configuration.framesPerSecond)
  }

  /// For a while what the peer sends waits behind what others send. It goes on as before otherwise.
  public func distrust() { distrustEnd = now + Self.distrustTime }

  /// The number of open streams.
  public var streamCount: Int { streams.count }
  public var channel: (any Channel)? { context?.channel }

  // MARK: Channel events

  public func handlerAdded(context: ChannelHandlerContext) {
    self.context = context
    timers = timers ?? LoopTimers(eventLoop: context.eventLoop)
    isChannelWritable = context.channel.isWritable
    setUp = now
    if context.channel.isActive { start() }
  }

  public func handlerRemoved(context: ChannelHandlerContext) {
    tearDown(HTTP2ConnectionError(.closedLocally, "the handler was removed"))
  }

  public func channelActive(context: ChannelHandlerContext) {
    start()
    context.fireChannelActive()
  }

  public func channelInactive(context: ChannelHandlerContext) {
    tearDown(HTTP2ConnectionError(.closedByPeer, "the peer closed the connection"))
    context.fireChannelInactive()
  }

  public func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    isReading = true
    heardSinceProbe = true
    guard !isClosing else { return }
    let bytes = unwrapInboundIn(data)
    // NIO gives on the buffer that it has read into.
    isSocketEmpty = bytes.writableBytes > 0
    guard turns != nil else { return receive(bytes) }
    if inbound.readableBytes == 0 { inbound = bytes } else { inbound.writeImmutableBuffer(bytes) }
  }

  public func channelReadComplete(context: ChannelHandlerContext) {
    isReading = false
    if inbound.readableBytes == 0 {
      flush()
    } else if !isWaitingForTurn {
      isWaitingForTurn = true
      turns?.begin(self)
      noteWaiting()
    } else {
      noteWaiting()
    }
    context.fireChannelReadComplete()
  }

  /// Nothing more is read before what was read has been handled, unless that is little: an ACK that waits for its
  /// turn is no reason to take the socket out of the selector and put it back.
  public func read(context: ChannelHandlerContext) {
    if inbound.readableBytes >= LoopTurns.waitingSize || isWaitingForTurn && mayReadOn {
      isReadWithheld = true
    } else {
      context.read()
    }
  }

  private func receive(_ bytes: ByteBuffer) {
    do {
      try session.receive(bytes)
      drainEvents()
      if role == .server, let context, !frameBudget.spend(session.takeFrameTally(), now: { context.eventLoop.now }) {
        fail(
          HTTP2ConnectionError(
            .flood, "the peer sends more than \(configuration.framesPerSecond) frames a second",
            http2Code: .enhanceYourCalm),
          goAway: .enhanceYourCalm)
      }
    } catch {
      drainEvents()
      fail(connectionError(error), goAway: error.goAwayCode)
    }
  }

  public func channelWritabilityChanged(context: ChannelHandlerContext) {
    isChannelWritable = context.channel.isWritable
    if isChannelWritable {
      stallWatch.channelIsWritable()
      scheduleFlush()
    } else {
      stallWatch.channelIsFull(at: context.eventLoop.now)
      watchForStall()
    }
    context.fireChannelWritabilityChanged()
  }

  public func errorCaught(context: ChannelHandlerContext, error: any Error) {
    fail(HTTP2ConnectionError(.network, "\(error)", cause: error), goAway: nil)
  }

  private func start() {
    guard !isStarted else { return }
    isStarted = true
    startTimers()
    flush()
  }

  // MARK: Closing

  /// Ends the connection for a reason of this end: GOAWAY with `code` if there is one, then close.
  func fail(_ error: HTTP2ConnectionError, goAway code: HTTP2ErrorCode?) {
    guard !isClosing, !isClosed else { return }
    guard let code else {
      closeNow(error)
      return
    }
    closeError = closeError ?? error
    session.terminate(code)
    isReading = false
    flush()
    closeWhenWritten(error)
  }

  /// Closes once the channel has written what it holds, or after the linger time.
  func closeWhenWritten(_ error: HTTP2ConnectionError) {
    guard !isClosing, !isClosed, let context else { return }
    isClosing = true
    socket = nil
    closeError = closeError ?? error
    startLingerTimer()
    let written = context.eventLoop.makePromise(of: Void.self)
    written.futureResult.assumeIsolatedUnsafeUnchecked().whenComplete { [self] _ in closeNow(error) }
    context.writeAndFlush(wrapOutboundOut(ByteBuffer()), promise: written)
  }

  func closeNow(_ error: HTTP2ConnectionError) {
    guard !isClosed, let context else { return }
    isClosing = true
    socket = nil
    closeError = closeError ?? error
    context.close(promise: nil)
  }

  private func tearDown(_ error: HTTP2ConnectionError) {
    guard !isClosed else { return }
    isClosed = true
    isClosing = true
    socket = nil
    cancelTimers()
    inbound = ByteBuffer()
    noteWaiting()
    turns?.endMessage(of: self)
    // Events that were parsed but not told are void: every stream ends the same way now.
    let reason = closeError ?? error
    let lost = streams
    streams = StreamTable()
    (context, timers) = (nil, nil)
    for stream in lost.values { stream.closed(.connectionLost(reason)) }
    let last = delegate
    delegate = nil
    last?.connection(self, closed: reason)
    // Hundreds may go in one turn of the loop.
    turns?.giveWay()
  }

  private func connectionError(_ error: HTTP2SessionError) -> HTTP2ConnectionError {
    let code: HTTP2ConnectionError.Code =
      switch error.code {
      case .badPreface: .protocolViolation
      case .flooded: .flood
      case .sessionFailed, .invalidState: .sessionFailed
      }
    return HTTP2ConnectionError(code, error.message, http2Code: error.goAwayCode, cause: error)
  }

  func note(_ error: HTTP2ConnectionError) {
    closeError = closeError ?? error
  }
}

extension HTTP2Connection: LoopTurns.Work {
  /// Handles some of what was received. The rest of a DATA frame costs little, so that is not cut, and some large ones are taken
  /// at once: what is a copy in the end costs less while this connection is in the processor's caches.
  public func takeSlice() -> Bool {
    isReading = true
    var size = 0
    // Nearly always there is one piece, and no need to know the time.
    var end: NIODeadline?
    repeat {
      if inbound.readableBytes == 0 { readOn(upTo: LoopTurns.bodySize - size) }
      // Most is an acknowledgement.
      let ahead =
        inbound.readableBytes > LoopTurns.sliceSize
        ? session.bodyAhead(in: inbound, least: LoopTurns.largeBody) : session.bodyAhead
      let count = min(max(LoopTurns.sliceSize, ahead), inbound.readableBytes)
      if !isClosing, let slice = inbound.readSlice(length: count) { receive(slice) }
      size += count
      isInLargeBody = max(ahead, session.bodyAhead) >= LoopTurns.largeBody
    } while isInLargeBody && size < LoopTurns.bodySize && hasMoreToReceive && isBefore(&end)
      && turns?.mayGoOn(self) ?? true
    return hasMoreToReceive
  }

  /// A long message has begun. Of one of the streams, as of the following two: if several send one, they share a place.
  func messageIsLong() {
    isMessageLong = true
    turns?.noteMessage(of: self, isWhole: false)
  }

  func messageIsWhole() { turns?.noteMessage(of: self, isWhole: true) }

  func longMessageEnds() {
    (isMessageLong, needsNoPlace) = (false, false)
    turns?.endMessage(of: self)
  }

  public func hasWaitedEnough() { needsNoPlace = true }

  public var isOver: Bool { isClosing }

  /// Whether the slice may go on. What looks like the rest of a large body may be many requests.
  private func isBefore(_ end: inout NIODeadline?) -> Bool {
    guard let now = turns?.now() else { return false }
    guard let end else {
      end = now + LoopTurns.bodyTime
      return true
    }
    return now < end
  }

  /// Reads more of a large body from the socket: no more than the share, for it may turn out to be something else, and wait.
  private func readOn(upTo limit: Int) {
    guard mayReadOn, !isClosing, let socket, let turns else { return }
    let limit = min(limit, turns.inputShare(), InputScratch.capacity)
    inbound = ByteBuffer()
    inbound = turns.input.read(from: socket, upTo: limit)
    isSocketEmpty = inbound.readableBytes < limit
    if inbound.readableBytes > 0 { heardSinceProbe = true }
  }

  /// What the slices have caused leaves, and if they were the last, the channel may read again.
  public func endSlices() {
    isReading = false
    flush()
    isWaitingForTurn = hasMoreToReceive
    releaseStorage()
    noteWaiting()
    guard !isWaitingForTurn else { return }
    if isReadWithheld {
      isReadWithheld = false
      context?.read()
    }
  }

  /// What is left may lie in the loop's scratch, of which it would keep all. It is copied again only when half of that is
  /// handled: O(bytes read) for all the slices of a read.
  private func releaseStorage() {
    let count = inbound.readableBytes
    guard inbound.capacity > 2 * count else { return }
    var rest = ByteBuffer()
    if count > 0 {
      rest.reserveCapacity(count)
      rest.writeImmutableBuffer(inbound)
    }
    inbound = rest
  }

  /// What waits keeps the whole buffer that it was read into.
  private func noteWaiting() {
    let bytes = isWaitingForTurn && !isClosed ? inbound.capacity : 0
    turns?.waits(bytes, before: waitingBytes)
    waitingBytes = bytes
  }

  private var hasMoreToReceive: Bool { !isClosing && (inbound.readableBytes > 0 || mayReadOn) }
}
