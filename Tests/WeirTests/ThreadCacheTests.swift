import Foundation
import Synchronization
import Testing

@testable import Weir

@Suite struct ThreadCacheTests {
  /// Blocks of all sizes, pages apart, are freed, and then all that is between them.
  @Test func noPageStaysForABlockThatAThreadKeeps() throws {
    Thread {
      var pages: [UInt] = []
      var between: [UnsafeMutableRawPointer?] = []
      var others: [UnsafeMutableRawPointer?] = []
      var kept: [UnsafeMutableRawPointer?] = []
      for size in stride(from: 24, through: 1032, by: 16) {
        // Only those count that lie in fresh memory between two of these; what the heap has free elsewhere is used up first.
        var (found, last) = (0, malloc(8192))
        between.append(last)
        for _ in 0..<10_000 where found < 7 {
          let block = malloc(size)
          let next = malloc(8192)
          between.append(next)
          let isBetween =
            UInt(bitPattern: last) + 8192 + 16 == UInt(bitPattern: block)
            && UInt(bitPattern: block) + UInt(size) + 8 == UInt(bitPattern: next)
          if isBetween {
            found += 1
            kept.append(block)
            pages.append(UInt(bitPattern: block) & ~4095)
          } else {
            others.append(block)
          }
          last = next
        }
      }
      for block in kept + between { free(block) }
      HeapReturn.trim()
      let before = Self.residentCount(pages)
      ThreadCache.empty()
      HeapReturn.trim()
      Self.outcome.withLock { $0 = (before, Self.residentCount(pages)) }
      for block in others { free(block) }
      Self.isDone.signal()
    }.start()
    Self.isDone.wait()
    let (before, after) = try #require(Self.outcome.withLock { $0 })
    #expect(before > 400, "each of 448 blocks holds the page that it begins in")
    #expect(after < before / 4)
  }

  /// Blocks at the arena's end are freed: less than what glibc usually keeps there.
  @Test func nothingStaysAtTheEndOfTheArena() async {
    let (before, after) = await withCheckedContinuation { done in
      Thread {
        // The last of so many come from its end: what the heap has free elsewhere is used up by then.
        let blocks = (0..<10_000).compactMap { _ in malloc(4000) }
        let last = blocks.suffix(20)
        for block in last {
          memset(block, 1, 4000)
          free(block)
        }
        let pages = last.map { UInt(bitPattern: $0) & ~4095 }
        let before = Self.residentCount(pages)
        HeapReturn.keepAtEnds(0)
        ThreadCache.empty()
        HeapReturn.keepAtEnds(HeapReturn.usuallyKeptAtEnds)
        let after = Self.residentCount(pages)
        for block in blocks.dropLast(20) { free(block) }
        done.resume(returning: (before, after))
      }.start()
    }
    #expect(before > 15)
    #expect(after < before / 4)
  }

  /// How many of the pages are in memory.
  private static func residentCount(_ pages: [UInt]) -> Int {
    var count = 0
    for page in pages {
      var flag: UInt8 = 0
      if mincore(UnsafeMutableRawPointer(bitPattern: page), 4096, &flag) == 0, flag & 1 == 1 { count += 1 }
    }
    return count
  }

  private static let isDone = DispatchSemaphore(value: 0)
  private static let outcome = Mutex<(Int, Int)?>(nil)
}
