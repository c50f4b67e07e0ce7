import EnvoyAPI
import GRPCTransport
import Logging
import NIOCore
import NIOPosix
import Testing
import XDSSnapshot

@testable import XDSServer

/// A server on a port of its own, for one test.
struct RunningServer {
  let xds: XDSServer
  let grpc: GRPCServer
  let client: @Sendable (GRPCClientConfiguration) async throws -> GRPCClient

  /// A stream on a connection of its own, unless one is given.
  func open(
    _ variant: XDSProtocol, method: String? = nil, node: NodeIdentity? = NodeIdentity(id: "test"),
    on client: GRPCClient? = nil
  ) async throws -> RawStream {
    var connection = client
    if connection == nil { connection = try await self.client(.init()) }
    let name = variant == .delta ? "DeltaAggregatedResources" : "StreamAggregatedResources"
    let stream = await RawStream.open(
      variant, connection!, method ?? "/envoy.service.discovery.v3.AggregatedDiscoveryService/\(name)")
    stream.node = node
    let xds = xds
    stream.generation = { xds.generation?.number ?? 0 }
    return stream
  }
}

func withServer(
  threads: Int = 1, limits: XDSLimits = XDSLimits(), memory: BufferAccount = BufferAccount(),
  patience: Duration = .seconds(5), configuration: GRPCServerConfiguration = GRPCServerConfiguration(),
  classify: @escaping @Sendable (NodeIdentity) -> ProxyClass = { _ in World.proxyClass },
  onNewClass: @escaping @Sendable (ProxyClass) -> Void = { _ in },
  onClassGone: @escaping @Sendable (ProxyClass) -> Void = { _ in },
  clock: any StreamClock = EventLoopClock(),
  largeRequests: @escaping @Sendable (any EventLoop, _ isDistrusted: Bool) -> (any EventLoop)? = { _, _ in nil },
  _ body: (RunningServer) async throws -> Void
) async throws {
  let group = MultiThreadedEventLoopGroup(numberOfThreads: threads)
  let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
  let xds = XDSServer(
    logger: logger, latencies: XDSLatencies(), limits: limits, memory: memory, patience: patience, delivery: .always,
    takesLoneEndpoints: { _ in false }, departureMemory: .seconds(300),
    largeRequests: largeRequests, clock: clock, classify: classify,
    onNewClass: onNewClass, onClassGone: onClassGone)
  let server = GRPCServer(group: group, configuration: configuration, logger: logger) { xds.accept($0) }
  let address = try await server.bind(to: .tcp(host: "127.0.0.1", port: 0))
  let port = address.port ?? 0
  do {
    try await body(
      RunningServer(xds: xds, grpc: server) {
        try await GRPCClient.connect(to: .tcp(host: "127.0.0.1", port: port), group: group, configuration: $0)
      })
  } catch {
    await server.shutdown(gracePeriod: .zero)
    try await group.shutdownGracefully()
    throw error
  }
  await server.shutdown(gracePeriod: .zero)
  // Whatever the test did, nothing of it is left. A loop may still be in the turn that closed the last connection.
  for loop in group.makeIterator() { try await loop.submit {}.get() }
  #expect(server.connectionCount == 0)
  #expect(server.callCount == 0)
  #expect(await xds.metrics().streams.values.reduce(0, +) == 0)
  try await group.shutdownGracefully()
}

/// One xDS stream, seen by its client: messages to await, and requests to send.
final class RawStream {
  /// A response as it came over the wire.
  struct Received {
    var type: ResourceType?
    var nonce: String
    var version: String
    /// All bodies, sorted.
    var text: String
    var count: Int
    var removed: [String]
    /// As they came: names and versions are there in delta only.
    var resources: [DeltaDiscoveryResponse.Resource]
  }

  enum Event: Sendable {
    case message(ByteBuffer)
    case closed(GRPCStatus)
    /// The wait of this number has been too long.
    case timedOut(Int)
  }

  struct Closed: Error { var status: GRPCStatus }
  struct TimedOut: Error {}

  let variant: XDSProtocol
  /// The stream's connection.
  let client: GRPCClient
  private let call: NIOLoopBound<GRPCCall>
  private var events: AsyncStream<Event>.AsyncIterator
  private let continuation: AsyncStream<Event>.Continuation
  private var waits = 0
  /// The list of a state-of-the-world request; the names added so far in delta.
  var lists: [ResourceType: [String]] = [:] {
    didSet { for (type, list) in lists where !list.isEmpty { named.insert(type) } }
  }
  /// Types of which something has been named on this stream.
  private(set) var named: Set<ResourceType> = []
  /// Of the last response.
  var nonces: [ResourceType: String] = [:]
  private var isFirst = true
  /// Goes with the first request.
  var node: NodeIdentity? = NodeIdentity(id: "test")
  /// The server's newest generation.
  var generation: () -> UInt64 = { 0 }
  var barriers = 0

  private init(
    _ variant: XDSProtocol, _ client: GRPCClient, _ call: NIOLoopBound<GRPCCall>, _ events: AsyncStream<Event>,
    _ continuation: AsyncStream<Event>.Continuation
  ) {
    self.variant = variant
    self.client = client
    self.call = call
    self.events = events.makeAsyncIterator()
    self.continuation = continuation
  }

  static func open(_ variant: XDSProtocol, _ client: GRPCClient, _ method: String) async -> RawStream {
    let (events, continuation) = AsyncStream<Event>.makeStream()
    let call = await withCheckedContinuation { (ready: CheckedContinuation<NIOLoopBound<GRPCCall>, Never>) in
      client.start(method: method) { call in
        ready.resume(returning: NIOLoopBound(call, eventLoop: call.eventLoop))
        return Handler(continuation)
      }
    }
    return RawStream(variant, client, call, events, continuation)
  }

