import HTTP2Transport
import NIOCore
import Testing

@testable import GRPCTransport

@Suite(.timeLimit(.minutes(1))) struct ConnectionLimitTests {
  private func configuration(_ change: (inout GRPCServerConfiguration) -> Void) -> GRPCServerConfiguration {
    var configuration = GRPCServerConfiguration()
    change(&configuration)
    return configuration
  }

  @Test func aConnectionBeyondTheLimitIsToldSoAndClosed() async throws {
    try await withServer(configuration { $0.maxConnections = 2 }) { server in
      let first = try await server.connect()
      let second = try await server.connect()
      let third = try await RawPeer.connect(to: server)
      third.send(RawPeer.preface + RawPeer.call("/test/Echo", stream: 1))
      let frames = try await third.frames()
      #expect(frames.map(\.type) == [4, 7])
      #expect(frames.last?.goAway?.code == 0xb)
      #expect(frames.last?.goAway?.text == "too many connections (limit 2)")
      #expect(server.server.counts.refusedConnections[.connections] == 1)
      #expect(server.server.connectionCount == 2 && server.server.acceptedConnectionCount == 2)

      // As a gRPC client sees it.
      #expect(await !server.serves())
      // Those who were there first are served, and a place that is given up can be taken.
      let call = await second.probe("/test/Echo")
      try await call.run { $0.send(ByteBuffer(string: "hello")) }
      #expect(try await call.message() == ByteBuffer(string: "hello"))
      await first.close()
      #expect(await server.eventually { server.server.connectionCount == 1 })
      #expect(await server.serves())
    }
  }

  /// One address can hold what nobody else wants, and no more.
  @Test func whoHoldsMostMakesRoomForAnother() async throws {
    try await withServer(configuration { $0.maxConnections = 8 }) { server in
      let hoard = try await fill(server, with: 8, from: "127.0.0.5", "/test/Echo")
      var others: [RawPeer] = []
      for index in 1...4 {
        let other = try await RawPeer.connect(to: server, from: "127.0.0.9")
        other.send(RawPeer.preface + RawPeer.call("/test/Echo", stream: 1))
        others.append(other)
        #expect(await server.eventually { server.server.counts.closedConnections[.displaced] == index })
      }
      // The newest of them went, and was told why.
      for peer in hoard.suffix(4) { #expect(try await peer.frames().last?.goAway?.code == 0xb) }
      for peer in hoard.prefix(4) { #expect(peer.channel.isActive) }
      #expect(await server.eventually { server.server.callCount == 8 })
      // Now both hold as many.
      let fifth = try await RawPeer.connect(to: server, from: "127.0.0.9")
      #expect(try await fifth.frames().last?.goAway?.code == 0xb)
      #expect(server.server.counts.refusedConnections[.connections] == 1)
      for peer in hoard.prefix(4) + others { #expect(peer.channel.isActive) }
    }
  }

  /// A client that is known by its calls stays, if there is one that is not.
  @Test func aConnectionWithoutAKnownClientGoesFirst() async throws {
    try await withServer(configuration { $0.maxConnections = 3 }) { server in
      func connect(_ method: String?, from source: String = "127.0.0.5") async throws -> RawPeer {
        let peer = try await RawPeer.connect(to: server, from: source)
        peer.send(RawPeer.preface + (method.map { RawPeer.call($0, stream: 1) } ?? []))
        return peer
      }
      let first = try await connect("/test/Known")
      let idle = try await connect(nil)
      let last = try await connect("/test/Known")
      #expect(await server.eventually { server.server.callCount == 2 })
      let other = try await connect("/test/Known", from: "127.0.0.9")
      #expect(await server.eventually { server.server.counts.closedConnections[.displaced] == 1 })
      _ = try await idle.received()
      #expect(await server.eventually { server.server.callCount == 3 })
      #expect(first.channel.isActive && last.channel.isActive && other.channel.isActive)
    }
  }

  /// One after the other: they are on several event loops.
  private func fill(
    _ server: TestServer, with count: Int, from source: String, _ method: String = "/test/Known"
  ) async throws -> [RawPeer] {
    var peers: [RawPeer] = []
    for index in 1...count {
      let peer = try await RawPeer.connect(to: server, from: source)
      peer.send(RawPeer.preface + RawPeer.call(method, stream: 1))
      peers.append(peer)
      #expect(await server.eventually { server.server.callCount == index })
    }
    return peers
  }

  /// Each comes from another address, says that it speaks HTTP/2, and nothing more.
  @Test func whoSaysNothingPutsOutNobodyWhoIsKnown() async throws {
    try await withServer(configuration { $0.maxConnections = 8 }) { server in
      let known = try await fill(server, with: 5, from: "127.0.0.5")
      for index in 0..<20 {
        let silent = try await RawPeer.connect(to: server, from: "127.0.1.\(index + 1)")
        silent.send(RawPeer.preface)
        #expect(await server.eventually { server.server.acceptedConnectionCount == 6 + index })
        let gone = max(0, index - 2)
        #expect(await server.eventually { server.server.counts.closedConnections[.displaced] == gone })
      }
      #expect(known.allSatisfy { $0.channel.isActive } && server.server.callCount == 5)
      // And who does say something has a place.
      let other = try await RawPeer.connect(to: server, from: "127.0.0.9")
      other.send(RawPeer.preface + RawPeer.call("/test/Known", stream: 1))
      #expect(await server.eventually { server.server.callCount == 6 })
      #expect(known.allSatisfy { $0.channel.isActive })
    }
  }

  /// All have said who they are, and one address has all places.
  @Test func whoIsKnownHasAShareOfThePlaces() async throws {
    try await withServer(configuration { $0.maxConnections = 8 }) { server in
      let known = try await fill(server, with: 8, from: "127.0.0.5")
      let silent = try await RawPeer.connect(to: server, from: "127.0.0.9")
      silent.send(RawPeer.preface)
      #expect(await server.eventually { server.server.acceptedConnectionCount == 9 })
      #expect(known.allSatisfy { $0.channel.isActive })
      silent.send(RawPeer.call("/test/Known", stream: 1))
      #expect(await server.eventually { server.server.counts.closedConnections[.displaced] == 1 })
      #expect(try await known[7].frames().last?.goAway?.code == 0xb)
      #expect(known.prefix(7).allSatisfy { $0.channel.isActive } && silent.channel.isActive)
      // So many may wait to be known, and no more.
      var waiting: [RawPeer] = []
      for _ in 1...3 { waiting.append(try await RawPeer.connect(to: server, from: "127.0.0.9")) }
      #expect(await server.eventually { server.server.connectionCount == 11 })
      for peer in waiting { #expect(peer.channel.isActive) }
      #expect(server.server.counts.closedConnections[.displaced] == 1)
    }
  }

  /// One that opens its first stream may be without one for long after that.
  @Test func aConnectionThatNeverOpensAStreamIsClosedAfterTheHandshakeTime() async throws {
    try await withServer(configuration { $0.prefaceTimeout = .milliseconds(200) }) { server in
      let client = try await server.connect()
      let call = await client.probe("/test/Echo")
      try await call.run { $0.end() }
      _ = try await call.closed()
      let silent = try await RawPeer.connect(to: server)
      silent.send(RawPeer.preface)
      #expect(try await silent.frames().last?.goAway?.code == 0)
      #expect(await server.eventually { server.server.counts.closedConnections[.idle] == 1 })
      #expect(server.server.connectionCount == 1)
      await client.close()
    }
  }

  @Test func manyRefusedAtOnceAreAllClosed() async throws {
    try await withServer(configuration { $0.maxConnections = 1 }) { server in
      let client = try await server.connect()
      var peers: [RawPeer] = []
      for _ in 0..<300 { peers.append(try await RawPeer.connect(to: server)) }
      for peer in peers { _ = try await peer.received() }
      #expect(server.server.counts.refusedConnections[.connections] == 300)
      #expect(server.server.connectionCount == 1)
      let call = await client.probe("/test/Echo")
      try await call.run { $0.send(ByteBuffer(string: "hello")) }
      #expect(try await call.message() == ByteBuffer(string: "hello"))
    }
  }

  @Test func aRefusedConnectionThatNeverClosesIsClosed() async throws {
    try await withServer(configuration { $0.maxConnections = 1 }) { server in
      let client = try await server.connect()
      // It does not even read its farewell.
      let peer = try await RawPeer.connect(to: server, reads: false)
      #expect(await server.eventually { server.server.counts.refusedConnections[.connections] == 1 })
      #expect(await server.eventually { server.server.lingeringConnectionCount == 0 })
      peer.channel.close(promise: nil)
      await client.close()
    }
  }

  /// Behind TLS a farewell would cost a handshake.
  @Test func behindOtherHandlersAConnectionBeyondTheLimitIsJustClosed() async throws {
    try await withServer(configuration { $0.maxConnections = 1 }, prepareChannel: { _ in }) { server in
      let client = try await server.connect()
      #expect(try await RawPeer.connect(to: server).received() == [])
      #expect(server.server.counts.refusedConnections[.connections] == 1)
      await client.close()
    }
  }

  @Test func whileMemoryIsFullNewConnectionsAreRefused() async throws {
    let memory = BufferAccount(limit: 1000)
    try await withServer(configuration { $0.memory = memory }) { server in
      #expect(await server.serves())
      memory.chargeAnyway(1000)
      let frames = try await RawPeer.connect(to: server).frames()
      #expect(frames.last?.goAway?.text == "out of memory for clients (limit 1000 bytes)")
      #expect(server.server.counts.refusedConnections[.memory] == 1)
      memory.release(1000)
      #expect(await server.serves())
    }
  }

  /// A byte now and then does not buy time: it counts from the accept.
  @Test func theHandshakeTimeIsForAllOfIt() async throws {
    try await withServer(configuration { $0.prefaceTimeout = .milliseconds(200) }) { server in
      let peer = try await RawPeer.connect(to: server)
      // Slower than the time that there is, whatever the machine does.
      for (index, byte) in RawPeer.magic.enumerated() {
        peer.channel.eventLoop.scheduleTask(in: .milliseconds(20) * index) { peer.send([byte]) }
      }
      _ = try await peer.received()
      #expect(await server.eventually { server.server.connectionCount == 0 })
      let counts = server.server.counts.closedConnections
      #expect(counts[.prefaceTimeout] == 1)
    }
  }

  @Test func aSilentConnectionIsGivenUpAfterTheHandshakeTime() async throws {
    try await withServer(configuration { $0.prefaceTimeout = .milliseconds(50) }) { server in
      let frames = try await RawPeer.connect(to: server).frames()
      #expect(frames.last?.goAway?.code == 4)
      #expect(await server.eventually { server.server.counts.closedConnections[.prefaceTimeout] == 1 })
    }
  }

  @Test func aConnectionWithoutAStreamIsClosedAfterTheIdleTime() async throws {
    try await withServer(configuration { $0.idleTimeout = .milliseconds(50) }) { server in
      let peer = try await RawPeer.connect(to: server)
      peer.send(RawPeer.preface)
      #expect(try await peer.frames().last?.goAway?.code == 0)
      #expect(await server.eventually { server.server.counts.closedConnections[.idle] == 1 })
    }
  }

  @Test(arguments: [UInt8(6), 4, 8]) func aFloodOfFramesEndsItsConnectionOnly(type: UInt8) async throws {
    let limited = configuration {
      $0.frameBurst = 100
      $0.framesPerSecond = 10
    }
    try await withServer(limited) { server in
      let client = try await server.connect()
      let peer = try await RawPeer.connect(to: server)
      let payload: [UInt8] = type == 6 ? .init(repeating: 0, count: 8) : type == 8 ? [0, 0, 0, 1] : []
      let frame = RawPeer.frame(type: type, payload: payload)
      peer.send(RawPeer.preface + [[UInt8]](repeating: frame, count: 200).flatMap { $0 })
      #expect(try await peer.frames().last?.goAway?.code == 0xb)
      #expect(await server.eventually { server.server.counts.closedConnections[.flood] == 1 })
      let call = await client.probe("/test/Echo")
      try await call.run { $0.send(ByteBuffer(string: "hello")) }
      #expect(try await call.message() == ByteBuffer(string: "hello"))
    }
  }

  @Test func asManyFramesAsAllowedAreFine() async throws {
    let limited = configuration {
      $0.frameBurst = 100
      $0.framesPerSecond = 1
    }
    try await withServer(limited) { server in
      let peer = try await RawPeer.connect(to: server)
      let ping = RawPeer.frame(type: 6, payload: .init(repeating: 0, count: 8))
      // SETTINGS, 98 PINGs, GOAWAY: 100 frames.
      peer.send(
        RawPeer.preface + [[UInt8]](repeating: ping, count: 98).flatMap { $0 }
          + RawPeer.frame(type: 7, payload: .init(repeating: 0, count: 8)))
      let frames = try await peer.frames()
      #expect(frames.filter { $0.type == 6 }.count == 98)
      #expect(server.server.counts.closedConnections[.flood] == 0)
    }
  }
}
