internal import NIOCore

/// Where sessions put together what they write: frame headers, control frames and small bodies.
///
/// The sessions of one thread share one. What a session has written is as a rule out, and the memory free again, before the
/// next one writes; so a push to a thousand connections goes through memory that is in the processor's cache, and none of them
/// keeps any. Where it is not out yet, the buffer has a new storage.
///
/// Confined to its thread.
public final class OutputScratch {
  var buffer = ByteBuffer()
  /// A storage that is larger goes with what it was used for.
  private static let keptCapacity = 8 * 1024

  public init() {}

  func begin() {
    if buffer.storageCapacity == 0 {
      buffer = ByteBufferAllocator().buffer(capacity: 2048)
    } else {
      // Makes a new storage if the old one still waits to be written.
      buffer.clear()
    }
  }

  func end() { if buffer.storageCapacity > Self.keptCapacity { buffer = ByteBuffer() } }
}