  private final class Handler: GRPCCallHandler {
    private let continuation: AsyncStream<Event>.Continuation
    init(_ continuation: AsyncStream<Event>.Continuation) { self.continuation = continuation }
    func received(message: ByteBuffer) { continuation.yield(.message(message)) }
    func closed(_ reason: GRPCCloseReason) {
      continuation.yield(.closed(reason.status))
      continuation.finish()
    }
  }

  /// Takes nothing from the stream any more.
  func pauseReading() {
    let call = call
    call.eventLoop.execute { call.value.pauseReading() }
  }

  func close() {
    let call = call
    call.eventLoop.execute { call.value.reset() }
  }

  /// Ends the client's side; the server answers with its status.
  func end() {
    let call = call
    call.eventLoop.execute { call.value.end() }
  }

  // MARK: Requests

  func send(bytes: [UInt8]) {
    let call = call
    call.eventLoop.execute { call.value.send(ByteBuffer(bytes: bytes)) }
  }

  func send(_ request: DeltaDiscoveryRequest, _ type: ResourceType?, node: Bool = true) {
    var request = request
    request.typeURL = type?.typeURL ?? request.typeURL
    if isFirst && node { request.node = self.node }
    isFirst = false
    send(bytes: request.encoded())
  }

  func send(_ request: DiscoveryRequest, _ type: ResourceType?) {
    var request = request
    request.typeURL = type?.typeURL ?? request.typeURL
    if isFirst { request.node = node }
    isFirst = false
    send(bytes: request.encoded())
  }

  func sendUnknownType() {
    switch variant {
    case .delta:
      var request = DeltaDiscoveryRequest()
      request.typeURL = "type.googleapis.com/unknown"
      send(request, nil)
    case .stateOfTheWorld:
      var request = DiscoveryRequest()
      request.typeURL = "type.googleapis.com/unknown"
      send(request, nil)
    }
  }

  func subscribe(_ type: ResourceType, _ names: [String] = []) { change(type, adding: names) }
  func unsubscribe(_ type: ResourceType, _ names: [String]) { change(type, removing: names) }

  private func change(_ type: ResourceType, adding: [String] = [], removing: [String] = []) {
    lists[type, default: []].removeAll { removing.contains($0) }
    lists[type, default: []] += adding
    switch variant {
    case .delta:
      var request = DeltaDiscoveryRequest()
      request.resourceNamesSubscribe = adding
      request.resourceNamesUnsubscribe = removing
      send(request, type)
    case .stateOfTheWorld:
      var request = DiscoveryRequest()
      request.resourceNames = lists[type] ?? []
      request.responseNonce = nonces[type] ?? ""
      send(request, type)
    }
  }

  func ack(_ received: Received) {
    guard let type = received.type else { return }
    switch variant {
    case .delta:
      var request = DeltaDiscoveryRequest()
      request.responseNonce = received.nonce
      send(request, type)
    case .stateOfTheWorld:
      var request = DiscoveryRequest()
      request.resourceNames = lists[type] ?? []
      request.versionInfo = received.version
      request.responseNonce = received.nonce
      send(request, type)
    }
  }

  /// Subscribes to everything as Envoy does at its start, and accepts it.
  func sync(_ clusters: [String] = ["a", "b"]) async throws {
    subscribe(.cluster)
    let response = try await next()
    subscribe(.endpoint, clusters)
    ack(response)
    ack(try await next())
    subscribe(.listener)
    ack(try await next())
    subscribe(.route, [World.routeName])
    ack(try await next())
  }

  // MARK: Responses

  func next() async throws -> Received {
    switch try await event() {
    case .message(let buffer):
      let received = try decode(Array(buffer.readableBytesView))
      if let type = received.type { nonces[type] = received.nonce }
      return received
    case .closed(let status): throw Closed(status: status)
    case .timedOut: throw TimedOut()
    }
  }

  func status() async throws -> GRPCStatus {
    while true {
      if case .closed(let status) = try await event() { return status }
    }
  }

  /// The next event; throws when there is none within 20 s.
  private func event() async throws -> Event {
    waits += 1
    let wait = waits
    let continuation = continuation
    let timer = call.eventLoop.scheduleTask(in: .seconds(20)) { _ = continuation.yield(.timedOut(wait)) }
    defer { timer.cancel() }
    while let event = await events.next() {
      guard case .timedOut(let number) = event else { return event }
      if number == wait { throw TimedOut() }
    }
    throw Closed(status: GRPCStatus(.unknown, "closed before"))
  }

  private func decode(_ bytes: [UInt8]) throws -> Received {
    func text(_ bodies: [[UInt8]]) -> String {
      bodies.map { String(decoding: $0, as: UTF8.self) }.sorted().joined(separator: "\n")
    }
    switch variant {
    case .delta:
      let response = try DeltaDiscoveryResponse(decoding: bytes)
      return Received(
        type: ResourceType(typeURL: response.typeURL), nonce: response.nonce, version: response.systemVersionInfo,
        text: text(response.resources.compactMap(\.body)), count: response.resources.count,
        removed: response.removedResources, resources: response.resources)
    case .stateOfTheWorld:
      let response = try DiscoveryResponse(decoding: bytes)
      return Received(
        type: ResourceType(typeURL: response.typeURL), nonce: response.nonce, version: response.versionInfo,
        text: text(response.resources), count: response.resources.count, removed: [],
        resources: response.resources.map { .init(name: "", version: "", body: $0) })
    }
  }
}
