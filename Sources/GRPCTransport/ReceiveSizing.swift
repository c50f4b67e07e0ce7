internal import NIOCore
private import Synchronization

/// Sizes a connection's receive buffers by what arrives, and lets the connection keep the smallest only.
///
/// Most connections send ACKs for days after one large request. NIO keeps the first buffer that it was given and uses it
/// again unless a bigger one may be due; bigger ones are made for the read and go with what was read. So an idle connection
/// holds `minimum` bytes, whatever it has received.
///
/// What has been read may wait in line (`LoopTurns`). When many connections do, each reads less at a time, so that together they
/// hold no more than a budget, and what is read at least.
struct ReceiveSizing: RecvByteBufferAllocator {
  private var adaptive: AdaptiveRecvByteBufferAllocator
  private let minimum: Int
  private let waiting: WaitingInput?

  init(minimum: Int, maximum: Int, waiting: WaitingInput? = nil) {
    self.minimum = minimum
    self.waiting = waiting
    adaptive = AdaptiveRecvByteBufferAllocator(minimum: minimum, initial: minimum, maximum: maximum)
  }

  func buffer(allocator: ByteBufferAllocator) -> ByteBuffer {
    let buffer = adaptive.buffer(allocator: allocator)
    guard let share = waiting?.share, share < buffer.capacity else { return buffer }
    return allocator.buffer(capacity: max(share, minimum))
  }

  /// No size: with one, NIO would grow the buffer that it keeps, and never shrink it.
  func nextBufferSize() -> Int? { nil }

  /// - Returns: whether the next buffer is bigger than the one that is kept.
  mutating func record(actualReadBytes: Int) -> Bool {
    _ = adaptive.record(actualReadBytes: actualReadBytes)
    return adaptive.nextBufferSize().map { $0 > minimum } ?? false
  }
}

/// How many connections of an event loop have read what is not handled yet.
final class WaitingInput: Sendable {
  private let budget: Int
  private let connections = Atomic<Int>(0)

  /// - Parameter budget: bytes that they may have read together.
  init(budget: Int) { self.budget = budget }

  /// What one more may read: a slice at least (`LoopTurns`).
  var share: Int { max(2048, budget / max(1, connections.load(ordering: .relaxed))) }

  func note(_ more: Int) { connections.add(more, ordering: .relaxed) }
}
