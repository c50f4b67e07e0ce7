import Foundation
import Synchronization
import Testing

@testable import Weir

@Suite struct ThreadCacheTests {
  /// Bytes of the process's own that are in memory.
  private static func residentBytes() throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = try #require(status.split(separator: "\n").first { $0.hasPrefix("RssAnon:") })
    return try #require(line.split(whereSeparator: { !$0.isNumber }).first.flatMap { Int($0) }) * 1024
  }

  /// Blocks of all sizes, a page apart, are freed, and then what is between them.
  @Test func noPageStaysForABlockThatAThreadKeeps() throws {
    let thread = Thread {
      var small: [UnsafeMutableRawPointer?] = []
      var between: [UnsafeMutableRawPointer?] = []
      for size in stride(from: 24, through: 1032, by: 16) {
        for _ in 0..<7 {
          small.append(malloc(size))
          let page = malloc(8192)
          page.map { _ = memset($0, 1, 8192) }
          between.append(page)
        }
      }
      for block in small { free(block) }
      for block in between { free(block) }
      HeapReturn.trim()
      let kept = Result { try Self.residentBytes() }
      ThreadCache.empty()
      HeapReturn.trim()
      Self.outcome.withLock { $0 = (kept, Result { try Self.residentBytes() }) }
      Self.isDone.signal()
    }
    thread.start()
    Self.isDone.wait()
    let (before, after) = try #require(Self.outcome.withLock { $0 })
    #expect(try before.get() - after.get() > 1 << 20, "448 blocks in about as many pages")
  }

  private static let isDone = DispatchSemaphore(value: 0)
  private static let outcome = Mutex<(Result<Int, any Error>, Result<Int, any Error>)?>(nil)
}
