@testable import HTTP2Transport
import NIOCore
import NIOEmbedded
import Testing

@testable import GRPCTransport

/// Long messages: the memory that they come into, and who goes on while others do.
@Suite struct LongMessageTests {
  private func message(_ count: Int, _ byte: UInt8) -> ByteBuffer {
    GRPCFraming.frame(ByteBuffer(repeating: byte, count: count))
  }

  /// Of any two messages that follow each other the second comes into the memory of the first, also when its beginning came with the
  /// end of that.
  @Test(arguments: [8192, 100_000, 699_000]) func theMemoryOfOneIsTheNextOnes(_ chunk: Int) throws {
    let storage = MessageStorage(timers: LoopTimers(eventLoop: EmbeddedEventLoop()))
    var deframer = GRPCDeframer(maxMessageSize: 4 << 20)
    var wire = ByteBuffer()
    for number in 0..<6 { wire.writeImmutableBuffer(message(700_000, UInt8(number))) }
    var places: Set<UInt> = []
    var count = 0
    while let piece = wire.readSlice(length: min(chunk, wire.readableBytes)), piece.readableBytes > 0 {
      // A buffer of its own, as the loop's scratch is.
      deframer.append(ByteBuffer(bytes: piece.readableBytesView), storage: storage)
      while let message = try deframer.next(storage: storage) {
        let isWhole = message.readableBytesView.allSatisfy { $0 == UInt8(count) }
        #expect(message.readableBytes == 700_000 && isWhole)
        places.insert(message.withVeryUnsafeBytes { UInt(bitPattern: $0.baseAddress) })
        count += 1
      }
      deframer.compact(storage: storage)
    }
    #expect(count == 6 && places.count <= 3, "\(places.count) places")
    #expect(storage.byteCount >= 1 << 20, "the last one's is there for the next")
    #expect(deframer.bufferedBytes == 0 && deframer.capacity == 0)
  }

  @Test func aLongMessageIsOneUntilItIsWhole() throws {
    var deframer = GRPCDeframer(maxMessageSize: 1 << 20)
    var wire = message(ConnectionCalls.largeMessage + 1, 1)
    #expect(!deframer.isInLongMessage)
    deframer.append(wire.readSlice(length: 4) ?? ByteBuffer())
    #expect(!deframer.isInLongMessage, "nobody knows yet")
    deframer.append(wire.readSlice(length: 100) ?? ByteBuffer())
    #expect(deframer.isInLongMessage)
    deframer.append(wire)
    #expect(!deframer.isInLongMessage)
    _ = try deframer.next()
    deframer.append(message(ConnectionCalls.largeMessage, 1).getSlice(at: 0, length: 50) ?? ByteBuffer())
    #expect(!deframer.isInLongMessage, "it is short")
  }

  /// The memory of others' messages is resident, and nobody is to hold it for having announced a message.
  @Test func whoAnnouncesMuchAndSendsLittleGetsNoMemory() {
    let storage = MessageStorage(timers: LoopTimers(eventLoop: EmbeddedEventLoop()))
    storage.give(ByteBufferAllocator().buffer(capacity: 1 << 20))
    var deframer = GRPCDeframer(maxMessageSize: 4 << 20)
    var wire = message(1_000_000, 1)
    while let piece = wire.readSlice(length: 1000), deframer.bufferedBytes < 500_000 {
      deframer.append(piece, storage: storage)
      deframer.compact(storage: storage)
      #expect(deframer.capacity <= max(16 * deframer.bufferedBytes, 2 << 10))
    }
    #expect(storage.byteCount < 1 << 20, "now it has come to it")
  }

  /// Handlers of large messages pause their call and go on with it elsewhere. A call ends in the middle of one, or before its turn.
  enum Course: CaseIterable { case handedOver, paused, reset, wholeAndReset, discarded }

  @Test(arguments: Course.allCases) func aPlaceIsGivenBackInAnyCase(_ course: Course) {
    let loop = EmbeddedEventLoop()
    let turns = LoopTurns(eventLoop: loop, now: { loop.now })
    final class Handler: GRPCCallHandler {
      let onMessage: () -> Void
      init(_ onMessage: @escaping () -> Void) { self.onMessage = onMessage }
      func received(message: ByteBuffer) { onMessage() }
      func receivedEnd() {}
      func closed(_ reason: GRPCCloseReason) {}
    }
    let call = GRPCCall(
      role: .server, method: "/test", metadata: [], eventLoop: loop, remoteAddress: nil, maxMessageSize: 1 << 20)
    call.handler = Handler { if course == .paused { call.pauseReading() } }
    call.turns = turns
    call.connectionCalls = ConnectionCallsTests.calls { _ in }
    var wire = message(200_000, 1)
    call.received(body: wire.readSlice(length: 100_000) ?? ByteBuffer())
    #expect(call.isInLongMessage)
    if course == .discarded { call.discardInbound() }
    if course != .reset, course != .discarded { call.received(body: wire) }
    if course == .reset || course == .wholeAndReset {
      #expect(call.isInLongMessage)
      call.closed(.reset(.cancel, byPeer: true))
    }
    loop.advanceTime(by: .milliseconds(100))
    #expect(!call.isInLongMessage)
    call.closed(.reset(.cancel, byPeer: true))
  }

  /// More clients than there are places begin a long message and never end it; the others' messages come through all the same.
  @Test(.timeLimit(.minutes(1))) func whoStopsInTheMiddleHoldsUpNobody() async throws {
    let configuration = GRPCServerConfiguration()
    let server = try await TestServer.start(configuration)
    let long = message(200_000, 1)
    // HEADERS of a call, and the first 60,000 bytes of a message: as many as fit into the window that a client has at first.
    var half = RawPeer.preface + RawPeer.call("/test/Echo", stream: 1)
    for start in stride(from: 0, to: 60_000, by: 15_000) {
      half += RawPeer.frame(type: 0, stream: 1, payload: Array(long.readableBytesView[start..<start + 15_000]))
    }
    var stopped: [RawPeer] = []
    for _ in 0..<40 {
      let peer = try await RawPeer.connect(to: server)
      peer.send(half)
      stopped.append(peer)
    }
    // What is charged tells that they have begun, and that nobody keeps a place for nothing: there are more than places.
    #expect(await server.eventually { configuration.memory.bytes >= 40 * 32 << 10 })
    let body = ByteBuffer(repeating: 3, count: 700_000)
    try await withThrowingTaskGroup(of: Void.self) { group in
      for _ in 0..<20 {
        group.addTask {
          let client = try await server.connect()
          let call = await client.probe("/test/Echo")
          for _ in 0..<3 {
            try await call.run { $0.send(body) }
            let isSame = try await call.message() == body
            #expect(isSame)
          }
          await client.close()
        }
      }
      try await group.waitForAll()
    }
    for peer in stopped { peer.channel.close(promise: nil) }
    try await server.stop()
  }
}
