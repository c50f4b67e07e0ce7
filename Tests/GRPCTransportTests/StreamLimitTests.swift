import HTTP2Transport
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import GRPCTransport

@Suite(.timeLimit(.minutes(1))) struct StreamLimitTests {
  private func configuration(_ change: (inout GRPCServerConfiguration) -> Void) -> GRPCServerConfiguration {
    var configuration = GRPCServerConfiguration()
    change(&configuration)
    return configuration
  }

  @Test func aMessageOfTheLimitPassesAndOneByteMoreDoesNot() async throws {
    try await withServer(configuration { $0.maxMessageSize = 2000 }) { server in
      let client = try await server.connect()
      let fits = await client.probe("/test/Echo")
      try await fits.run { $0.send(ByteBuffer(repeating: 1, count: 2000)) }
      #expect(try await fits.message().readableBytes == 2000)
      #expect(server.server.counts.limitedStreams[.messageSize] == 0)
      let over = await client.probe("/test/Echo")
      try await over.run { $0.send(ByteBuffer(repeating: 1, count: 2001)) }
      #expect(try await over.closed().status.code == .resourceExhausted)
      #expect(server.server.counts.limitedStreams[.messageSize] == 1)
    }
  }

  @Test func headersOfTheLimitPassAndMoreDoNot() async throws {
    try await withServer(configuration { $0.maxHeaderListSize = 1000 }) { server in
      let client = try await server.connect()
      let fits = await client.probe("/test/Echo", metadata: [("x-a", String(repeating: "a", count: 400))])
      try await fits.run { $0.end() }
      #expect(try await fits.closed().status == .ok)
      #expect(server.server.counts.limitedStreams[.headerSize] == 0)
      let over = await client.probe("/test/Echo", metadata: [("x-a", String(repeating: "a", count: 1000))])
      #expect(try await over.closed().status.code == .resourceExhausted)
      #expect(server.server.counts.limitedStreams[.headerSize] == 1)
    }
  }

  /// A client that keeps to the limit waits; one that does not loses its connection.
  @Test func streamsBeyondTheLimit() async throws {
    try await withServer(configuration { $0.maxConcurrentStreams = 2 }) { server in
      let client = try await server.connect()
      _ = await client.probe("/test/Probe")
      let first = try await server.nextProbe()
      _ = await client.probe("/test/Probe")
      _ = try await server.nextProbe()
      let third = await client.probe("/test/Echo")
      try await third.run { $0.send(ByteBuffer(string: "patient")) }
      // The server counts a call when its handler is there already.
      #expect(await server.eventually { server.server.callCount == 2 })
      try await first.run { $0.finish(.ok) }
      #expect(try await third.message() == ByteBuffer(string: "patient"))

      let peer = try await RawPeer.connect(to: server)
      peer.send(
        RawPeer.preface + RawPeer.frame(type: 4, flags: 1)
          + [1, 3, 5].flatMap { RawPeer.call("/test/Probe", stream: $0) })
      let goAway = try await peer.frames().last?.goAway
      #expect(goAway?.code == 1)
      #expect(goAway?.text.contains("max concurrent streams") == true)
      #expect(await server.eventually { server.server.counts.closedConnections[.protocolViolation] == 1 })
    }
  }

  /// Parts of messages that never end, on many streams, are held up to the limit for all of them.
  @Test func allTogetherMayMakeTheServerHoldSoMuch() async throws {
    // Half of it for what clients send.
    let memory = BufferAccount(limit: 2 << 20)
    let limited = configuration {
      $0.memory = memory
      $0.maxMessageSize = 1 << 20
    }
    try await withServer(limited) { server in
      let client = try await server.connect()
      @Sendable func begin(_ call: GRPCCall) {
        var part = ByteBuffer()
        GRPCFraming.writePrefix(length: 700_000, into: &part)
        part.writeRepeatingByte(1, count: 600_000)
        call.send(framed: part)
      }
      let first = await client.probe("/test/Echo")
      try await first.run(begin)
      #expect(await server.eventually { memory.bytes > 580_000 })
      #expect(server.server.counts.limitedStreams[.bufferMemory] == 0)
      let second = await client.probe("/test/Probe")
      try await second.run(begin)
      #expect(try await second.closed().status.code == .resourceExhausted)
      // Others may have taken the room, so it is not blamed on who asks.
      #expect(!server.server.distrusts("127.0.0.1"))
      #expect(server.server.counts.limitedStreams[.bufferMemory] == 1)
      #expect(memory.bytes <= 1 << 20 && memory.refusals >= 1)
      // The first was not touched; its message arrives whole when its rest does. Then there is room again.
      try await first.run { $0.send(framed: ByteBuffer(repeating: 2, count: 100_000)) }
      #expect(try await first.message().readableBytes == 700_000)
      #expect(await server.eventually { memory.bytes == 0 })
      let third = await client.probe("/test/Echo")
      try await third.run { $0.send(ByteBuffer(repeating: 1, count: 700_000)) }
      #expect(try await third.message().readableBytes == 700_000)
    }
  }

  /// A window that stays shut costs the stream, and nobody else.
  @Test func aCallWhoseClientTakesNothingIsReset() async throws {
    try await withServer(configuration { $0.stallTimeout = .milliseconds(200) }) { server in
      var small = GRPCClientConfiguration()
      small.streamWindow = 65_535
      let client = try await server.connect(small)
      let slow = await client.probe("/test/Probe")
      let other = try await server.nextProbe()
      try await slow.run { $0.pauseReading() }
      try await other.run { $0.send(ByteBuffer(repeating: 1, count: 500_000)) }
      let reason = try await other.closed()
      guard case .reset = reason else {
        Issue.record("closed by \(reason)")
        return
      }
      #expect(server.server.counts.limitedStreams[.writeStall] == 1)
      let call = await client.probe("/test/Echo")
      try await call.run { $0.send(ByteBuffer(string: "hello")) }
      #expect(try await call.message() == ByteBuffer(string: "hello"))
    }
  }

  /// A socket that is not read while all windows are open.
  @Test func aConnectionThatIsNotReadIsClosed() async throws {
    try await withServer(configuration { $0.stallTimeout = .milliseconds(200) }) { server in
      let peer = try await RawPeer.connect(to: server, reads: false)
      let window: [UInt8] = [0, 4, 0x7f, 0xff, 0xff, 0xff]
      peer.send(
        RawPeer.magic + RawPeer.frame(type: 4, payload: window)
          + RawPeer.frame(type: 8, payload: [0x7f, 0, 0, 0]) + RawPeer.call("/test/Probe", stream: 1))
      let call = try await server.nextProbe()
      try await call.run { $0.send(ByteBuffer(repeating: 1, count: 64 << 20)) }
      guard case .connectionLost(let error) = try await call.closed() else {
        Issue.record("the connection lives")
        return
      }
      #expect(error.code == .writeStall)
      #expect(await server.eventually { server.server.counts.closedConnections[.writeStall] == 1 })
      try await peer.channel.close()
    }
  }

  /// Many messages that came at once are handled in turns, and the event loop's other work has its own between them.
  @Test func aBurstOfMessagesDoesNotHoldUpTheLoop() async throws {
    final class Counting: GRPCCallHandler {
      let call: GRPCCall
      let firstTurn: Mutex<Int?>
      var count = 0
      init(_ call: GRPCCall) {
        self.call = call
        firstTurn = Mutex(nil)
      }
      func received(message: ByteBuffer) {
        count += 1
        if count == 1 {
          call.eventLoop.assumeIsolatedUnsafeUnchecked().execute { [self] in
            firstTurn.withLock { $0 = $0 ?? count }
          }
        }
      }
      func receivedEnd() {
        call.send(ByteBuffer(string: "\(count) \(firstTurn.withLock { $0 } ?? -1)"))
        call.finish(.ok)
      }
      func closed(_ reason: GRPCCloseReason) {}
    }
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let server = GRPCServer(
      group: group, configuration: configuration { $0.messagesPerTurn = 8 },
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    ) { Counting($0) }
    let port = try #require(try await server.bind(to: .tcp(host: "127.0.0.1", port: 0)).port)
    let client = try await GRPCClient.connect(to: .tcp(host: "127.0.0.1", port: port), group: group)
    let call = await client.probe("/test/Count")
    try await call.run { call in
      var burst = ByteBuffer()
      for _ in 0..<1000 { burst.writeImmutableBuffer(GRPCFraming.frame(ByteBuffer(string: "m"))) }
      call.send(framed: burst)
      call.end()
    }
    let counts = String(buffer: try await call.message()).split(separator: " ").compactMap { Int($0) }
    #expect(counts.first == 1000)
    // Another task had its turn long before: 8 messages make a turn, and `LoopTurns` allows for as many as half a millisecond takes.
    #expect(counts.count == 2 && counts[1] < 500, "\(counts)")
    #expect(try await call.closed().status == .ok)
    await server.shutdown(gracePeriod: .zero)
    try await group.shutdownGracefully()
  }
}

