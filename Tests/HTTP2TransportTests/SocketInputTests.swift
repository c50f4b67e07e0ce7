import Glibc
import HTTP2Session
import NIOCore
import NIOEmbedded
import Testing

@testable import HTTP2Transport

/// The rest of a large body is read past the channel. Here the socket is one of a pair, and what the channel reads is given to it.
@Suite struct SocketInputTests {
  /// A server's connection with an open stream.
  private final class Server {
    let near: CInt
    let far: CInt
    let channel: EmbeddedChannel
    let reads = ReadCounter()
    let user = RecordingConnection()
    let stream: RecordingStream
    let waiting = Waiting()

    /// What waits in memory.
    final class Waiting {
      var connections = 0
      var bytes = 0
      var most = 0
    }

    final class ReadCounter: ChannelOutboundHandler {
      typealias OutboundIn = ByteBuffer
      var count = 0
      func read(context: ChannelHandlerContext) { count += 1 }
    }

    init(share: Int = .max, sliceTakes cost: TimeAmount = .zero) throws {
      var ends: [CInt] = [0, 0]
      try #require(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
      (near, far) = (ends[0], ends[1])
      var size: CInt = 4 << 20
      setsockopt(far, SOL_SOCKET, SO_SNDBUF, &size, socklen_t(MemoryLayout.size(ofValue: size)))
      let loop = EmbeddedEventLoop()
      let clock = Clock()
      let waiting = waiting
      let turns = LoopTurns(
        eventLoop: loop,
        now: {
          clock.time = clock.time + clock.step
          return clock.time
        },
        onWaiting: {
          waiting.connections += $0
          waiting.bytes += $1
          waiting.most = max(waiting.most, waiting.bytes)
        }, inputShare: { share })
      let connection = try HTTP2Connection(
        role: .server, configuration: .init(), delegate: user, turns: turns, socket: ends[0])
      channel = EmbeddedChannel(handlers: [reads, connection], loop: loop)
      try channel.connect(to: SocketAddress(unixDomainSocketPath: "/peer")).wait()
      let client = try HTTP2Session(role: .client)
      _ = try client.openStream(requestHead, endStream: false)
      let channel = channel
      let far = far
      func exchange() throws {
        try client.takeOutput(limit: .max) { channel.pipeline.fireChannelRead($0) }
        channel.pipeline.fireChannelReadComplete()
        channel.embeddedEventLoop.run()
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let count = recv(far, &bytes, bytes.count, CInt(MSG_DONTWAIT))
        if count > 0 { try client.receive(ByteBuffer(bytes: bytes[..<count])) }
      }
      try exchange()
      // And what the server's SETTINGS caused: without it the windows are small.
      try exchange()
      stream = try #require(user.accepted.first)
      clock.step = cost
    }

    private final class Clock {
      var time = NIODeadline.uptimeNanoseconds(1_000_000_000)
      var step = TimeAmount.zero
    }

    deinit {
      channel.close(promise: nil)
      channel.embeddedEventLoop.run()
      close(near)
      close(far)
    }

    /// The channel has read this, and asks for more.
    /// - Parameter room: of its buffer that was left.
    func read(_ bytes: [UInt8], room: Int = 0) {
      let buffer = ByteBuffer(bytes: bytes + [UInt8](repeating: 0, count: room))
      // A slice has no room for more.
      var part = buffer.getSlice(at: 0, length: buffer.readableBytes) ?? ByteBuffer()
      part.moveWriterIndex(to: bytes.count)
      channel.pipeline.fireChannelRead(part)
      channel.pipeline.fireChannelReadComplete()
      channel.pipeline.read()
    }

    /// This is still in the socket.
    func leave(_ bytes: [UInt8]) throws { try #require(send(far, bytes, bytes.count, 0) == bytes.count) }

    var leftCount: Int {
      var count: CInt = 0
      _ = ioctl(near, UInt(FIONREAD), &count)
      return Int(count)
    }
  }

  private func data(_ body: some Collection<UInt8>) -> [UInt8] {
    let count = body.count
    return [UInt8(count >> 16), UInt8(count >> 8 & 255), UInt8(count & 255), 0, 0, 0, 0, 0, 1] + body
  }

  private func body(_ count: Int) -> [UInt8] { (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) } }

  private func frames(_ body: [UInt8]) -> [UInt8] {
    stride(from: 0, to: body.count, by: 16_384).flatMap { data(body[$0..<min(body.count, $0 + 16_384)]) }
  }

