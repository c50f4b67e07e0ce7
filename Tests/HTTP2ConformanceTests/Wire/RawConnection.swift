import NIOCore
import NIOPosix

/// A TCP client that knows frames and nothing else: it answers no SETTINGS and no PING, and keeps to no window.
final class RawConnection: Sendable {
  /// What the server did next.
  enum Arrival: Sendable, Equatable {
    case frame(Frame)
    /// It closed the connection, or reset it.
    case closed
  }

  struct TimedOut: Error, CustomStringConvertible {
    var description: String { "the server did nothing for \(RawConnection.patience.nanoseconds / 1_000_000_000) s" }
  }

  struct Unexpected: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
  }

  /// How long the server may take for anything. It answers within milliseconds; other tests may hold the processor.
  static let patience = TimeAmount.seconds(10)

  let channel: any Channel
  private let inbox: NIOLoopBound<Inbox>

  private init(channel: any Channel, inbox: NIOLoopBound<Inbox>) {
    self.channel = channel
    self.inbox = inbox
  }

  /// - Parameters:
  ///   - receiveBuffer: the kernel's, in bytes; small to make the server's writes wait.
  ///   - answersPings: whether it answers PINGs after all, as one who means well does.
  static func open(
    port: Int, group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, receiveBuffer: Int? = nil,
    answersPings: Bool = false
  ) async throws -> RawConnection {
    let loop = group.next()
    let inbox = NIOLoopBoundBox.makeBoxSendingValue(Inbox(answersPings: answersPings), eventLoop: loop)
    var bootstrap = ClientBootstrap(group: loop)
      .channelOption(.allowRemoteHalfClosure, value: false)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(inbox.value) }
      }
    if let receiveBuffer { bootstrap = bootstrap.channelOption(.socketOption(.so_rcvbuf), value: receiveBuffer) }
    let channel = try await bootstrap.connect(host: "127.0.0.1", port: port).get()
    return try await loop.submit {
      RawConnection(channel: channel, inbox: NIOLoopBound(inbox.value, eventLoop: loop))
    }.get()
  }

  // MARK: Sending

  /// Does not fail when the server has closed: what it said before that is what a test looks at.
  func send(bytes: [UInt8]) {
    channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil)
  }

  func send(_ frames: Frame...) { send(bytes: frames.flatMap { $0.bytes() }) }

  /// Like `send`, and waits until the kernel has it, or the connection is gone. Returns whether it is there.
  @discardableResult
  func sendAndWait(bytes: [UInt8]) async -> Bool {
    do {
      try await channel.writeAndFlush(ByteBuffer(bytes: bytes)).get()
      return true
    } catch {
      return false
    }
  }

  func close() { channel.close(promise: nil) }

  // MARK: Receiving

  func next(within patience: TimeAmount = patience) async throws -> Arrival {
    let arrival = try await inbox.eventLoop.flatSubmit { [inbox] in inbox.value.next(within: patience) }.get()
    return arrival
  }

  /// Takes what comes until `match` gives a result for it. A close, which ends all, is shown to `match` too.
  func first<Result>(_ what: String, _ match: (Arrival) throws -> Result?) async throws -> Result {
    while true {
      let arrival: Arrival
      do { arrival = try await next() } catch is TimedOut { throw Unexpected("timeout instead of \(what)") }
      if let result = try match(arrival) { return result }
      if arrival == .closed { throw Unexpected("the connection closed instead of \(what)") }
    }
  }

  /// Stops to take bytes from the socket.
  func stopReading() async throws { try await channel.setOption(.autoRead, value: false).get() }
  func resumeReading() async throws { try await channel.setOption(.autoRead, value: true).get() }

  // MARK: Exchanges

  /// The connection preface of both sides, and both acknowledgements.
  func handshake(_ settings: KeyValuePairs<UInt16, UInt32> = [:]) async throws {
    send(bytes: Frame.preface + Frame.settings([Setting.headerTableSize: 0]).bytes())
    guard case .frame(let first) = try await next(), first.kind == Frame.Kind.settings, !first.isAcknowledgement else {
      throw Unexpected("the server's first frame is not SETTINGS")
    }
    send(.settingsAcknowledgement)
    _ = try await self.first("the acknowledgement of SETTINGS") { arrival -> Void? in
      if case .frame(let frame) = arrival, frame.kind == Frame.Kind.settings, frame.isAcknowledgement {
        ()
      } else {
        nil
      }
    }
    if !settings.isEmpty { try await set(settings) }
  }

  private static let sign: [UInt8] = [7, 6, 5, 4, 3, 2, 1, 0]

  /// Everything that the server sends until it has answered a PING that is sent now.
  func settled() async throws -> [Frame] {
    send(.ping(Self.sign))
    var frames: [Frame] = []
    return try await first("the answer to a PING") { arrival -> [Frame]? in
      guard case .frame(let frame) = arrival else { return nil }
      if frame.kind == Frame.Kind.goAway { throw Unexpected("\(frame) instead of the answer to a PING") }
      if frame == .ping(Self.sign, acknowledgement: true) { return frames }
      frames.append(frame)
      return nil
    }
  }

  /// Whatever the server says until it closes.
  func untilClosed() async throws -> [Frame] {
    var frames: [Frame] = []
    return try await first("the end of the connection") { arrival -> [Frame]? in
      guard case .frame(let frame) = arrival else { return frames }
      frames.append(frame)
      return nil
    }
  }
}

