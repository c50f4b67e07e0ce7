import Dispatch
import Glibc
import HTTP2Session
import NIOCore
import NIOPosix
import Testing

@testable import HTTP2Transport

/// A large body over TCP, to a channel as a server has them, and then the client's end.
@Suite(.timeLimit(.minutes(1))) struct SocketChannelTests {
  /// A client that is heard on the event loop.
  private final class User: HTTP2ConnectionDelegate {
    let stream = RecordingStream()
    let closed: EventLoopPromise<Void>
    var closures: [HTTP2ConnectionError] = []
    /// Bytes that came through the channel.
    var channelBytes = 0

    init(_ closed: EventLoopPromise<Void>) { self.closed = closed }

    func connectionReady(_: HTTP2Connection) {}
    func connectionGoingAway(_: HTTP2Connection) {}
    func connection(
      _: HTTP2Connection, accept stream: HTTP2Stream, head: [HTTP2Header], endStream: Bool
    ) -> (any HTTP2StreamDelegate)? {
      self.stream.stream = stream
      return self.stream
    }
    func connection(_: HTTP2Connection, closed error: HTTP2ConnectionError) {
      closures.append(error)
      closed.succeed()
    }
  }

  private final class Counter: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    let user: User
    init(_ user: User) { self.user = user }
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      user.channelBytes += unwrapInboundIn(data).readableBytes
      context.fireChannelRead(data)
    }
  }

  /// Two ends of a TCP connection.
  private static func connect() throws -> (near: CInt, far: CInt) {
    let listener = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    defer { Glibc.close(listener) }
    let far = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var size = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isConnected = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
        bind(listener, address, size) == 0 && listen(listener, 1) == 0 && getsockname(listener, address, &size) == 0
          && Glibc.connect(far, address, size) == 0
      }
    }
    let near = accept(listener, nil, nil)
    try #require(isConnected && near >= 0)
    return (near, far)
  }

  private static func body() -> [UInt8] { (0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 &* 31 >> 3) } }

  /// What the client says: a request that goes on.
  private static func request() throws -> [UInt8] {
    let client = try HTTP2Session(role: .client)
    _ = try client.openStream(requestHead, endStream: false)
    var bytes: [UInt8] = []
    try client.takeOutput(limit: .max) { bytes += $0.readableBytesView }
    // The server's SETTINGS, which come first.
    bytes += [0, 0, 0, 4, 1, 0, 0, 0, 0]
    let body = body()
    for start in stride(from: 0, to: body.count, by: 16_384) {
      bytes += [0, 0x40, 0, 0, 0, 0, 0, 0, 1] + body[start..<start + 16_384]
    }
    return bytes
  }

  private static func send(_ bytes: ArraySlice<UInt8>, to socket: CInt, _ flags: CInt) -> Int {
    bytes.withUnsafeBytes { Glibc.send(socket, $0.baseAddress, $0.count, flags | CInt(MSG_NOSIGNAL)) }
  }

  private struct Heard: Sendable {
    var body: [UInt8]
    var closures: [HTTP2ConnectionError]
  }

  /// The client says it all, and then ends in some way, when so many bytes of the body have been heard. Returns what was heard.
  private func serve(whenHeard count: Int = 0, _ end: @escaping @Sendable (CInt) -> Void) async throws -> Heard {
    let (near, far) = try Self.connect()
    let request = try Self.request()
    // Much of it is there before the channel is.
    let first = Self.send(request[...], to: far, CInt(MSG_DONTWAIT))
    #expect(first > 32_768)
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    let mayEnd = DispatchSemaphore(value: 0)
    let user = try await loop.submit {
      let user = User(loop.makePromise())
      user.stream.onBody = { [unowned stream = user.stream] in if stream.body.count >= count { mayEnd.signal() } }
      return NIOLoopBound(user, eventLoop: loop)
    }.get()
    _ = try await ClientBootstrap(group: loop)
      .channelOption(.maxMessagesPerRead, value: 1)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          var shares = LoopTurns.Shares()
          // Nothing waits in line, where an end would find it.
          shares.trusted = .seconds(60)
          let connection = try HTTP2Connection(
            role: .server, configuration: .init(), delegate: user.value,
            turns: LoopTurns(eventLoop: loop, shares: shares), socket: near)
          try channel.pipeline.syncOperations.addHandlers([Counter(user.value), connection])
        }
      }
      .withConnectedSocket(near).get()
    let sent = try await NIOSingletons.posixBlockingThreadPool.runIfActive {
      var sent = first
      while sent < request.count {
        let count = Self.send(request[sent...], to: far, 0)
        if count <= 0 { break }
        sent += count
      }
      let isTimedOut = mayEnd.wait(timeout: .now() + 30) == .timedOut
      #expect(!isTimedOut, "it has been heard")
      end(far)
      return sent
    }
    try await loop.flatSubmit { user.value.closed.futureResult }.get()
    #expect(sent == request.count)
    let (stream, channelBytes, heard) = try await loop.submit {
      let user = user.value
      let isLost = if case .connectionLost = user.stream.closures.first { true } else { false }
      let stream = (isLost: isLost, closures: user.stream.closures.count, ends: user.stream.ended)
      return (stream, user.channelBytes, Heard(body: user.stream.body, closures: user.closures))
    }.get()
    #expect(stream == (isLost: true, closures: 1, ends: 0) && heard.closures.count == 1)
    #expect(channelBytes > 0 && channelBytes < heard.body.count, "the rest was read past the channel")
    return heard
  }

  @Test func nothingIsLostBeforeTheEnd() async throws {
    let heard = try await serve { socket in
      shutdown(socket, CInt(SHUT_WR))
      // It is closed when the server has closed: what it has not read would make it a reset.
      var bytes = [UInt8](repeating: 0, count: 1 << 16)
      while recv(socket, &bytes, bytes.count, 0) > 0 {}
      Glibc.close(socket)
    }
    let isWhole = heard.body == Self.body()
    #expect(isWhole, "\(heard.body.count) bytes")
    #expect(heard.closures.first?.code == .closedByPeer)
  }

  @Test func aResetIsFound() async throws {
    // A reset drops what has not been read.
    let heard = try await serve(whenHeard: 1 << 19) { socket in
      var linger = linger(l_onoff: 1, l_linger: 0)
      setsockopt(socket, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout.size(ofValue: linger)))
      Glibc.close(socket)
    }
    // What was on its way may be lost, and nothing in between.
    let isBegin = Self.body().starts(with: heard.body)
    #expect(isBegin && heard.body.count >= 1 << 19)
  }
}
