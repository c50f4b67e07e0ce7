import Dispatch
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

  /// On its own thread, of which it cannot be asked while it waits for the next connection.
  @Test func theThreadThatAcceptsLearnsThatACrowdIsOver() async throws {
    let (crowds, over) = AsyncStream.makeStream(of: String?.self)
    try await withServer(crowdIsOver: {
      over.yield(try? String(contentsOfFile: "/proc/thread-self/comm", encoding: .utf8))
    }) { server in
      for _ in 0..<AcceptLoop<Acceptor>.crowd { _ = try await RawPeer.connect(to: server) }
      var iterator = crowds.makeAsyncIterator()
      #expect(try await #require(iterator.next()) == "weir-accept\n")
      #expect(server.server.acceptedConnectionCount == AcceptLoop<Acceptor>.crowd)
      // It goes on.
      let client = try await server.connect()
      _ = try await client.probe("/test/Echo").run { $0.send(ByteBuffer(string: "?")) }
      await client.close()
    }
  }

  /// Behind an HTTP/2 load balancer both come on one connection.
  @Test func aNeighbourOnTheSameConnectionStays() async throws {
    try await withTwoGroups { server, _ in
      let client = try await server.connect()
      let honest = await client.probe("/test/Known")
      try await honest.run { $0.send(ByteBuffer(string: "1")) }
      _ = try await honest.message()
      let call = await client.probe("/test/Probe")
      try await call.run { $0.send(ByteBuffer(string: "?")) }
      let bad = try await server.nextProbe()
      try await offend(server, times: 8)
      #expect(server.server.distrusts("127.0.0.1"))
      try await bad.run { call in
        call.clientIsKnown()
        for _ in 0..<3 { call.note(.grave) }
        call.deprioritize()
      }
      #expect(try await bad.run { $0.isDistrusted })
      // The connection takes new calls, so it does not drain.
      let next = await client.probe("/test/Echo")
      try await next.run { $0.send(ByteBuffer(string: "2")) }
      #expect(try await next.message() == ByteBuffer(string: "2"))
      try await honest.run { $0.send(ByteBuffer(string: "3")) }
      #expect(try await honest.message() == ByteBuffer(string: "3"))
      // Without it there is nobody to spare.
      try await honest.run { $0.end() }
      _ = try await honest.closed()
      try await bad.run { $0.deprioritize() }
      try await bad.first { if case .shutdown = $0 { () } else { nil } }
      await client.close()
    }
  }

  /// An Envoy that is told to report its load asks for the service of that, again and again.
  @Test func aKnownClientMayAskForWhatIsNotServed() async throws {
    var configuration = GRPCServerConfiguration()
    configuration.frameBurst = 100_000
    try await withTwoGroups(configuration) { server, _ in
      let client = try await server.connect()
      let proxy = await client.probe("/test/Known")
      try await proxy.run { $0.send(ByteBuffer(string: "1")) }
      _ = try await proxy.message()
      for _ in 0..<500 {
        let call = await client.probe("/envoy.service.load_stats.v3.LoadReportingService/StreamLoadStats")
        #expect(try await call.closed().status.code == .unimplemented)
      }
      #expect(!server.server.distrusts("127.0.0.1"))
      await client.close()
    }
  }

  /// Behind TLS that is a whole handshake.
  @Test func whoSaysHelloAndLeavesHundredsOfTimesIsAnOffender() async throws {
    try await withTwoGroups { server, _ in
      for _ in 0..<600 where !server.server.distrusts("127.0.0.1") {
        let peer = try await RawPeer.connect(to: server)
        peer.send(RawPeer.preface + RawPeer.frame(type: 7, payload: .init(repeating: 0, count: 8)))
        _ = try await peer.received()
      }
      #expect(await server.eventually { server.server.connectionCount == 0 })
      #expect(server.server.distrusts("127.0.0.1"))
    }
  }

  /// The loop that serves the suspect gets no time, and many come and go there, or come and say nothing.
  @Test func whoComesAndGoesTakesNoPlaceFromANewcomer() async throws {
    var configuration = GRPCServerConfiguration()
    configuration.maxConnections = 4
    try await withTwoGroups(configuration) { server, low in
      try await offend(server, times: 8)
      let end = DispatchSemaphore(value: 0)
      let starved = low.submit { end.wait(timeout: .now() + 20) == .success }
      var silent: [RawPeer] = []
      for _ in 0..<50 {
        let passer = try await RawPeer.connect(to: server)
        passer.send(RawPeer.preface)
        try await passer.channel.close()
        silent.append(try await RawPeer.connect(to: server))
      }
      async let loop = loopOfANewCall(server)
      end.signal()
      #expect(try await starved.get())
      #expect(try await loop === low)
      #expect(server.server.counts.refusedConnections[.connections] == 0)
      #expect(silent.allSatisfy { $0.channel.isActive }, "they may still say something")
      for peer in silent { peer.channel.close(promise: nil) }
    }
  }

  /// More than may wait: who has gone makes room, and then the eldest.
  @Test func theWaitingRoomHasRoomForWhoComes() async throws {
    try await withTwoGroups { server, low in
      try await offend(server, times: 8)
      let end = DispatchSemaphore(value: 0)
      let starved = low.submit { end.wait(timeout: .now() + 20) == .success }
      for _ in 0..<WaitingRoom.addressLimit + 100 { try await RawPeer.connect(to: server).channel.close() }
      async let loop = loopOfANewCall(server)
      end.signal()
      #expect(try await starved.get())
      #expect(try await loop === low)
      #expect(server.server.distrusts("127.0.0.1"))
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
