import Foundation
import GRPCTransport
import HTTP2Transport
import NIOCore
import NIOPosix
import Testing

@Suite(.timeLimit(.minutes(1))) struct ServerTests {
  @Test func unixSocket() async throws {
    let path = "/tmp/weir-test-\(UInt64.random(in: 0...UInt64.max)).sock"
    try await withServer(address: .unix(path: path)) { server in
      let client = try await server.connect()
      let call = await client.probe("/test/Echo")
      try await call.run { $0.send(ByteBuffer(string: "local")) }
      #expect(try await call.message() == ByteBuffer(string: "local"))
    }
    try? FileManager.default.removeItem(atPath: path)
  }

  @Test func severalAddressesAtOnce() async throws {
    try await withServer { server in
      let second = try await server.server.bind(to: .tcp(host: "127.0.0.1", port: 0))
      let port = try #require(second.port)
      let client = try await GRPCClient.connect(to: .tcp(host: "127.0.0.1", port: port), group: server.group)
      let call = await client.probe("/test/Echo")
      try await call.run { $0.send(ByteBuffer(string: "hello")) }
      #expect(try await call.message() == ByteBuffer(string: "hello"))
    }
  }

  /// Shutdown: the client hears GOAWAY, the call ends when the application ends it, and then the connection closes.
  @Test func shutdownWaitsForCalls() async throws {
    try await withServer { server in
      let client = try await server.connect()
      let call = await client.probe("/test/Probe")
      let other = try await server.nextProbe()
      async let shutdown: Void = server.server.shutdown(gracePeriod: .seconds(30))
      try await other.first { if case .shutdown = $0 { () } else { nil } }
      try await call.first { if case .shutdown = $0 { () } else { nil } }
      try await other.run {
        $0.send(ByteBuffer(string: "bye"))
        $0.finish(.ok)
      }
      #expect(try await call.message() == ByteBuffer(string: "bye"))
      #expect(try await call.closed().status == .ok)
      await shutdown
      try await client.closed.get()
      #expect(server.server.connectionCount == 0)
      #expect(server.server.callCount == 0)
      await #expect(throws: (any Error).self) { try await server.connect() }
      // A call on the closed connection is told so.
      #expect(await (try client.probe("/test/Echo").closed().status.code) == .unavailable)
    }
  }

  /// A handler that says nothing about shutdown is finished with UNAVAILABLE.
  @Test func shutdownFinishesOrdinaryCalls() async throws {
    try await withServer { server in
      let client = try await server.connect()
      let call = await client.probe("/test/Echo")
      try await call.run { $0.send(ByteBuffer(string: "up")) }
      _ = try await call.message()
      await server.server.shutdown(gracePeriod: .seconds(30))
      #expect(try await call.closed().status.code == .unavailable)
    }
  }

  @Test func theGracePeriodEnds() async throws {
    try await withServer { server in
      let client = try await server.connect()
      let call = await client.probe("/test/Probe")
      _ = try await server.nextProbe()
      await server.server.shutdown(gracePeriod: .milliseconds(50))
      guard case .connectionLost = try await call.closed() else {
        Issue.record("expected the connection to be lost")
        return
      }
      #expect(server.server.connectionCount == 0)
    }
  }

  /// Bytes of another protocol: the server answers with GOAWAY at most, closes, and serves others.
  @Test(arguments: [
    "GET / HTTP/1.1\r\nHost: weir\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}\u{0}\u{1}\u{fc}\u{3}\u{3}",
  ])
  func anotherProtocolIsTurnedAway(text: String) async throws {
    try await withServer { server in
      guard case .tcp(let host, let port) = server.address else { return }
      let channel = try await ClientBootstrap(group: server.group).connect(host: host, port: port).get()
      try await channel.writeAndFlush(ByteBuffer(string: text))
      try await channel.closeFuture.get()
      let client = try await server.connect()
      let call = await client.probe("/test/Echo")
      try await call.run { $0.send(ByteBuffer(string: "still here")) }
      #expect(try await call.message() == ByteBuffer(string: "still here"))
    }
  }

  @Test func aClientOfAServerThatIsNotHTTP2IsTold() async throws {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let listener = try await ServerBootstrap(group: group)
      .childChannelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(OldServer()) }
      }
      .bind(host: "127.0.0.1", port: 0).get()
    let port = try #require(listener.localAddress?.port)
    let error = await #expect(throws: HTTP2ConnectionError.self) {
      try await GRPCClient.connect(to: .tcp(host: "127.0.0.1", port: port), group: group)
    }
    #expect(error?.code == .protocolViolation)
    try await listener.close()
    try await group.shutdownGracefully()
  }

  /// A client's GOAWAY is about streams that the server opens, of which there are none (RFC 9113, section 6.8).
  @Test func aClientThatWillTakeNoStreamsKeepsItsOwn() async throws {
    try await withServer { server in
      let peer = try await RawPeer.connect(to: server)
      peer.send(
        RawPeer.preface + RawPeer.call("/test/Probe", stream: 1)
          + RawPeer.frame(type: 7, payload: .init(repeating: 0, count: 8)))
      let probe = try await server.nextProbe()
      // After the GOAWAY, for it comes after that.
      peer.send(RawPeer.frame(type: 0, flags: 1, stream: 1, payload: [0, 0, 0, 0, 1, 7]))
      _ = try await probe.first { event -> Void? in
        switch event {
        case .end: return ()
        case .shutdown:
          #expect(Bool(false), "the call was told to end")
          return nil
        default: return nil
        }
      }
      try await probe.run { $0.finish(.ok) }
      // Trailers, and the connection ends with its last stream.
      let frames = try await peer.frames()
      #expect(frames.contains { $0.type == 1 && $0.payload.count > 10 })
      guard case .finished(let status) = try await probe.closed() else {
        Issue.record("no status was sent")
        return
      }
      #expect(status == .ok)
    }
  }

  /// A peer that says hello and then nothing is probed and given up.
  @Test func keepaliveTimeout() async throws {
    var configuration = GRPCServerConfiguration()
    configuration.keepaliveInterval = .milliseconds(20)
    configuration.keepaliveTimeout = .milliseconds(20)
    try await withServer(configuration) { server in
      guard case .tcp(let host, let port) = server.address else { return }
      let channel = try await ClientBootstrap(group: server.group).connect(host: host, port: port).get()
      channel.writeAndFlush(ByteBuffer(string: "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0"), promise: nil)
      try await channel.closeFuture.get()
    }
  }

  @Test func curlIsToldWhatIsWrong() async throws {
    let curl = "/usr/bin/curl"
    guard FileManager.default.isExecutableFile(atPath: curl) else {
      print("curlIsToldWhatIsWrong: skipped, \(curl) is missing")
      return
    }
    try await withServer { server in
      let url = "http://\(server.address)/test/Echo"
      func status(_ arguments: [String]) async throws -> String {
        let common = ["-s", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", "--http2-prior-knowledge"]
        return try await run(curl, common + arguments + [url]).output
      }
      #expect(try await status(["-X", "POST", "-H", "content-type: application/json", "-d", "{}"]) == "2 415")
      #expect(try await status([]) == "2 405")
      let headers = try await run(
        curl,
        [
          "-s", "-D", "-", "-o", "/dev/null", "--http2-prior-knowledge", "-X", "POST", "-H",
          "content-type: application/grpc", "http://\(server.address)/no/Such",
        ]
      ).output
      #expect(headers.contains("grpc-status: 12"))
    }
  }
}

/// Speaks first, and HTTP/1.
private final class OldServer: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  func channelActive(context: ChannelHandlerContext) {
    context.writeAndFlush(wrapOutboundOut(ByteBuffer(string: "HTTP/1.1 400 Bad Request\r\n\r\n")), promise: nil)
  }
}

/// A server that closes an idle connection, and a call that the client starts too late.
@Suite(.timeLimit(.minutes(1))) struct LateCallTests {
  @Test func aCallAfterGoAwayIsRefusedAsUnavailable() async throws {
    try await withServer { server in
      let client = try await server.connect()
      let first = await client.probe("/test/Probe")
      let other = try await server.nextProbe()
      async let shutdown: Void = server.server.shutdown(gracePeriod: .seconds(30))
      try await first.first { if case .shutdown = $0 { () } else { nil } }
      let late = await client.probe("/test/Echo")
      #expect(try await late.closed().status.code == .unavailable)
      try await other.run { $0.finish(.ok) }
      #expect(try await first.closed().status == .ok)
      await shutdown
    }
  }
}
