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
    private var held: [(bytes: [UInt8], promise: EventLoopPromise<Void>?)] = []
    var size: Int { held.reduce(0) { $0 + $1.bytes.count } }
    var bytes: [UInt8] { held.flatMap(\.bytes) }

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
      held.append((Array(unwrapOutboundIn(data).readableBytesView), promise))
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

    /// Two of TCP, whose near end has room for little and takes parts of what it is given.
    init(room: CInt) throws {
      let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
      defer { Glibc.close(listener) }
      var address = sockaddr_in()
      address.sin_family = sa_family_t(AF_INET)
      address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
      var size = socklen_t(MemoryLayout<sockaddr_in>.size)
      near = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
      var room = room
      setsockopt(near, SOL_SOCKET, SO_SNDBUF, &room, socklen_t(MemoryLayout<CInt>.size))
      setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &room, socklen_t(MemoryLayout<CInt>.size))
      // It takes whole segments.
      var segment: CInt = 200
      setsockopt(near, CInt(IPPROTO_TCP), TCP_MAXSEG, &segment, socklen_t(MemoryLayout<CInt>.size))
      let near = near
      let isConnected = withUnsafeMutablePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
          bind(listener, address, size) == 0 && listen(listener, 1) == 0 && getsockname(listener, address, &size) == 0
            && connect(near, address, size) == 0
        }
      }
      far = accept(listener, nil, nil)
      try #require(isConnected && far >= 0)
      // As NIO has them.
      try #require(fcntl(near, F_SETFL, O_NONBLOCK) == 0)
    }

    deinit {
      close(near)
      close(far)
    }

    /// How many bytes have come since the last call.
    func receivedCount() -> Int { received().count }

    /// What has come since the last call, of at most so many bytes.
    func received(_ limit: Int = .max) -> [UInt8] {
      var part = [UInt8](repeating: 0, count: 1 << 20)
      var all: [UInt8] = []
      while case let more = recv(far, &part, min(part.count, limit - all.count), CInt(MSG_DONTWAIT)), more > 0 {
        all += part.prefix(more)
      }
      return all
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

  /// What it takes of a piece is not written again, and nothing is lost.
  @Test func theRestOfAPieceOfWhichTheSocketTakesAPartGoesThroughTheChannel() throws {
    let pair = try Pair(room: 4096)
    let (channel, _, stream) = try open(pair)
    var sent: [UInt8] = []
    _ = pair.received()
    var partial = 0
    var bytes: [UInt8] = []
    for round in 0..<2000 where partial < 3 {
      let body = (0..<1000).map { UInt8(truncatingIfNeeded: $0 / 3 + round) }
      sent += [0, 3, 0xE8, 0, 0, 0, 0, 0, 1] + body
      stream.send(body: ByteBuffer(bytes: body))
      channel.embeddedEventLoop.run()
      if holder.size > 0 {
        if holder.size % 1009 != 0 { partial += 1 }
        // First what is in the socket, then what the channel has.
        bytes += try everything(pair, sent.count - bytes.count - holder.size)
        bytes += holder.bytes
        holder.release()
      }
      if round % 30 == 29 { channel.pipeline.fireChannelRead(windowUpdates(30_000)) }
      channel.pipeline.fireChannelReadComplete()
    }
    bytes += try everything(pair, sent.count - bytes.count)
    #expect(partial == 3, "the socket took a part of a piece")
    #expect(bytes == sent)
    try channel.close().wait()
  }

  /// So many bytes that are on their way.
  private func everything(_ pair: Pair, _ count: Int) throws -> [UInt8] {
    var bytes: [UInt8] = []
    for _ in 0..<10_000 where bytes.count < count {
      var event = pollfd(fd: pair.far, events: Int16(POLLIN), revents: 0)
      try #require(poll(&event, 1, 10_000) == 1, "\(bytes.count) of \(count) bytes came")
      bytes += pair.received(count - bytes.count)
    }
    return bytes
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
