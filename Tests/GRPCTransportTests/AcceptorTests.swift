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

  @Test func whoComesFromWhereARuleWasBrokenGetsTheLoopOfLowPriority() async throws {
    try await withTwoGroups { server, low in
      #expect(try await loopOfANewCall(server) !== low)
      let offender = try await RawPeer.connect(to: server)
      offender.send(Array("GET / HTTP/1.1\r\nHost: weir\r\n\r\n".utf8))
      _ = try await offender.received()
      #expect(try await loopOfANewCall(server) === low)
    }
  }

  /// A connection that is thrown out for a flood ends before its address could be asked for.
  @Test func aFloodIsRememberedWithItsAddress() async throws {
    var configuration = GRPCServerConfiguration()
    configuration.frameBurst = 200
    configuration.framesPerSecond = 1
    try await withTwoGroups(configuration) { server, low in
      let offender = try await RawPeer.connect(to: server)
      let pings = [[UInt8]](repeating: RawPeer.frame(type: 6, payload: [0, 0, 0, 0, 0, 0, 0, 1]), count: 400)
      offender.send(RawPeer.preface + pings.flatMap(\.self))
      _ = try await offender.received()
      #expect(await server.eventually { server.server.counts.closedConnections[.flood] == 1 })
      #expect(try await loopOfANewCall(server) === low)
    }
  }

  @Test func afterShutdownNobodyIsAccepted() async throws {
    try await withServer { server in
      await server.server.shutdown(gracePeriod: .zero)
      await #expect(throws: (any Error).self) { _ = try await server.connect() }
      await #expect(throws: GRPCStatus.self) { _ = try await server.server.bind(to: .tcp(host: "127.0.0.1", port: 0)) }
    }
  }
}
