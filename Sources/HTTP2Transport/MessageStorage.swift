public import NIOCore

/// The memory of large messages that were handled, for the next ones. To ask the system for a megabyte and to touch it for the first
/// time costs as much as to read what comes into it.
///
/// It is kept for as long as large messages follow each other, and a moment longer. Confined to its event loop.
public final class MessageStorage {
  /// Bytes of memory from which on it is kept. `weir serve` has the system give blocks of this size, and take them back when they are
  /// freed (`HeapReturn`); smaller ones would leave holes among what lives on, which stay resident.
  public static let least = 1 << 20
  /// Bytes that are kept.
  static let most = 8 << 20
  /// Kept for so long after the last use, and up to twice as long.
  static let time = TimeAmount.seconds(1)

  private let timers: LoopTimers
  private var spare: [ByteBuffer] = []
  private(set) var byteCount = 0
  private var timer: LoopTimers.Timer?
  private var isUsed = false

  public init(timers: LoopTimers) { self.timers = timers }

  /// Memory for so many bytes, and no more than a limit: nobody is to hold much for having announced it. What it holds besides, if
  /// somebody still reads it there, stays as it is.
  public func take(for count: Int, atMost limit: Int) -> ByteBuffer? {
    // The oldest: the last may still be read.
    guard let index = spare.firstIndex(where: { $0.storageCapacity >= count && $0.storageCapacity <= limit })
    else { return nil }
    isUsed = true
    var buffer = spare.remove(at: index)
    byteCount -= buffer.storageCapacity
    // New memory if somebody refers to it.
    buffer.clear()
    return buffer
  }

  /// - Parameter buffer: somebody may still refer to what it holds.
  public func give(_ buffer: ByteBuffer) {
    let size = buffer.storageCapacity
    guard size >= Self.least, byteCount + size <= Self.most else { return }
    isUsed = true
    spare.append(buffer)
    byteCount += size
    look()
  }

  private func look() {
    guard timer == nil else { return }
    timer = timers.schedule(in: Self.time) { [self] in
      timer = nil
      if isUsed {
        isUsed = false
        look()
      } else {
        (spare, byteCount) = ([], 0)
      }
    }
  }
}
