internal import HTTP2Session
internal import NIOCore

/// A connection that is one too many: it is told so, and closed. No session is made for it.
///
/// SETTINGS and GOAWAY go out before the client has said anything (RFC 9113, section 3.4 lets a server speak at once), with
/// last stream 0: whatever the client has sent was not looked at and can be sent again elsewhere. Then this end closes its
/// side and waits a moment for the client to close the other, for closing both with unread bytes in the socket would reset
/// the connection, and the client might never read why.
final class RefusedConnection: ChannelInboundHandler {
  typealias InboundIn = ByteBuffer
  typealias OutboundOut = ByteBuffer

  /// How long the client may take to close.
  static let linger = TimeAmount.seconds(1)
  /// Bytes that are read from it meanwhile.
  private static let patience = 64 << 10

  private let farewell: ByteBuffer
  private var received = 0
  private var timer: Scheduled<Void>?

  /// - Parameter farewell: what to say, from ``farewell(_:)``; shared by all who are told the same.
  init(farewell: ByteBuffer) {
    self.farewell = farewell
  }

  static func farewell(_ reason: String) -> ByteBuffer {
    let text = Array(reason.utf8)
    var buffer = ByteBufferAllocator().buffer(capacity: 34 + text.count)
    func writeFrameHead(length: Int, type: UInt8) {
      buffer.writeInteger(UInt32(length << 8) | UInt32(type))
      buffer.writeInteger(UInt8(0))
      buffer.writeInteger(UInt32(0))
    }
    writeFrameHead(length: 0, type: 4)
    writeFrameHead(length: 8 + text.count, type: 7)
    buffer.writeInteger(UInt32(0))
    buffer.writeInteger(HTTP2ErrorCode.enhanceYourCalm.rawValue)
    buffer.writeBytes(text)
    return buffer
  }

  func channelActive(context: ChannelHandlerContext) {
    let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
    timer = context.eventLoop.scheduleTask(in: Self.linger) { bound.value.close(promise: nil) }
    context.writeAndFlush(wrapOutboundOut(farewell)).whenComplete { _ in
      bound.value.close(mode: .output, promise: nil)
    }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    received += unwrapInboundIn(data).readableBytes
    if received > Self.patience { context.close(promise: nil) }
  }

  func channelInactive(context: ChannelHandlerContext) {
    timer?.cancel()
    timer = nil
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