/// Cuts what comes into frames, and keeps those that nobody waits for.
private final class Inbox: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer

  private var bytes = ByteBuffer()
  private var arrivals = CircularBuffer<RawConnection.Arrival>()
  private var waiter: EventLoopPromise<RawConnection.Arrival>?
  private var loop: (any EventLoop)?
  private let answersPings: Bool

  init(answersPings: Bool) { self.answersPings = answersPings }

  func handlerAdded(context: ChannelHandlerContext) { loop = context.eventLoop }

  func next(within patience: TimeAmount) -> EventLoopFuture<RawConnection.Arrival> {
    let loop = loop!
    if let arrival = arrivals.first {
      // The close is the last, for as often as it is asked for.
      if arrival != .closed { arrivals.removeFirst() }
      return loop.makeSucceededFuture(arrival)
    }
    let promise = loop.makePromise(of: RawConnection.Arrival.self)
    waiter = promise
    let timer = loop.assumeIsolated().scheduleTask(in: patience) {
      self.waiter = nil
      promise.fail(RawConnection.TimedOut())
    }
    promise.futureResult.whenComplete { _ in timer.cancel() }
    return promise.futureResult
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    var received = unwrapInboundIn(data)
    bytes.writeBuffer(&received)
    while let frame = readFrame() {
      if answersPings, frame.kind == Frame.Kind.ping, !frame.isAcknowledgement {
        let answer = Frame.ping(frame.payload, acknowledgement: true).bytes()
        context.writeAndFlush(NIOAny(ByteBuffer(bytes: answer)), promise: nil)
      } else {
        deliver(.frame(frame))
      }
    }
    bytes.discardReadBytes()
  }

  func channelInactive(context: ChannelHandlerContext) { deliver(.closed) }
  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

  private func deliver(_ arrival: RawConnection.Arrival) {
    if let waiter {
      self.waiter = nil
      if arrival == .closed { arrivals.append(.closed) }
      waiter.succeed(arrival)
    } else {
      arrivals.append(arrival)
    }
  }

  private func readFrame() -> Frame? {
    let start = bytes.readerIndex
    guard bytes.readableBytes >= Frame.headerLength, let word: UInt32 = bytes.getInteger(at: start),
      bytes.readableBytes >= Frame.headerLength + Int(word >> 8), let flags: UInt8 = bytes.getInteger(at: start + 4),
      let stream: UInt32 = bytes.getInteger(at: start + 5)
    else { return nil }
    bytes.moveReaderIndex(forwardBy: Frame.headerLength)
    return Frame(
      kind: UInt8(word & 0xff), flags: flags, stream: stream, payload: bytes.readBytes(length: Int(word >> 8)) ?? [])
  }
}
