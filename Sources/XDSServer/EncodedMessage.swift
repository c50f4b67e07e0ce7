internal import GRPCTransport
internal import NIOCore

/// The bytes of one response with its nonce, shared by all streams that send it, and charged once for as long as any of them
/// has not had its answer.
final class EncodedMessage: Sendable {
  let buffer: ByteBuffer
  private let memory: BufferAccount

  /// The bytes exist, so they are charged whether there is room or not.
  init(_ buffer: ByteBuffer, memory: BufferAccount) {
    self.buffer = buffer
    self.memory = memory
    memory.chargeAnyway(buffer.readableBytes)
  }

  /// So small that it does not count in a client's share.
  var isNegligible: Bool { buffer.readableBytes < ClientShare.negligible }

  deinit { memory.release(buffer.readableBytes) }
}
