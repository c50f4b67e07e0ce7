internal import Foundation

#if canImport(Glibc)
  internal import Glibc
#endif

/// The small blocks that glibc keeps of what a thread has freed, for that thread's next allocations: 7 of each size to 1,032
/// bytes ("tcache").
///
/// They are a few hundred kilobytes at most. But when all that was around them has gone, each lies in a page of its own, and
/// `malloc_trim` gives back no page in which there is such a block: after 2,000 hostile connections these were half of
/// the 6 MB that stayed. glibc lets go of them when the thread ends, and has no call for it. So the thread allocates all that
/// can be there, and another one frees that and ends.
enum ThreadCache {
  /// What a thread has allocated to that end: addresses.
  struct Blocks: Sendable {
    #if canImport(Glibc)
      fileprivate var small: [UInt] = []
      /// When this one is freed with as much around it, glibc looks whether the arena's end can go back (from 64 KiB).
      fileprivate var large = UInt(bitPattern: malloc(96 << 10))
    #endif
  }

  #if canImport(Glibc)
    private static let sizes = Array(stride(from: 24, through: 1032, by: 16))
    private static let countOfEach = 7

    /// Empties that of the calling thread. Some 50 µs. Its arena grows by up to 235 kB for it, until the blocks are given back.
    @Sendable static func take() -> Blocks {
      var blocks = Blocks()
      blocks.small.reserveCapacity(countOfEach * sizes.count)
      for size in sizes {
        for _ in 0..<countOfEach { blocks.small.append(UInt(bitPattern: malloc(size))) }
      }
      return blocks
    }

    /// One after another, for arenas' ends are one setting of the process.
    private static let queue = DispatchQueue(label: "weir.thread-cache")

    /// Frees what threads have taken, and then does `action`, on a thread that nobody waits for.
    static func giveBack(_ blocks: [Blocks], then action: @escaping @Sendable () -> Void = {}) {
      queue.async {
        onThreadOfItsOwn {
          for address in blocks.flatMap(\.small) { free(UnsafeMutableRawPointer(bitPattern: address)) }
        }
        // Only now, as that thread's own cache, where these blocks were last, went with it.
        HeapReturn.withEndsGivenBack {
          for block in blocks { free(UnsafeMutableRawPointer(bitPattern: block.large)) }
        }
        action()
      }
    }

    /// Returns when the thread has ended.
    private static func onThreadOfItsOwn(_ action: @escaping () -> Void) {
      final class Start {
        let action: () -> Void
        init(_ action: @escaping () -> Void) { self.action = action }
      }
      let start = Unmanaged.passRetained(Start(action))
      var thread = pthread_t()
      let failure = pthread_create(
        &thread, nil,
        { start in
          if let start { Unmanaged<Start>.fromOpaque(start).takeRetainedValue().action() }
          return nil
        }, start.toOpaque())
      if failure == 0 { pthread_join(thread, nil) } else { start.takeRetainedValue().action() }
    }
  #else
    @Sendable static func take() -> Blocks { Blocks() }
    static func giveBack(_ blocks: [Blocks], then action: @escaping @Sendable () -> Void = {}) { action() }
  #endif
}
