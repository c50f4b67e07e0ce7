internal import NIOCore

/// Sizes a connection's receive buffers by what arrives, and lets the connection keep the smallest only.
///
/// Most connections send ACKs for days after one large request. NIO keeps the first buffer that it was given and uses it
/// again unless a bigger one may be due; bigger ones are made for the read and go with what was read. So an idle connection
/// holds `minimum` bytes, whatever it has received.
struct ReceiveSizing: RecvByteBufferAllocator {
  private var adaptive: AdaptiveRecvByteBufferAllocator
  private let minimum: Int

  init(minimum: Int, maximum: Int) {
    self.minimum = minimum
    adaptive = AdaptiveRecvByteBufferAllocator(minimum: minimum, initial: minimum, maximum: maximum)
  }

  func buffer(allocator: ByteBufferAllocator) -> ByteBuffer { adaptive.buffer(allocator: allocator) }

  /// No size: with one, NIO would grow the buffer that it keeps, and never shrink it.
  func nextBufferSize() -> Int? { nil }

  /// - Returns: whether the next buffer is bigger than the one that is kept.
  mutating func record(actualReadBytes: Int) -> Bool {
    _ = adaptive.record(actualReadBytes: actualReadBytes)
    return adaptive.nextBufferSize().map { $0 > minimum } ?? false
  }
}