  /// Also if what the channel has read ends with a frame.
  @Test(arguments: [1000, 16_384 + 9, 40_000])
  func theRestOfALargeBodyIsReadPastTheChannel(_ first: Int) throws {
    let server = try Server()
    let body = body(196_608 + 8000)
    let bytes = frames(body)
    try server.leave(Array(bytes[first...]))
    server.read(Array(bytes[..<first]))
    // (A failure would write out both.)
    let isWhole = server.stream.body == body
    #expect(isWhole && server.leftCount == 0 && server.reads.count == 1)
  }

  /// What is in the middle of a header need not be a body.
  @Test func halfAHeaderLeavesTheSocketToTheChannel() throws {
    let server = try Server()
    let bytes = frames(body(40_000))
    try server.leave(Array(bytes[16_396...]))
    server.read(Array(bytes[..<16_396]))
    #expect(server.stream.body.count == 16_384 && server.leftCount == bytes.count - 16_396)
    #expect(server.reads.count == 1)
  }

  /// The socket had no more: it is not asked again at once.
  @Test func aReadThatDoesNotFillItsBufferLeavesTheSocketToTheChannel() throws {
    let server = try Server()
    let bytes = frames(body(40_000))
    try server.leave(Array(bytes[20_000...]))
    server.read(Array(bytes[..<20_000]), room: 1)
    #expect(server.leftCount == bytes.count - 20_000 && server.reads.count == 1)
  }

  @Test func aSmallBodyLeavesTheSocketToTheChannel() throws {
    let server = try Server()
    try server.leave(data(body(100)))
    server.read(data(body(100)))
    #expect(server.stream.body == body(100) && server.leftCount == 109 && server.reads.count == 1)
  }

  /// It waits in line with nothing in memory, and the channel reads nothing meanwhile.
  @Test func whatIsMoreThanASliceWaitsInTheSocket() throws {
    let server = try Server(sliceTakes: .milliseconds(1))
    let body = body(900_000)
    let bytes = frames(body)
    try server.leave(Array(bytes[20_000...]))
    server.read(Array(bytes[..<20_000]))
    // Its time is over at the second look at the clock: what the channel had read, and one read more.
    #expect((80_000...20_000 + InputScratch.capacity).contains(server.stream.body.count))
    #expect(server.leftCount > 0 && server.reads.count == 0, "the read is withheld")
    for _ in 0..<20 { server.channel.embeddedEventLoop.advanceTime(by: .milliseconds(2)) }
    let isWhole = server.stream.body == body
    #expect(isWhole && server.leftCount == 0)
    #expect(server.reads.count == 1, "made up for")
  }

  /// Many small frames behind a large one are no reason to hold more than a share.
  @Test func noMoreIsReadThanTheShare() throws {
    let server = try Server(share: 4096, sliceTakes: .milliseconds(1))
    try server.leave(data(body(6000)).dropFirst(100) + (0..<500).flatMap { _ in data([]) })
    let left = server.leftCount
    server.read(Array(data(body(6000))[..<100]))
    #expect(left - server.leftCount <= 2 * 4096)
    server.channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
    #expect(server.stream.body.count == 6000)
  }

  /// What it was read into is the loop's, and is not kept for the little that waits.
  @Test func whatIsLeftOfAReadWaitsInMemoryOfItsSize() throws {
    let server = try Server(share: 4096, sliceTakes: .milliseconds(1))
    let small = (0..<50).flatMap { data(body(1100 + $0)) }
    try server.leave(data(body(6000)).dropFirst(100) + small)
    server.read(Array(data(body(6000))[..<100]))
    // Until the rest is the channel's to read.
    for _ in 0..<200 where server.reads.count == 0 {
      server.channel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
    }
    #expect((1...2 * 4096).contains(server.waiting.most) && server.waiting.bytes == 0)
    #expect(server.waiting.connections == 0 && server.reads.count == 1 && server.stream.body.count > 6000)
  }

  @Test func anEndIsTheChannelsToFind() throws {
    let server = try Server()
    shutdown(server.far, CInt(SHUT_WR))
    server.read(Array(data(body(16_384))[..<8000]))
    #expect(server.stream.body.count == 7991 && server.reads.count == 1)
    #expect(server.user.closures.isEmpty && server.stream.closures.isEmpty)
  }
}
