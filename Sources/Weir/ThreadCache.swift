#if canImport(Glibc)
  internal import Glibc
#endif

/// The small blocks that glibc keeps of what a thread has freed, for that thread's next allocations: 7 of each size to 1,032
/// bytes ("tcache").
///
/// They are a few hundred kilobytes at most. But when all that was around them has gone, each lies in a page of its own, and
/// `malloc_trim` gives back no page in which there is such a block: after 2,000 hostile connections these were half of
/// the 6 MB that stayed. glibc lets go of them when the thread ends, and has no call for it.
enum ThreadCache {
  #if canImport(Glibc)
    private static let sizes = Array(stride(from: 24, through: 1032, by: 16))
    private static let countOfEach = 7

    private typealias Blocks = UnsafeMutableBufferPointer<UnsafeMutableRawPointer?>

    /// What is freed with as much as this around it makes glibc look whether the arena's end can go back (64 KiB there).
    private static let large = 96 << 10

    /// Empties that of the calling thread: all that can be in it is allocated, and freed on a thread that ends. Some 0.1 ms.
    /// For that the thread's arena grows by up to 235 kB, and gives that back too if arenas are to keep nothing at their ends
    /// (``HeapReturn/withEndsGivenBack(_:)``).
    @Sendable static func empty() {
      let blocks = Blocks.allocate(capacity: countOfEach * sizes.count)
      blocks.initialize(repeating: nil)
      defer { blocks.deallocate() }
      var index = 0
      for size in sizes {
        for _ in 0..<countOfEach {
          blocks[index] = malloc(size)
          index += 1
        }
      }
      let last = malloc(large)
      var thread = pthread_t()
      let failure = pthread_create(
        &thread, nil,
        { start in
          ThreadCache.free(start?.assumingMemoryBound(to: UnsafeMutableRawPointer?.self))
          return nil
        }, blocks.baseAddress)
      if failure == 0 { pthread_join(thread, nil) } else { free(blocks.baseAddress) }
      // Only now, as the thread's own cache, where these blocks were last, went with it.
      Glibc.free(last)
    }

    private static func free(_ start: UnsafeMutablePointer<UnsafeMutableRawPointer?>?) {
      for block in Blocks(start: start, count: countOfEach * sizes.count) { Glibc.free(block) }
    }
  #else
    @Sendable static func empty() {}
  #endif
}
