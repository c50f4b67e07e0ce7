import Foundation
import GRPCTransport
import Logging
import NIOCore
import NIOPosix
import Testing
import Weir

/// The limits reach the server, and the metrics show them.
@Suite(.timeLimit(.minutes(1))) struct LimitTests {
  private let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

  /// All that a connection says until it closes.
  private func exchange(_ address: String, _ request: String, _ group: any EventLoopGroup) async throws -> String {
    final class Collector: ChannelInboundHandler {
      typealias InboundIn = ByteBuffer
      var text = ByteBuffer()
      let done: EventLoopPromise<String>
      init(_ done: EventLoopPromise<String>) { self.done = done }
      func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        text.writeImmutableBuffer(unwrapInboundIn(data))
      }
      func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
      func channelInactive(context: ChannelHandlerContext) { done.succeed(String(buffer: text)) }
    }
    let parts = address.split(separator: ":")
    let loop = group.next()
    let done = loop.makePromise(of: String.self)
    let channel = try await ClientBootstrap(group: loop)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(Collector(done)) }
      }
      .connect(host: String(parts[0]), port: try #require(Int(parts[1]))).get()
    channel.writeAndFlush(ByteBuffer(string: request), promise: nil)
    return try await done.futureResult.get()
  }

  @Test func aControlPlaneWithSmallLimits() async throws {
    let directory = FileManager.default.temporaryDirectory.appending(path: "weir-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    try Data(catalog.utf8).write(to: directory.appending(path: "catalog.yaml"))
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let limits = Limits(
      connections: 1, streamsPerConnection: 3, requestsPerSecond: 7, subscription: 9, proxyClasses: 6,
      messageSize: 2048,
      headerSize: 4096, idleTime: .seconds(60), handshakeTime: .seconds(5), streamBuffer: 8192, bufferMemory: 1 << 20)
    let plane = try await ControlPlane.start(
      ControlPlaneConfiguration(
        manifests: [directory.path], listeners: [.tcp(host: "127.0.0.1", port: 0)], admin: ("127.0.0.1", 0),
        limits: limits),
      logger: logger)
    let port = try #require(Int(plane.xdsAddress.split(separator: ":")[1]))
    let client = try await GRPCClient.connect(to: .tcp(host: "127.0.0.1", port: port), group: group)
    #expect(try await exchange(plane.xdsAddress, "", group).hasSuffix("too many connections (limit 1)"))
    let admin = try #require(plane.adminAddress)
    let metrics = try await exchange(
      admin, "GET /metrics HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n", group)
    for line in [
      "weir_grpc_connections 1", "weir_grpc_connections_accepted_total 1",
      "weir_grpc_connections_refused_total{reason=\"connections\"} 1",
      "weir_grpc_connections_refused_total{reason=\"memory\"} 0",
      "weir_grpc_connections_refused_total{reason=\"descriptors\"} 0",
      "weir_grpc_connections_closed_total{reason=\"handshake_timeout\"} 0",
      "weir_grpc_streams_limited_total{reason=\"write_stall\"} 0", "weir_grpc_buffer_bytes 0",
      "weir_xds_requests_throttled_total 0", "weir_xds_streams_limited_total{reason=\"subscription\"} 0",
      "weir_limit{limit=\"connections\"} 1", "weir_limit{limit=\"streams_per_connection\"} 3",
      "weir_limit{limit=\"requests_per_second\"} 7", "weir_limit{limit=\"subscription\"} 9",
      "weir_limit{limit=\"proxy_classes\"} 6", "weir_xds_proxy_classes 0", "weir_limit{limit=\"message_bytes\"} 2048",
      "weir_limit{limit=\"header_bytes\"} 4096",
      "weir_limit{limit=\"idle_seconds\"} 60", "weir_limit{limit=\"handshake_seconds\"} 5",
      "weir_limit{limit=\"stream_buffer_bytes\"} 8192", "weir_limit{limit=\"buffer_memory_bytes\"} 1048576",
    ] {
      #expect(metrics.contains("\n\(line)\n") || metrics.contains("\n\(line)\r\n"), "\(line)")
    }
    await client.close()
    await plane.drain(within: .seconds(5))
    try await group.shutdownGracefully()
  }
}
