#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif
internal import NIOCore

/// Where the connections of an event loop read the rest of large bodies into, past their channels: memory that stays in the
/// processor's cache, for what is copied to its message at once. Whatever keeps some of it keeps the storage, and the next read has a
/// new one.
///
/// Confined to its event loop.
final class InputScratch {
  private var buffer = ByteBuffer()
  static let capacity = 64 << 10

  /// What a socket has, up to `limit` bytes. Nothing if it has none, has ended or failed: the channel finds the end when it reads.
  func read(from socket: CInt, upTo limit: Int) -> ByteBuffer {
    if buffer.capacity == 0 {
      buffer = ByteBufferAllocator().buffer(capacity: Self.capacity)
    } else {
      buffer.clear()
    }
    buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 0) {
      max(0, recv(socket, $0.baseAddress, min(limit, $0.count), CInt(MSG_DONTWAIT)))
    }
    return buffer
  }
}
