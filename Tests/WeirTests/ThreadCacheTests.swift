import Foundation
import Logging
import NIOCore
import Testing

@testable import Weir

@Suite(.enabled(if: mallocIsGlibcs, "malloc is not glibc's: a sanitizer brings its own, which keeps no such blocks"))
struct ThreadCacheTests {
  /// On a loop of each kind.
  @Test func noPageStaysForABlockThatAThreadKeeps() async throws {
    let loops = await EventLoops.start(count: 1, logger: Logger(label: "test"))
    for group in [loops.proxies, loops.large, loops.distrusted] {
      let scattered = try await group.next().submit { Scattered() }.get()
      HeapReturn.trim()
      let before = scattered.residentCount
      #expect(before > 400, "each of 448 blocks holds the page that it begins in")
      await loops.giveMemoryBack()
      // That of the distrusted may come too late for the first.
      try await loops.distrusted.next().submit {}.get()
      await loops.giveMemoryBack()
      #expect(scattered.residentCount < before / 4)
      scattered.freeOthers()
    }
    await loops.shutDown()
  }

  /// Blocks at the arena's end are freed: less than what glibc usually keeps there.
  @Test func nothingStaysAtTheEndOfTheArena() async throws {
    let loops = await EventLoops.start(count: 1, logger: Logger(label: "test"))
    let (pages, others, before) = try await loops.proxies.next().submit {
      // The last of so many come from its end: what the heap has free elsewhere is used up by then.
      var (others, last): ([UInt], [UInt]) = ([], [])
      others.reserveCapacity(10_000)
      last.reserveCapacity(20)
      for _ in 0..<10_000 { others.append(UInt(bitPattern: malloc(4000))) }
      for _ in 0..<20 { last.append(UInt(bitPattern: malloc(4000))) }
      for address in last {
        guard let block = UnsafeMutableRawPointer(bitPattern: address) else { continue }
        memset(block, 1, 4000)
        free(block)
      }
      let pages = last.map { $0 & ~4095 }
      return (pages, others, residentCount(pages))
    }.get()
    #expect(before > 15)
    await loops.giveMemoryBack()
    #expect(residentCount(pages) < before / 4)
    for block in others { free(UnsafeMutableRawPointer(bitPattern: block)) }
    await loops.shutDown()
  }
}

/// Blocks of all sizes, pages apart, that the calling thread has freed, and then all that was between them.
private struct Scattered: Sendable {
  private let pages: [UInt]
  private let others: [UInt]

  init() {
    var pages: [UInt] = []
    var between: [UnsafeMutableRawPointer?] = []
    var others: [UInt] = []
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
          others.append(UInt(bitPattern: block))
        }
        last = next
      }
    }
    for block in kept + between { free(block) }
    self.pages = pages
    self.others = others
  }

  var residentCount: Int { WeirTests.residentCount(pages) }

  func freeOthers() { for block in others { free(UnsafeMutableRawPointer(bitPattern: block)) } }
}

/// How many of the pages are in memory.
private func residentCount(_ pages: [UInt]) -> Int {
  var count = 0
  for page in pages {
    var flag: UInt8 = 0
    if mincore(UnsafeMutableRawPointer(bitPattern: page), 4096, &flag) == 0, flag & 1 == 1 { count += 1 }
  }
  return count
}

private let mallocIsGlibcs = [String](["__tsan_init", "__asan_init"]).allSatisfy { dlsym(nil, $0) == nil }
