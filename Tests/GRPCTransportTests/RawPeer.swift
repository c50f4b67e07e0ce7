import NIOCore
import NIOPosix
import Testing

@testable import GRPCTransport

/// A client that writes its own HTTP/2 frames, or none.
final class RawPeer: Sendable {
  let channel: any Channel
  private let collector: NIOLoopBound<Collector>

  private final class Collector: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    var bytes = ByteBuffer()
    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      bytes.writeImmutableBuffer(unwrapInboundIn(data))
    }
    /// A reset by the server is an end like any other here.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
  }

  private init(_ channel: any Channel, _ collector: NIOLoopBound<Collector>) {
    self.channel = channel
    self.collector = collector
  }

  static func connect(to server: TestServer, from source: String? = nil, reads: Bool = true) async throws -> RawPeer {
    guard case .tcp(let host, let port) = server.address else { throw CallProbe.CallOver() }
    let loop = server.group.next()
    let collector = try await loop.submit { NIOLoopBound(Collector(), eventLoop: loop) }.get()
    var bootstrap = ClientBootstrap(group: loop)
    if let source { bootstrap = bootstrap.bind(to: try SocketAddress(ipAddress: source, port: 0)) }
    let channel =
      try await bootstrap
      .channelOption(.autoRead, value: reads)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture { try channel.pipeline.syncOperations.addHandler(collector.value) }
      }
      .connect(host: host, port: port).get()
    // A server that should close and does not fails its test instead of holding it up.
    let patience = loop.scheduleTask(in: .seconds(20)) { channel.close(promise: nil) }
    channel.closeFuture.whenComplete { _ in patience.cancel() }
    return RawPeer(channel, collector)
  }

  /// What is written to a connection that the server has closed is lost, as on any network.
  func send(_ bytes: [UInt8]) { channel.writeAndFlush(ByteBuffer(bytes: bytes), promise: nil) }

  /// All bytes until the server closes.
  func received() async throws -> [UInt8] {
    try await channel.closeFuture.get()
    return try await channel.eventLoop.submit { [collector] in Array(collector.value.bytes.readableBytesView) }.get()
  }

  /// The frames until the server closes.
  func frames() async throws -> [Frame] {
    var rest = try await received()[...]
    var frames: [Frame] = []
    while rest.count >= 9 {
      let head = Array(rest.prefix(9))
      let length = Int(head[0]) << 16 | Int(head[1]) << 8 | Int(head[2])
      let payload = Array(rest.dropFirst(9).prefix(length))
      frames.append(Frame(type: head[3], payload: payload))
      rest = rest.dropFirst(9 + length)
    }
    return frames
  }

  struct Frame {
    var type: UInt8
    var payload: [UInt8]
    var goAway: (code: UInt8, text: String)? {
      type == 7 && payload.count >= 8 ? (payload[7], String(decoding: payload[8...], as: UTF8.self)) : nil
    }
  }

  static let magic = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
  static let preface = magic + frame(type: 4)

  static func frame(type: UInt8, flags: UInt8 = 0, stream: UInt8 = 0, payload: [UInt8] = []) -> [UInt8] {
    [0, UInt8(payload.count >> 8 & 0xff), UInt8(payload.count & 0xff), type, flags, 0, 0, 0, stream] + payload
  }

  /// A HEADERS frame that begins a call.
  /// - Parameter fields: more of them, encoded.
  static func call(_ method: String, stream: UInt8, fields: [UInt8] = []) -> [UInt8] {
    let path = Array(method.utf8)
    let type = Array("application/grpc".utf8)
    // RFC 7541, appendix A: POST, http; then literals with indexed names.
    let block: [UInt8] =
      [0x83, 0x86, 0x04, UInt8(path.count)] + path + [0x01, 1, 0x61, 0x0f, 0x10, UInt8(type.count)] + type + fields
    return frame(type: 1, flags: 4, stream: stream, payload: block)
  }
}

extension TestServer {
  /// Whether a call goes through on a connection of its own.
  func serves() async -> Bool {
    guard let client = try? await connect() else { return false }
    let call = await client.probe("/test/Echo")
    try? await call.run { $0.send(ByteBuffer(string: "?")) }
    let answer = try? await call.message()
    await client.close()
    return answer != nil
  }

  /// Waits for something that follows from what the peer of a connection sees, on another thread.
  func eventually(_ condition: () -> Bool) async -> Bool {
    for _ in 0..<1000 where !condition() {
      // A turn of an event loop, where the things that are waited for happen.
      try? await group.next().scheduleTask(in: .milliseconds(2)) {}.futureResult.get()
    }
    return condition()
  }
}
