internal import EnvoyAPI
internal import GRPCTransport
internal import HTTP2Session
internal import HTTP2Transport
internal import Logging
internal import NIOCore
internal import NIOEmbedded
internal import Synchronization
internal import XDSServer
internal import XDSSnapshot

/// The whole server, gRPC and xDS, without sockets or clocks: connections in memory on one loop that is turned by hand.
///
/// Beside xDS it serves `/fuzz.Echo/Echo`, whose handler does what messages tell it to.
final class EmbeddedServer {
  static let aggregatedStateOfTheWorld =
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
  static let aggregatedDelta = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
  static let echo = "/fuzz.Echo/Echo"
  static let paths = [
    aggregatedStateOfTheWorld, aggregatedDelta, echo, echo, "/nobody.Knows/This", "",
    "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters",
    "/envoy.service.route.v3.RouteDiscoveryService/DeltaRoutes",
  ]

  let loop = EmbeddedEventLoop()
  let grpc: GRPCServer
  let xds: XDSServer
  let ledger = CallLedger()
  let world: ServedWorld

  init(world: ServedWorld) {
    let logger = Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() }
    let xds = XDSServer(
      logger: logger, classify: { ServedWorld.proxyClass(of: $0) },
      onNewClass: { world.classes.arrived($0) }, onClassGone: { world.classes.left($0) })
    let ledger = NIOLoopBound(ledger, eventLoop: loop)
    grpc = GRPCServer(group: loop, logger: logger) { call in
      let inner = call.method == Self.echo ? EchoHandler(call) : xds.accept(call)
      return inner.map { WatchedCall($0, ledger.value) }
    }
    self.xds = xds
    self.world = world
  }

  private var connections: [Connection] = []

  /// Ends whatever a broken rule has left open, so that it does not show as a leak as well.
  func closeAll() {
    for connection in connections where connection.isOpen { connection.close() }
    connections = []
  }

  /// A new connection. Its output is empty or the server's SETTINGS.
  func connect() throws -> Connection {
    let channel = EmbeddedChannel(loop: loop)
    try channel.connect(to: SocketAddress(unixDomainSocketPath: "/peer")).wait()
    try grpc.serve(channel)
    let connection = Connection(channel: channel)
    connections.append(connection)
    return connection
  }

  /// Serves what the world is now.
  func publish() {
    xds.publish(world.generation())
    loop.run()
    // A class that came is to be in the next generation.
    while world.classes.haveChanged() {
      xds.publish(world.generation())
      loop.run()
    }
  }

  /// What must hold when every connection has closed.
  func checkClosed() throws {
    loop.run()
    try ledger.check()
    try require(grpc.connectionCount == 0, "\(grpc.connectionCount) connections are still counted")
    try require(grpc.callCount == 0, "\(grpc.callCount) calls are still counted")
    try require(world.classes.isEmpty, "a class of proxies is still there, without a stream")
  }

  struct Connection {
    let channel: EmbeddedChannel

    var isOpen: Bool { channel.isActive }

    /// Bytes from the peer, and what the server does in the same turn.
    func receive(_ bytes: some Sequence<UInt8>) {
      guard isOpen else { return }
      channel.pipeline.fireChannelRead(ByteBuffer(bytes: bytes))
      channel.pipeline.fireChannelReadComplete()
      channel.embeddedEventLoop.run()
    }

    func receive(_ buffer: ByteBuffer) {
      guard isOpen else { return }
      channel.pipeline.fireChannelRead(buffer)
      channel.pipeline.fireChannelReadComplete()
      channel.embeddedEventLoop.run()
    }

    /// Whether the peer reads, as far as the channel can tell.
    func setWritable(_ isWritable: Bool) {
      guard isOpen, channel.isWritable != isWritable else { return }
      channel.isWritable = isWritable
      channel.pipeline.fireChannelWritabilityChanged()
      channel.embeddedEventLoop.run()
    }

    func output() throws -> [ByteBuffer] {
      var buffers: [ByteBuffer] = []
      while let buffer = try channel.readOutbound(as: ByteBuffer.self) { buffers.append(buffer) }
      return buffers
    }

    /// A graceful end by the server.
    func drain() {
      guard isOpen, let connection = try? channel.pipeline.syncOperations.handler(type: HTTP2Connection.self) else {
        return
      }
      connection.drain()
      channel.embeddedEventLoop.run()
    }

    /// The peer is gone.
    func close() {
      channel.close(promise: nil)
      channel.embeddedEventLoop.run()
    }
  }
}
