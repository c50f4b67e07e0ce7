internal import HTTP2Session
internal import HTTP2Transport
public import NIOCore
internal import NIOPosix

/// One connection to a gRPC server. It does not reconnect: when ``closed`` completes, make another.
public final class GRPCClient: Sendable {
  private let channel: any Channel
  private let connection: NIOLoopBound<HTTP2Connection>
  private let configuration: GRPCClientConfiguration
  private let authority: String

  /// The event loop of the connection and all its calls.
  public var eventLoop: any EventLoop { channel.eventLoop }
  /// Completes when the connection has closed, after every call has heard so.
  public var closed: EventLoopFuture<Void> { channel.closeFuture }

  private init(
    channel: any Channel, connection: NIOLoopBound<HTTP2Connection>, configuration: GRPCClientConfiguration,
    authority: String
  ) {
    self.channel = channel
    self.connection = connection
    self.configuration = configuration
    self.authority = authority
  }

  /// Connects, and waits until the server has shown that it speaks HTTP/2.
  /// - Throws: the system's error, or ``HTTP2ConnectionError`` when the peer is no HTTP/2 server.
  public static func connect(
    to address: ListenAddress, group: any EventLoopGroup, configuration: GRPCClientConfiguration = .init()
  ) async throws -> GRPCClient {
    let loop = group.next()
    let ready = loop.makePromise(of: NIOLoopBound<HTTP2Connection>.self)
    var bootstrap = ClientBootstrap(group: loop)
      .connectTimeout(configuration.connectTimeout)
      .channelOption(
        .recvAllocator, value: AdaptiveRecvByteBufferAllocator(minimum: 512, initial: 1024, maximum: 64 * 1024)
      )
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try configuration.prepareChannel?(channel)
          let user = GRPCClientConnection(ready: ready, eventLoop: channel.eventLoop)
          let connection = try HTTP2Connection(
            role: .client, configuration: configuration.connection, delegate: user)
          try channel.pipeline.syncOperations.addHandler(connection)
        }
      }
    if let localAddress = configuration.localAddress { bootstrap = bootstrap.bind(to: localAddress) }
    do {
      let channel: any Channel
      let defaultAuthority: String
      switch address {
      case .tcp(let host, let port):
        channel = try await bootstrap.channelOption(.tcpOption(.tcp_nodelay), value: 1)
          .connect(host: host, port: port).get()
        defaultAuthority = address.description
      case .unix(let path):
        channel = try await bootstrap.connect(to: SocketAddress(unixSocket: path)).get()
        defaultAuthority = "localhost"
      }
      return GRPCClient(
        channel: channel, connection: try await ready.futureResult.get(), configuration: configuration,
        authority: configuration.authority ?? defaultAuthority)
    } catch {
      // A connection attempt that failed may never have had a handler to complete the promise.
      ready.fail(error)
      throw error
    }
  }

  /// Starts a call. From any thread; on the client's event loop the call starts before this returns. If the connection
  /// is closed, the handler is made and told so.
  /// - Parameters:
  ///   - method: the path, `/package.Service/Method`.
  ///   - metadata: more request fields, names in lower case.
  ///   - timeout: sent as `grpc-timeout` and enforced here too.
  ///   - handler: makes the handler, on the event loop; it may send at once.
  public func start(
    method: String, metadata: [(name: String, value: String)] = [], timeout: TimeAmount? = nil,
    handler: @Sendable @escaping (GRPCCall) -> any GRPCCallHandler
  ) {
    if eventLoop.inEventLoop {
      startOnLoop(method: method, metadata: metadata, timeout: timeout, handler: handler)
    } else {
      eventLoop.execute {
        self.startOnLoop(method: method, metadata: metadata, timeout: timeout, handler: handler)
      }
    }
  }

  private func startOnLoop(
    method: String, metadata: [(name: String, value: String)], timeout: TimeAmount?,
    handler: (GRPCCall) -> any GRPCCallHandler
  ) {
    let call = GRPCCall(
      role: .client, method: method, metadata: metadata, eventLoop: eventLoop, remoteAddress: channel.remoteAddress,
      maxMessageSize: configuration.maxMessageSize)
    var head = [
      HTTP2Header(":method", "POST"), HTTP2Header(":scheme", configuration.scheme), HTTP2Header(":path", method),
      HTTP2Header(":authority", authority), HTTP2Header("content-type", "application/grpc"),
      HTTP2Header("te", "trailers"), HTTP2Header("user-agent", "grpc-swift-weir/1"),
    ]
    if let timeout { head.append(HTTP2Header("grpc-timeout", GRPCTimeout.format(timeout))) }
    head.append(contentsOf: metadata.map { HTTP2Header($0.name, $0.value) })
    do {
      call.stream = try connection.value.openStream(head, endStream: false, delegate: GRPCCallStream(call))
      if let timeout { call.startDeadline(timeout) }
      call.handler = handler(call)
    } catch {
      let reason =
        error as? HTTP2ConnectionError
        ?? HTTP2ConnectionError(.closedLocally, "the connection takes no new streams", cause: error)
      handler(call).closed(.connectionLost(reason))
    }
  }

  /// Closes the connection now; open calls are lost.
  public func close() async {
    let connection = self.connection
    eventLoop.execute { connection.value.close() }
    try? await channel.closeFuture.get()
  }
}

/// Completes the connect promise, and forwards nothing else: calls hear from their streams.
private final class GRPCClientConnection: HTTP2ConnectionDelegate {
  private let ready: EventLoopPromise<NIOLoopBound<HTTP2Connection>>
  private let eventLoop: any EventLoop
  init(ready: EventLoopPromise<NIOLoopBound<HTTP2Connection>>, eventLoop: any EventLoop) {
    self.ready = ready
    self.eventLoop = eventLoop
  }

  func connectionReady(_ connection: HTTP2Connection) {
    ready.succeed(NIOLoopBound(connection, eventLoop: eventLoop))
  }

  func connection(
    _: HTTP2Connection, accept _: HTTP2Stream, head: [HTTP2Header], endStream: Bool
  ) -> (any HTTP2StreamDelegate)? {
    nil
  }

  func connectionGoingAway(_: HTTP2Connection) {}

  func connection(_: HTTP2Connection, closed error: HTTP2ConnectionError) {
    ready.fail(error)
  }
}
