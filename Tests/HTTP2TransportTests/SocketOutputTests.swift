import Glibc
import HTTP2Session
import NIOCore
import NIOEmbedded
import Testing

@testable import HTTP2Transport

/// Small output goes past the channel to its socket. Here the socket is one of a pair, and the channel writes when it is told to.
@Suite struct SocketOutputTests {
  /// Keeps what the channel is to write.
  private final class Holder: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer
    private var held: [(size: Int, promise: EventLoopPromise<Void>?)] = []
    var size: Int { held.reduce(0) { $0 + $1.size } }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
      held.append((unwrapOutboundIn(data).readableBytes, promise))
    }
    func flush(context: ChannelHandlerContext) {}

    func release() {
      let all = held
      held = []
      for write in all { write.promise?.succeed() }
    }
  }

  /// Both ends of a connected pair, closed with it.
  private final class Pair {
    let near: CInt
    let far: CInt

    init() throws {
      var ends: [CInt] = [0, 0]
      try #require(socketpair(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0, &ends) == 0)
      (near, far) = (ends[0], ends[1])
    }

    deinit {
      close(near)
      close(far)
    }

    /// How many bytes have come since the last call.
    func receivedCount() -> Int {
      var bytes = [UInt8](repeating: 0, count: 1 << 20)
      var count = 0
      while case let more = recv(far, &bytes, bytes.count, CInt(MSG_DONTWAIT)), more > 0 { count += more }
      return count
    }
  }

  private let holder = Holder()
  private let user = RecordingConnection()

  /// A server's connection with an open stream.
  private func open(_ pair: Pair) throws -> (channel: EmbeddedChannel, connection: HTTP2Connection, stream: HTTP2Stream)
  {
    let connection = try HTTP2Connection(
      role: .server, configuration: .init(), delegate: user, socket: pair.near)
    let channel = EmbeddedChannel(handlers: [holder, connection])
    try channel.connect(to: SocketAddress(unixDomainSocketPath: "/peer")).wait()
    let client = try HTTP2Session(role: .client)
    _ = try client.openStream(requestHead, endStream: false)
    try client.takeOutput(limit: .max) { channel.pipeline.fireChannelRead($0) }
    channel.pipeline.fireChannelReadComplete()
    let stream = try #require(user.accepted.first?.stream)
    stream.respond([HTTP2Header(":status", "200")], endStream: false)
    channel.embeddedEventLoop.run()
    return (channel, connection, stream)
  }

  private func send(_ count: Int, _ stream: HTTP2Stream, _ channel: EmbeddedChannel) {
    stream.send(body: ByteBuffer(repeating: 1, count: count))
    channel.embeddedEventLoop.run()
  }

  @Test func smallOutputPassesTheChannelAndNothingElse() throws {
    let pair = try Pair()
    let (channel, _, stream) = try open(pair)
    #expect(pair.receivedCount() > 0 && holder.size == 0, "SETTINGS, and the head of the response")
    send(100, stream, channel)
    #expect(pair.receivedCount() == 109 && holder.size == 0)

    // Several pieces, which the channel writes with one system call.
    send(20_000, stream, channel)
    #expect(pair.receivedCount() == 0 && holder.size > 20_000)
    let large = holder.size
    send(100, stream, channel)
    #expect(pair.receivedCount() == 0 && holder.size == large + 109, "it stays behind what waits")
    holder.release()
    send(100, stream, channel)
    #expect(pair.receivedCount() == 109 && holder.size == 0)
    try channel.close().wait()
  }

  @Test func whatTheSocketDoesNotTakeGoesThroughTheChannel() throws {
    let pair = try Pair()
    let (channel, _, stream) = try open(pair)
    var sent = 0
    for _ in 0..<10_000 where holder.size == 0 {
      send(1000, stream, channel)
      sent += 1009
      // The peer's windows are not what ends this.
      if sent % 32_000 < 1009 { channel.pipeline.fireChannelRead(windowUpdates(32_000)) }
      channel.pipeline.fireChannelReadComplete()
    }
    #expect(holder.size > 0, "the socket was full")
    let rest = holder.size
    send(1000, stream, channel)
    #expect(holder.size > rest)
    holder.release()
    #expect(pair.receivedCount() > 0)
    try channel.close().wait()
  }

  /// Its number may be another connection's by then.
  @Test func aClosedConnectionLeavesItsSocketAlone() throws {
    let pair = try Pair()
    let (channel, connection, stream) = try open(pair)
    _ = pair.receivedCount()
    try channel.close().wait()
    #expect(connection.socket == nil)
    send(100, stream, channel)
    #expect(pair.receivedCount() == 0)
  }

  private func windowUpdates(_ count: Int) -> ByteBuffer {
    var bytes = ByteBuffer()
    for stream: UInt32 in [0, 1] {
      bytes.writeBytes([0, 0, 4, 8, 0])
      bytes.writeInteger(stream)
      bytes.writeInteger(UInt32(count))
    }
    return bytes
  }
}
