import Foundation
import NIOCore
import NIOPosix
import Testing

@testable import GRPCTransport

/// Which event loop a connection gets.
@Suite(.timeLimit(.minutes(1))) struct AcceptorTests {
  private func withTwoGroups(
    _ configuration: GRPCServerConfiguration = .init(), _ body: (TestServer, any EventLoop) async throws -> Void
  ) async throws {
    let low = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    try await withServer(configuration, lowPriorityGroup: low) { try await body($0, low.next()) }
    try await low.shutdownGracefully()
  }

  private func loopOfANewCall(_ server: TestServer) async throws -> any EventLoop {
    let client = try await server.connect()
    let call = await client.probe("/test/Probe")
    try await call.run { $0.send(ByteBuffer(string: "?")) }
    let loop = try await server.nextProbe().call.eventLoop
    await client.close()
    return loop
  }

  /// Breaks a rule on connections of its own.
  private func offend(_ server: TestServer, times: Int) async throws {
    for _ in 0..<times {
      let offender = try await RawPeer.connect(to: server)
      // DATA on stream 0 (RFC 9113, section 6.1).
      offender.send(RawPeer.preface + RawPeer.frame(type: 0, payload: [7]))
      _ = try await offender.received()
    }
  }

  @Test func whoComesFromWhereRulesWereBrokenGetsTheLoopOfLowPriority() async throws {
    try await withTwoGroups { server, low in
      try await offend(server, times: 2)
      #expect(try await loopOfANewCall(server) !== low)
      try await offend(server, times: 6)
      #expect(try await loopOfANewCall(server) === low)
    }
  }

  /// A connection that is thrown out for a flood ends before its address could be asked for.
  @Test func aFloodIsRememberedWithItsAddress() async throws {
    var configuration = GRPCServerConfiguration()
    configuration.frameBurst = 200
    configuration.framesPerSecond = 1
    try await withTwoGroups(configuration) { server, low in
      let pings = [[UInt8]](repeating: RawPeer.frame(type: 6, payload: [0, 0, 0, 0, 0, 0, 0, 1]), count: 400)
      for _ in 0..<6 {
        let offender = try await RawPeer.connect(to: server)
        offender.send(RawPeer.preface + pings.flatMap(\.self))
        _ = try await offender.received()
      }
      #expect(await server.eventually { server.server.counts.closedConnections[.flood] == 6 })
      #expect(try await loopOfANewCall(server) === low)
    }
  }

  /// It is no use to know where a client comes from if it has been there before.
  @Test func whoOffendsWhereOthersDoIsSentAwayAndANeighbourStays() async throws {
    try await withTwoGroups { server, low in
      let clients = try await [server.connect(), server.connect()]
      var calls: [CallProbe] = []
      var probes: [CallProbe] = []
      for client in clients {
        let call = await client.probe("/test/Probe")
        try await call.run { $0.send(ByteBuffer(string: "?")) }
        calls.append(call)
        probes.append(try await server.nextProbe())
      }
      // Alone it is no reason.
      try await probes[0].run { $0.note(.costly) }
      for _ in 0..<20 { try await probes[0].run { $0.deprioritize() } }
      #expect(try await probes[0].run { !$0.isClosed && $0.isDistrusted })
      try await offend(server, times: 8)
      try await probes[0].run { $0.deprioritize() }
      try await probes[0].first { if case .shutdown = $0 { () } else { nil } }
      #expect(try await loopOfANewCall(server) === low)
      // The other's connection is as it was.
      try await calls[1].run { $0.send(ByteBuffer(string: "?")) }
      _ = try await probes[1].first { if case .message = $0 { () } else { nil } }
      #expect(try await probes[1].run { !$0.isClosed && !$0.isDistrusted })
      for client in clients { await client.close() }
    }
  }

  /// Of a load balancer, whose address is that of the proxies behind it: they connect and close, speak HTTP/1, or ask for the
  /// standard health service.
  @Test func healthChecksMakeNobodySuspect() async throws {
    try await withTwoGroups { server, low in
      for _ in 0..<20 {
        try await RawPeer.connect(to: server).channel.close()
        let http1 = try await RawPeer.connect(to: server)
        http1.send(Array("GET /healthz HTTP/1.1\r\nHost: weir\r\n\r\n".utf8))
        _ = try await http1.received()
        let unknown = try await RawPeer.connect(to: server)
        let farewell = RawPeer.frame(type: 7, payload: .init(repeating: 0, count: 8))
        unknown.send(RawPeer.preface + RawPeer.call("/grpc.health.v1.Health/Check", stream: 1) + farewell)
        unknown.send(RawPeer.frame(type: 0, flags: 1, stream: 1))
        _ = try await unknown.received()
      }
      #expect(await server.eventually { server.server.connectionCount == 0 })
      #expect(try await loopOfANewCall(server) !== low)
    }
  }

  /// Behind TLS these are the clients whose handshake fails.
  @Test func whoComesAndGoesHundredsOfTimesIsAnOffender() async throws {
    try await withTwoGroups { server, low in
      for _ in 0..<600 { try await RawPeer.connect(to: server).channel.close() }
      #expect(await server.eventually { server.server.connectionCount == 0 })
      #expect(try await loopOfANewCall(server) === low)
    }
  }

  @Test func anHonestClientIsSentToTheUsualLoopsWhenItsAddressIsTrustedAgain() async throws {
    var configuration = GRPCServerConfiguration()
    configuration.distrustedTime = .milliseconds(50)
    try await withTwoGroups(configuration) { server, low in
      // The last of many offences was half a minute ago, but for a second.
      let host = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
      for _ in 0..<100 { server.server.core.offenders.note(host, at: .now() - .seconds(29)) }
      let client = try await server.connect()
      let call = await client.probe("/test/Probe")
      try await call.run { $0.send(ByteBuffer(string: "?")) }
      let probe = try await server.nextProbe()
      #expect(probe.call.eventLoop === low)
      #expect(server.server.distrustedConnectionCount == 1)
      try await probe.first { if case .shutdown = $0 { () } else { nil } }
      await client.close()
      #expect(await server.eventually { server.server.distrustedConnectionCount == 0 })
      #expect(try await loopOfANewCall(server) !== low)
    }
  }

  /// The thread that accepts sleeps in the system, whatever the socket: one that does not block would make it spin.
  @Test(arguments: [
    ListenAddress.tcp(host: "127.0.0.1", port: 0), .unix(path: "/tmp/weir-accept-\(UInt32.random(in: 0 ... .max))"),
  ])
  func listeningSocketsBlock(address: ListenAddress) throws {
    let socket = try ListeningSocket.listen(at: address, unixMode: 0o600, backlog: 1)
    defer {
      socket.file?.remove()
      close(socket.descriptor)
    }
    #expect(fcntl(socket.descriptor, F_GETFL) & O_NONBLOCK == 0)
  }

  @Test func afterShutdownNobodyIsAccepted() async throws {
    try await withServer { server in
      await server.server.shutdown(gracePeriod: .zero)
      await #expect(throws: (any Error).self) { _ = try await server.connect() }
      await #expect(throws: GRPCStatus.self) { _ = try await server.server.bind(to: .tcp(host: "127.0.0.1", port: 0)) }
    }
  }
}
