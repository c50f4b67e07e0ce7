import GRPCTransport
import Logging
import NIOCore
import NIOPosix
import Testing

/// What a handler hears, as values.
enum Heard: Sendable {
  case metadata([String: String])
  case message(ByteBuffer)
  case end
  case writable(Bool)
  case shutdown
  case closed(GRPCCloseReason)
}

/// A handler that passes on what it hears to an async sequence.
final class ForwardingHandler: GRPCCallHandler {
  private let continuation: AsyncStream<Heard>.Continuation

  init(_ continuation: AsyncStream<Heard>.Continuation) {
    self.continuation = continuation
  }

  func received(metadata: [(name: String, value: String)]) {
    continuation.yield(.metadata(Dictionary(metadata.map { ($0.name, $0.value) }) { first, _ in first }))
  }
  func received(message: ByteBuffer) { continuation.yield(.message(message)) }
  func receivedEnd() { continuation.yield(.end) }
  func writabilityChanged(isWritable: Bool) { continuation.yield(.writable(isWritable)) }
  func shutdownRequested() { continuation.yield(.shutdown) }
  var endsAtShutdown: Bool { false }
  func closed(_ reason: GRPCCloseReason) {
    continuation.yield(.closed(reason))
    continuation.finish()
  }
}

/// A call seen from a test: events to await, and work to run on the call's loop.
final class CallProbe: Sendable {
  let call: NIOLoopBound<GRPCCall>
  let events: AsyncStream<Heard>
  /// What the call had when it came (server).
  let metadata: [String: String]

  init(call: NIOLoopBound<GRPCCall>, events: AsyncStream<Heard>, metadata: [String: String] = [:]) {
    self.call = call
    self.events = events
    self.metadata = metadata
  }

  func run<Result: Sendable>(_ work: @Sendable @escaping (GRPCCall) -> Result) async throws -> Result {
    try await call.eventLoop.submit { [call] in work(call.value) }.get()
  }

  /// Takes events until one matches, and returns it.
  func first<Result>(_ match: (Heard) -> Result?) async throws -> Result {
    for await event in events {
      if let result = match(event) { return result }
    }
    throw CallOver()
  }

  func message() async throws -> ByteBuffer {
    try await first { if case .message(let message) = $0 { message } else { nil } }
  }

  func closed() async throws -> GRPCCloseReason {
    try await first { if case .closed(let reason) = $0 { reason } else { nil } }
  }

  struct CallOver: Error {}
}

extension GRPCClient {
  func probe(_ method: String, metadata: [(name: String, value: String)] = [], timeout: TimeAmount? = nil) async
    -> CallProbe
  {
    let (events, continuation) = AsyncStream.makeStream(of: Heard.self)
    return await Handover.value { made in
      start(method: method, metadata: metadata, timeout: timeout) { call in
        made(CallProbe(call: NIOLoopBound(call, eventLoop: call.eventLoop), events: events))
        return ForwardingHandler(continuation)
      }
    }
  }
}

/// Sends back every message, and OK at the end.
final class EchoHandler: GRPCCallHandler {
  private let call: GRPCCall

  init(_ call: GRPCCall) {
    self.call = call
  }

  func received(message: ByteBuffer) { call.send(message) }
  func receivedEnd() { call.finish(.ok, metadata: [("x-trailer", "end")]) }
  func closed(_ reason: GRPCCloseReason) {}
}

/// A server with the methods that the tests need, its group, and its address.
final class TestServer: Sendable {
  let group: MultiThreadedEventLoopGroup
  let server: GRPCServer
  let address: ListenAddress
  /// Probes of the calls to `/test/Probe`, in the order in which they arrived.
  let probes: AsyncStream<CallProbe>

  private init(
    group: MultiThreadedEventLoopGroup, server: GRPCServer, address: ListenAddress, probes: AsyncStream<CallProbe>
  ) {
    self.group = group
    self.server = server
    self.address = address
    self.probes = probes
  }

  static func start(
    _ configuration: GRPCServerConfiguration = .init(), address: ListenAddress = .tcp(host: "127.0.0.1", port: 0),
    lowPriorityGroup: (any EventLoopGroup)? = nil, crowdIsOver: (@Sendable () -> Void)? = nil,
    prepareChannel: (@Sendable (any Channel) throws -> Void)? = nil
  ) async throws -> TestServer {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    let (probes, continuation) = AsyncStream.makeStream(of: CallProbe.self)
    var logger = Logger(label: "test")
    logger.logLevel = .critical
    let server = GRPCServer(
      group: group, lowPriorityGroup: lowPriorityGroup, configuration: configuration, logger: logger,
      crowdIsOver: crowdIsOver
    ) { call in
      switch call.method {
      case "/test/Echo":
        return EchoHandler(call)
      case "/test/Known":
        call.clientIsKnown()
        return EchoHandler(call)
      case "/test/Fail":
        call.finish(GRPCStatus(.notFound, "no such thing: 100 % würklich\n"))
        return EchoHandler(call)
      case "/test/Probe":
        let (events, heard) = AsyncStream.makeStream(of: Heard.self)
        continuation.yield(
          CallProbe(
            call: NIOLoopBound(call, eventLoop: call.eventLoop), events: events,
            metadata: Dictionary(call.metadata.map { ($0.name, $0.value) }) { $0 + $1 }))
        return ForwardingHandler(heard)
      default:
        return nil
      }
    }
    let bound = try await server.bind(to: address, prepareChannel: prepareChannel)
    let reachable: ListenAddress =
      bound.port.map { .tcp(host: "127.0.0.1", port: $0) } ?? address
    return TestServer(group: group, server: server, address: reachable, probes: probes)
  }

  func connect(_ configuration: GRPCClientConfiguration = .init()) async throws -> GRPCClient {
    try await GRPCClient.connect(to: address, group: group, configuration: configuration)
  }

  func nextProbe() async throws -> CallProbe {
    for await probe in probes { return probe }
    throw CallProbe.CallOver()
  }

  func stop() async throws {
    await server.shutdown(gracePeriod: .zero)
    try await group.shutdownGracefully()
  }
}

/// Runs a test body against a server, and stops the server whatever happens.
func withServer(
  _ configuration: GRPCServerConfiguration = .init(), address: ListenAddress = .tcp(host: "127.0.0.1", port: 0),
  lowPriorityGroup: (any EventLoopGroup)? = nil, crowdIsOver: (@Sendable () -> Void)? = nil,
  prepareChannel: (@Sendable (any Channel) throws -> Void)? = nil,
  _ body: (TestServer) async throws -> Void
) async throws {
  let server = try await TestServer.start(
    configuration, address: address, lowPriorityGroup: lowPriorityGroup, crowdIsOver: crowdIsOver,
    prepareChannel: prepareChannel)
  do {
    try await body(server)
  } catch {
    try await server.stop()
    throw error
  }
  try await server.stop()
}