@Suite struct BufferAccountTests {
  @Test func largeChargesLeaveTheLastQuarterToSmallOnes() {
    let account = BufferAccount(limit: 1 << 20)
    #expect(account.charge(768 << 10))
    #expect(!account.charge(65 << 10))
    for _ in 0..<4 { #expect(account.charge(64 << 10)) }
    #expect(account.isFull)
    #expect(!account.charge(1))
    #expect(account.refusals == 2)
    account.release(64 << 10)
    #expect(account.charge(1))
    #expect(account.bytes == (1 << 20) - (64 << 10) + 1)
  }

  @Test func whatClientsSendLeavesRoomForWhatTheyAreSent() {
    let account = BufferAccount(limit: 8 << 20)
    #expect(account.charge(4 << 20, for: .parts))
    #expect(!account.charge(1, for: .parts))
    #expect(account.charge(1 << 20, for: .names))
    #expect(!account.hasRoom(for: 100 << 10, as: .names))
    #expect(account.charge(1 << 20, for: .responses))
    #expect(!account.charge(100 << 10, for: .responses))
    #expect(account.charge(64 << 10, for: .names) && account.charge(64 << 10))
    account.release(4 << 20, for: .parts)
    #expect(account.charge(1 << 20, for: .names) && account.charge(1 << 20, for: .parts))
  }

  @Test func aChargeFollowsWhatIsHeldInSteps() {
    let account = BufferAccount(limit: 2 << 20)
    let calls = ConnectionCallsTests.calls {
      $0.memory = account
      $0.maxMessageSize = 1 << 20
    }
    var charge = BufferCharge(calls)
    func holds(_ count: Int) -> Bool { charge.holds(count) }
    #expect(holds(16_000))
    #expect(account.bytes == 0)
    let isFollowing = stride(from: 16_000, through: 700_000, by: 1000).allSatisfy { count in
      holds(count) && account.bytes > count - (16 << 10) && account.bytes <= count * 3 / 2 + (16 << 10)
    }
    #expect(isFollowing)
    #expect(!holds(1_100_000))
    #expect(holds(100_000))
    #expect(account.bytes <= 100_000)
    #expect(holds(0))
    #expect(account.bytes == 0)
    #expect(holds(100_000))
    charge.releaseAll()
    #expect(account.bytes == 0)
  }
}
