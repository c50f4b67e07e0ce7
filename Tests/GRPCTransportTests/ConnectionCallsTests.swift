import HTTP2Transport
import Logging
import NIOCore
import NIOEmbedded
import Testing

@testable import GRPCTransport

/// What the calls of a connection may make the server hold.
@Suite(.timeLimit(.minutes(1))) struct ConnectionCallsTests {
  private static func configuration(_ change: (inout GRPCServerConfiguration) -> Void) -> GRPCServerConfiguration {
    var configuration = GRPCServerConfiguration()
    change(&configuration)
    return configuration
  }

  static func calls(
    now: (() -> NIODeadline)? = nil, _ change: (inout GRPCServerConfiguration) -> Void
  ) -> ConnectionCalls {
    let core = GRPCServerCore(
      configuration: configuration(change), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
      accept: { _ in nil })
    let loop = EmbeddedEventLoop()
    return ConnectionCalls(
      server: core, eventLoop: loop, peer: nil, timers: LoopTimers(eventLoop: loop), now: now)
  }

  // MARK: Metadata

  /// A field of 3.9 kB is sent once, and then named four times with a byte each, by every call of the connection.
  @Test func metadataIsNotKeptWithTheCall() async throws {
    try await withServer { server in
      let peer = try await RawPeer.connect(to: server)
      let value = [UInt8](repeating: 98, count: 3900)
      // RFC 7541, section 6.2.1, and then 6.1: the newest entry of the dynamic table is 62.
      let entry: [UInt8] = [0x40, 1, 120, 0x7f, UInt8((3900 - 127) & 127 | 128), UInt8((3900 - 127) >> 7)] + value
      peer.send(RawPeer.preface + RawPeer.frame(type: 4, flags: 1))
      for index in 0..<50 {
        let fields = (index == 0 ? entry : [0xbe]) + [0xbe, 0xbe, 0xbe]
        peer.send(RawPeer.call("/test/Probe", stream: UInt8(index * 2 + 1), fields: fields))
      }
      for _ in 0..<50 {
        let call = try await server.nextProbe()
        #expect(call.metadata["x"]?.utf8.count == 4 * 3900)
        #expect(try await call.run { $0.metadata.isEmpty && !$0.isClosed })
      }
      peer.channel.close(promise: nil)
    }
  }

  @Test func aStatusDoesNotRepeatALongPath() async throws {
    try await withServer { server in
      let client = try await server.connect()
      let call = await client.probe("/none/" + String(repeating: "%", count: 8000))
      let status = try await call.closed().status
      #expect(status.code == .unimplemented && status.message.hasPrefix("unknown method /none/%%"))
      #expect(StatusMessageCoding.encode(status.message).utf8.count <= StatusMessageCoding.limit)
      #expect(status.message.utf8.count > 300)
    }
  }

  // MARK: Time

  @Test func aCallWithoutAMessageEnds() async throws {
    try await withServer(Self.configuration { $0.firstMessageTimeout = .milliseconds(100) }) { server in
      let client = try await server.connect()
      let talking = await client.probe("/test/Echo")
      try await talking.run { $0.send(ByteBuffer(string: "first")) }
      #expect(try await talking.message() == ByteBuffer(string: "first"))
      let silent = await client.probe("/test/Echo")
      let status = try await silent.closed().status
      #expect(status.code == .deadlineExceeded && status.message.contains("no request came"))
      #expect(server.server.counts.limitedStreams[.firstMessage] == 1)
      // Silence after that is a client's right.
      try await talking.run { $0.send(ByteBuffer(string: "second")) }
      #expect(try await talking.message() == ByteBuffer(string: "second"))
    }
  }

  /// Nobody keeps a connection with calls that are never used.
  @Test func aConnectionOfSilentCallsEnds() async throws {
    let limited = Self.configuration {
      $0.firstMessageTimeout = .milliseconds(100)
      $0.idleTimeout = .milliseconds(100)
    }
    try await withServer(limited) { server in
      let one = try await server.connect()
      _ = try await one.probe("/test/Echo").closed()
      #expect(await server.eventually { server.server.counts.closedConnections[.idle] == 1 })
    }
    // And not with one after the other either.
    try await withServer(Self.configuration { $0.firstMessageTimeout = .milliseconds(100) }) { server in
      let client = try await server.connect()
      for _ in 0..<2 { _ = try await client.probe("/test/Echo").closed() }
      #expect(await server.eventually { server.server.connectionCount == 0 })
    }
  }

  @Test func aMessageThatHasBegunMustEnd() async throws {
    try await withServer(Self.configuration { $0.messageTimeout = .milliseconds(100) }) { server in
      let client = try await server.connect()
      let call = await client.probe("/test/Echo")
      try await call.run { call in
        call.send(ByteBuffer(string: "whole"))
        call.send(framed: ByteBuffer(bytes: [0, 0, 0, 0, 9, 42]))
      }
      #expect(try await call.message() == ByteBuffer(string: "whole"))
      let status = try await call.closed().status
      #expect(status.code == .deadlineExceeded && status.message.contains("only a part"))
      #expect(server.server.counts.limitedStreams[.messageTime] == 1)
    }
  }

  // MARK: Memory

  private static func part(_ stream: UInt8, announced: Int, sent: Int) -> [UInt8] {
    var bytes = RawPeer.call("/test/Echo", stream: stream)
    let prefix = [0] + withUnsafeBytes(of: UInt32(announced).bigEndian) { Array($0) }
    bytes += RawPeer.frame(type: 0, stream: stream, payload: prefix)
    for _ in 0..<sent / 16_000 {
      bytes += RawPeer.frame(type: 0, stream: stream, payload: [UInt8](repeating: 1, count: 16_000))
    }
    return bytes
  }

  /// Two connections of one address send what they never finish. Whoever comes from elsewhere is served as before.
  @Test func whoHoldsMostMakesRoomForOthers() async throws {
    let memory = BufferAccount(limit: 8 << 20)
    let limited = Self.configuration {
      $0.memory = memory
      $0.maxMessageSize = 1 << 20
    }
    try await withServer(limited) { server in
      var attackers: [RawPeer] = []
      for _ in 0..<2 {
        let peer = try await RawPeer.connect(to: server, from: "127.0.0.77")
        peer.send(RawPeer.preface + RawPeer.frame(type: 4, flags: 1))
        for stream: UInt8 in [1, 3] { peer.send(Self.part(stream, announced: 1 << 20, sent: 850_000)) }
        peer.send(RawPeer.call("/test/Probe", stream: 5))
        // Everything before it has been received.
        _ = try await server.nextProbe()
        attackers.append(peer)
      }
      #expect(memory.bytes > 3 << 20 && memory.bytes <= 4 << 20)
      let before = server.server.counts.limitedStreams[.bufferMemory]
      for _ in 0..<3 {
        let client = try await server.connect()
        let call = await client.probe("/test/Echo")
        try await call.run { $0.send(ByteBuffer(repeating: 1, count: 1_000_000)) }
        #expect(try await call.message().readableBytes == 1_000_000)
        await client.close()
      }
      #expect(server.server.counts.limitedStreams[.bufferMemory] > before)
      #expect(memory.charge(1 << 20), "there is room for what is sent to clients")
      memory.release(1 << 20)
      for peer in attackers { peer.channel.close(promise: nil) }
      #expect(await server.eventually { memory.bytes == 0 })
    }
  }

  @Test func aConnectionHasAShare() {
    let memory = BufferAccount(limit: 1 << 30)
    let calls = Self.calls {
      $0.memory = memory
      $0.maxMessageSize = 1 << 20
    }
    #expect(calls.charge(3 << 20, makesRoom: true))
    #expect(!calls.charge(16 << 10, makesRoom: true))
    calls.release(3 << 20)
    #expect(memory.bytes == 0 && calls.charge(16 << 10, makesRoom: true))
  }

  // MARK: Large messages

  /// All calls of a connection pay from one purse.
  @Test func largeMessagesArePaidForByTheirBytes() {
    var time = NIODeadline.uptimeNanoseconds(0)
    let calls = Self.calls(now: { time }) {
      $0.maxMessageSize = 1 << 20
      $0.largeBytesPerSecond = 1 << 20
    }
    for _ in 0..<2 {
      #expect(calls.waitForLarge() == nil)
      calls.spend(1 << 20)
    }
    #expect(calls.waitForLarge() == nil, "even")
    calls.spend(1 << 20)
    #expect(calls.waitForLarge() == .nanoseconds(1_000_000_001))
    time = time + .milliseconds(500)
    #expect(calls.waitForLarge() == .nanoseconds(500_000_001))
    time = time + .hours(1)
    #expect(calls.waitForLarge() == nil)
    calls.spend(3 << 20)
    #expect(calls.waitForLarge() == .nanoseconds(1_000_000_001), "an hour earns no more than two messages")
  }

  /// They wait, and nothing is lost.
  @Test func largeMessagesBeyondTheBudgetWait() async throws {
    let limited = Self.configuration {
      $0.maxMessageSize = 100_000
      $0.largeBytesPerSecond = 2 << 20
    }
    try await withServer(limited) { server in
      let client = try await server.connect()
      let call = await client.probe("/test/Echo")
      for size in [100_000, 90_000, 80_000, 10, 100_000, 70_000] {
        try await call.run { $0.send(ByteBuffer(repeating: 1, count: size)) }
      }
      try await call.run { $0.end() }
      for size in [100_000, 90_000, 80_000, 10, 100_000, 70_000] {
        #expect(try await call.message().readableBytes == size)
      }
      #expect(try await call.closed().status == .ok)
    }
  }
}
