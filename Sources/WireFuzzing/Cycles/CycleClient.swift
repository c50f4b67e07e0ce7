#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

internal import EnvoyAPI
internal import GRPCTransport
internal import HTTP2Session
internal import NIOCore
internal import NIOPosix

/// One client of `ConnectionCycles`: connects, subscribes, goes.
struct CycleClient {
  enum Leaving: CaseIterable {
    /// After an ACK: the end of the stream, then of the connection.
    case politely
    /// After a response, without a word.
    case closing
    /// The same, with a TCP reset.
    case resetting
    /// In the middle of a gRPC message, with a TCP reset.
    case midMessage
    /// Before the response is read, with a TCP reset.
    case midResponse
    /// Before a word is said.
    case atOnce
  }

  let leaving: Leaving
  let isDelta: Bool

  /// Whether a response came.
  /// - Parameter source: the address to come from; the system's choice if nil.
  func run(on loop: any EventLoop, _ address: SocketAddress, from source: SocketAddress? = nil) async throws -> Bool {
    let done = loop.makePromise(of: Bool.self)
    let (leaving, isDelta) = (leaving, isDelta)
    var bootstrap = ClientBootstrap(group: loop)
    if let source { bootstrap = bootstrap.bind(to: source) }
    let channel =
      try await bootstrap
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(
            try CycleHandler(leaving: leaving, isDelta: isDelta, done: done))
        }
      }
      .connect(to: address).get()
    let timer = loop.scheduleTask(in: .seconds(30)) {
      done.fail(FuzzFailure("stuck: a cycle got no response within 30 s (\(leaving))"))
    }
    defer { timer.cancel() }
    let hasResponse = try await done.futureResult.get()
    try await channel.closeFuture.get()
    return hasResponse
  }
}

private final class CycleHandler: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  private let leaving: CycleClient.Leaving
  private let isDelta: Bool
  private let done: EventLoopPromise<Bool>
  private let session: HTTP2Session
  private var stream: HTTP2StreamID?
  private var deframer = GRPCDeframer(maxMessageSize: .max)
  private var hasResponse = false

  init(leaving: CycleClient.Leaving, isDelta: Bool, done: EventLoopPromise<Bool>) throws {
    self.leaving = leaving
    self.isDelta = isDelta
    self.done = done
    session = try HTTP2Session(role: .client)
  }

  func channelActive(context: ChannelHandlerContext) {
    guard leaving != .atOnce else { return leave(context, rudely: false) }
    do {
      let stream = try session.openStream(
        [
          HTTP2Header(":method", "POST"), HTTP2Header(":scheme", "http"),
          HTTP2Header(
            ":path", isDelta ? EmbeddedServer.aggregatedDelta : EmbeddedServer.aggregatedStateOfTheWorld),
          HTTP2Header(":authority", "weir"), HTTP2Header("content-type", "application/grpc"),
        ], endStream: false)
      self.stream = stream
      var request = subscription(nonce: "")
      if leaving == .midMessage { request = request.getSlice(at: 0, length: request.readableBytes / 2) ?? request }
      session.write(request, on: stream)
      try flush(context)
      switch leaving {
      case .midMessage, .midResponse: leave(context, rudely: true)
      default: break
      }
    } catch {
      fail(context, error)
    }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    do {
      try session.receive(unwrapInboundIn(data))
      while let event = session.nextEvent() {
        switch event {
        case .data(let id, let bytes):
          session.consume(bytes.readableBytes, on: id)
          deframer.append(bytes)
          while let message = try deframer.next() { try received(message, context) }
        case .streamClosed where leaving == .politely:
          leave(context, rudely: false)
        default: break
        }
      }
      if context.channel.isActive { try flush(context) }
    } catch {
      fail(context, error)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { fail(context, error) }

  func channelInactive(context: ChannelHandlerContext) {
    // A second completion has no effect.
    done.fail(FuzzFailure("the server closed the connection (\(leaving))"))
  }

  private func received(_ message: ByteBuffer, _ context: ChannelHandlerContext) throws {
    guard !hasResponse, let stream else { return }
    hasResponse = true
    let nonce =
      isDelta
      ? try DeltaDiscoveryResponse(decoding: Array(message.readableBytesView)).nonce
      : try DiscoveryResponse(decoding: Array(message.readableBytesView)).nonce
    switch leaving {
    case .politely:
      session.write(subscription(nonce: nonce), on: stream)
      session.end(stream)
    case .closing: leave(context, rudely: false)
    default: leave(context, rudely: true)
    }
  }

  /// A request for all clusters; with a nonce, the ACK.
  private func subscription(nonce: String) -> ByteBuffer {
    let node = nonce.isEmpty ? NodeIdentity(id: "cycle", cluster: "a", metadata: ["k": .list([.number(1)])]) : nil
    if isDelta {
      var request = DeltaDiscoveryRequest()
      request.node = node
      request.typeURL = TypeURL.cluster
      request.responseNonce = nonce
      return GRPCFraming.frame(request.encoded())
    }
    var request = DiscoveryRequest()
    request.node = node
    request.typeURL = TypeURL.cluster
    request.responseNonce = nonce
    return GRPCFraming.frame(request.encoded())
  }

  private func flush(_ context: ChannelHandlerContext) throws {
    _ = try session.takeOutput(limit: .max) { context.write(wrapOutboundOut($0), promise: nil) }
    context.flush()
  }

  /// - Parameter rudely: with a reset instead of an end: nothing lingers in the socket (SO_LINGER of 0 seconds).
  private func leave(_ context: ChannelHandlerContext, rudely: Bool) {
    if rudely {
      // On its event loop a channel sets the option before this returns.
      (context.channel as? any SocketOptionProvider)?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
        .whenFailure { [done] in done.fail($0) }
    }
    done.succeed(hasResponse)
    context.close(promise: nil)
  }

  private func fail(_ context: ChannelHandlerContext, _ error: any Error) {
    done.fail(error)
    context.close(promise: nil)
  }
}
