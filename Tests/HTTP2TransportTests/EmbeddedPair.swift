import HTTP2Session
import HTTP2Transport
import NIOCore
import NIOEmbedded

/// A stream user that writes down what it hears.
final class RecordingStream: HTTP2StreamDelegate {
  var stream: HTTP2Stream?
  var heads: [[HTTP2Header]] = []
  var body: [UInt8] = []
  var ended = 0
  var writability: [Bool] = []
  var drains = 0
  var closures: [HTTP2StreamCloseReason] = []
  var consumesAtOnce = true
  /// Called when there is more of the body.
  var onBody: () -> Void = {}

  func received(headers: [HTTP2Header], kind: HTTP2HeaderKind, endStream: Bool) { heads.append(headers) }
  func received(body bytes: ByteBuffer) {
    body.append(contentsOf: bytes.readableBytesView)
    onBody()
    if consumesAtOnce { stream?.consume(bytes.readableBytes) }
  }
  func receivedEnd() { ended += 1 }
  func writabilityChanged(isWritable: Bool) { writability.append(isWritable) }
  func connectionDraining() { drains += 1 }
  func closed(_ reason: HTTP2StreamCloseReason) { closures.append(reason) }
}

final class RecordingConnection: HTTP2ConnectionDelegate {
  var ready = 0
  var accepted: [RecordingStream] = []
  var goingAway = 0
  var closures: [HTTP2ConnectionError] = []
  var refuses = false

  func connectionReady(_: HTTP2Connection) { ready += 1 }
  func connection(
    _: HTTP2Connection, accept stream: HTTP2Stream, head: [HTTP2Header], endStream: Bool
  ) -> (any HTTP2StreamDelegate)? {
    guard !refuses else { return nil }
    let user = RecordingStream()
    user.stream = stream
    user.heads.append(head)
    accepted.append(user)
    return user
  }
  func connectionGoingAway(_: HTTP2Connection) { goingAway += 1 }
  func connection(_: HTTP2Connection, closed error: HTTP2ConnectionError) { closures.append(error) }
}

/// Counts what a handler asks of the socket.
final class OutboundCounter: ChannelOutboundHandler {
  typealias OutboundIn = ByteBuffer
  var writes = 0
  var flushes = 0

  func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
    writes += 1
    context.write(data, promise: promise)
  }
  func flush(context: ChannelHandlerContext) {
    flushes += 1
    context.flush()
  }
}

/// A client and a server connection on embedded channels that share one hand-driven clock.
final class EmbeddedPair {
  let loop = EmbeddedEventLoop()
  let clientChannel: EmbeddedChannel
  let serverChannel: EmbeddedChannel
  let client: HTTP2Connection
  let server: HTTP2Connection
  let clientUser = RecordingConnection()
  let serverUser = RecordingConnection()
  let serverOutput = OutboundCounter()

  init(client: HTTP2ConnectionConfiguration = .init(), server: HTTP2ConnectionConfiguration = .init()) throws {
    self.client = try HTTP2Connection(role: .client, configuration: client, delegate: clientUser)
    self.server = try HTTP2Connection(role: .server, configuration: server, delegate: serverUser)
    clientChannel = EmbeddedChannel(handlers: [self.client], loop: loop)
    serverChannel = EmbeddedChannel(handlers: [serverOutput, self.server], loop: loop)
    try clientChannel.connect(to: SocketAddress(unixDomainSocketPath: "/peer")).wait()
    try serverChannel.connect(to: SocketAddress(unixDomainSocketPath: "/peer")).wait()
    try pump()
  }

  deinit {
    clientChannel.close(promise: nil)
    serverChannel.close(promise: nil)
    loop.run()
  }

  /// Moves bytes until both ends are quiet. Bytes for a closed end are lost, as on a network.
  func pump() throws {
    var moved = true
    while moved {
      loop.run()
      let toServer = try move(from: clientChannel, to: serverChannel)
      let toClient = try move(from: serverChannel, to: clientChannel)
      moved = toServer || toClient
    }
  }

  private func move(from: EmbeddedChannel, to: EmbeddedChannel) throws -> Bool {
    var moved = false
    while let buffer = try from.readOutbound(as: ByteBuffer.self) {
      moved = true
      if to.isActive, buffer.readableBytes > 0 { to.pipeline.fireChannelRead(buffer) }
    }
    if moved, to.isActive { to.pipeline.fireChannelReadComplete() }
    if !from.isActive, to.isActive { to.close(promise: nil) }
    return moved
  }
}

let requestHead = [
  HTTP2Header(":method", "POST"), HTTP2Header(":scheme", "http"), HTTP2Header(":path", "/echo"),
  HTTP2Header(":authority", "weir"),
]
let responseHead = [HTTP2Header(":status", "200")]
