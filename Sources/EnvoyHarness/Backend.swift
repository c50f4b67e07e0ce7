internal import Foundation
internal import NIOConcurrencyHelpers
internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// An HTTP/1.1 server in this process that answers with its own name: what stands behind Envoy in a test.
///
/// Each answer carries the headers `x-backend` and `x-version`, and a body of one line.
public final class Backend: Sendable {
  private struct State {
    var requests = 0
    var requestsAfterClose = 0
    var firstRequest: NIODeadline?
    var waiters: [(count: Int, CheckedContinuation<Void, Never>)] = []
    var delay = Duration.zero
    var isClosing = false
    var children: [ObjectIdentifier: any Channel] = [:]
  }

  /// The port that backends on loopback addresses of their own share, so that one EndpointSlice can hold them.
  public static let usualPort = 18080

  public let name: String
  public let version: String
  public let ip: String
  public let port: Int
  public var address: String { "\(ip):\(port)" }
  private let listener: any Channel
  private let state: NIOLockedValueBox<State>

  private init(
    name: String, version: String, ip: String, listener: any Channel, state: NIOLockedValueBox<State>
  ) {
    self.name = name
    self.version = version
    self.ip = ip
    self.port = listener.localAddress?.port ?? 0
    self.listener = listener
    self.state = state
  }

  // One thread serves all backends: the machine's other core is for Envoy.
  static let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)

  /// Starts listening; port 0 takes a free one.
  ///
  /// - Throws: ``HarnessError`` `connection` if the address is taken.
  public static func start(
    _ name: String, version: String = "v1", ip: String = "127.0.0.1", port: Int = 0
  ) async throws -> Backend {
    let state = NIOLockedValueBox(State())
    do {
      let listener = try await ServerBootstrap(group: group)
        .serverChannelOption(.backlog, value: 256)
        .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
        .childChannelOption(.tcpOption(.tcp_nodelay), value: 1)
        .childChannelInitializer { channel in
          channel.eventLoop.makeCompletedFuture {
            try channel.pipeline.syncOperations.configureHTTPServerPipeline(withPipeliningAssistance: false)
            try channel.pipeline.syncOperations.addHandler(Answer(name: name, version: version, state: state))
          }
        }
        .bind(host: ip, port: port).get()
      return Backend(name: name, version: version, ip: ip, listener: listener, state: state)
    } catch {
      throw HarnessError(.connection, "backend \(name) cannot listen on \(ip):\(port)", cause: error)
    }
  }

  /// How many requests have been answered or are being answered.
  public var requests: Int { state.withLockedValue { $0.requests } }

  /// How long every request from now on waits for its answer.
  public func delay(by delay: Duration) { state.withLockedValue { $0.delay = delay } }

  /// Returns when `count` requests have come in all.
  public func waitForRequests(_ count: Int = 1) async {
    await withCheckedContinuation { continuation in
      let isThere = state.withLockedValue { state -> Bool in
        if state.requests < count { state.waiters.append((count, continuation)) }
        return state.requests >= count
      }
      if isThere { continuation.resume() }
    }
  }

  /// Ends like a pod whose grace is over: no new connections, and every connection is closed as soon as nothing is in
  /// flight on it. A request that comes in that moment is cut off, as it would be in life.
  public func stop() async {
    try? await listener.close()
    let children = state.withLockedValue { state -> [any Channel] in
      state.isClosing = true
      return Array(state.children.values)
    }
    for child in children { child.pipeline.fireUserInboundEventTriggered(CloseWhenIdle()) }
    for child in children { try? await child.closeFuture.get() }
  }

  private struct CloseWhenIdle: Sendable {}

  /// One connection. `configureHTTPServerPipeline` without pipelining assistance lets one request follow another only
  /// as the peer sends them; Envoy never pipelines.
  private final class Answer: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let name: String
    private let version: String
    private let state: NIOLockedValueBox<State>
    private var isBusy = false
    private var isClosing = false
    private var isKeepAlive = true
    private var request: HTTPRequestHead?

    init(name: String, version: String, state: NIOLockedValueBox<State>) {
      self.name = name
      self.version = version
      self.state = state
    }

    func channelActive(context: ChannelHandlerContext) {
      let channel = context.channel
      let isClosing = state.withLockedValue { state in
        state.children[ObjectIdentifier(channel)] = channel
        return state.isClosing
      }
      if isClosing { context.close(promise: nil) }
    }

    func channelInactive(context: ChannelHandlerContext) {
      let channel = context.channel
      state.withLockedValue { state in
        state.children[ObjectIdentifier(channel)] = nil
      }
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      switch unwrapInboundIn(data) {
      case .head(let head):
        isBusy = true
        request = head
        isKeepAlive = head.isKeepAlive
        let waiters = state.withLockedValue { state -> [CheckedContinuation<Void, Never>] in
          state.requests += 1
          let due = state.waiters.filter { $0.count <= state.requests }.map(\.1)
          if !due.isEmpty { state.waiters.removeAll { $0.count <= state.requests } }
          return due
        }
        for waiter in waiters { waiter.resume() }
      case .body:
        break
      case .end:
        let delay = state.withLockedValue { $0.delay }
        if delay > .zero {
          let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
          context.eventLoop.scheduleTask(in: .nanoseconds(delay.wholeNanoseconds)) {
            let (handler, context) = bound.value
            handler.answer(context)
          }
        } else {
          answer(context)
        }
      }
    }

    private func answer(_ context: ChannelHandlerContext) {
      guard context.channel.isActive else { return }
      let text = "\(name) \(version) \(request?.uri ?? "")\n"
      let closes = isClosing || !isKeepAlive
      var headers = HTTPHeaders([
        ("content-length", String(text.utf8.count)), ("x-backend", name), ("x-version", version),
        ("x-host", request?.headers.first(name: "host") ?? ""),
      ])
      if closes { headers.add(name: "connection", value: "close") }
      let head = HTTPResponseHead(version: .http1_1, status: .ok, headers: headers)
      context.write(wrapOutboundOut(.head(head)), promise: nil)
      context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(string: text)))), promise: nil)
      context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
      isBusy = false
      if closes { context.close(promise: nil) }
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
      guard event is CloseWhenIdle else { return context.fireUserInboundEventTriggered(event) }
      isClosing = true
      if !isBusy { context.close(promise: nil) }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
      context.close(promise: nil)
    }
  }
}
