#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#else
  internal import Darwin
#endif

/// The memory of tables that are looked into anywhere, and grow large.
///
/// From a mebibyte on they stand in large pages where the system has such. Of a small page each look would have to find the place
/// first, and each would be made by the system by itself, when it is first touched: of a full compile that was a third.
///
/// A block is known by its size: who gives it back or changes it says how large it is.
@usableFromInline enum LargeMemory {
  private static let pageByteCount = 2 << 20
  private static let smallestByteCount = 1 << 20

  @usableFromInline static func allocate(byteCount: Int) -> UnsafeMutableRawPointer {
    if isLarge(byteCount), let pages = pages(byteCount) { return pages }
    guard let memory = malloc(byteCount) else { fatalError("out of memory") }
    return memory
  }

  @usableFromInline static func deallocate(_ memory: UnsafeMutableRawPointer, byteCount: Int) {
    #if os(Linux)
      if isLarge(byteCount) {
        munmap(memory, rounded(byteCount))
        return
      }
    #endif
    free(memory)
  }

  /// Another block in the place of one, with what is in the beginning of it.
  @usableFromInline static func resize(
    _ memory: UnsafeMutableRawPointer, from byteCount: Int, to wanted: Int, keeping kept: Int
  ) -> UnsafeMutableRawPointer {
    if !isLarge(byteCount), !isLarge(wanted) {
      guard let memory = realloc(memory, wanted) else { fatalError("out of memory") }
      return memory
    }
    let other = allocate(byteCount: wanted)
    other.copyMemory(from: memory, byteCount: kept)
    deallocate(memory, byteCount: byteCount)
    return other
  }

  #if os(Linux)
    private static func isLarge(_ byteCount: Int) -> Bool { byteCount >= smallestByteCount }

    private static func rounded(_ byteCount: Int) -> Int { (byteCount + pageByteCount - 1) & ~(pageByteCount - 1) }

    private static func pages(_ byteCount: Int) -> UnsafeMutableRawPointer? {
      let count = rounded(byteCount)
      // One page more, for a place that begins with a page; what is around it goes back.
      let mapping = mmap(nil, count + pageByteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
      guard let mapping, mapping != MAP_FAILED else { fatalError("out of memory") }
      let before = -Int(bitPattern: mapping) & (pageByteCount - 1)
      let memory = mapping + before
      if before > 0 { munmap(mapping, before) }
      if before < pageByteCount { munmap(memory + count, pageByteCount - before) }
      // A wish; without it all is as before.
      _ = madvise(memory, count, MADV_HUGEPAGE)
      return memory
    }
  #else
    private static func isLarge(_: Int) -> Bool { false }
    private static func pages(_: Int) -> UnsafeMutableRawPointer? { nil }
  #endif
}
