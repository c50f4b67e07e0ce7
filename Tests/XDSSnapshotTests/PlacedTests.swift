import Testing

@testable import XDSSnapshot

@Suite struct PlacedTests {
  /// Spread as hashes are, all in one part, and the same position often.
  @Test(arguments: [0, 1, 2, 33, 1_000, 5_000], [.max, 0xFFFF, 3] as [UInt64])
  func sortsWhateverThePositions(count: Int, mask: UInt64) {
    var random = SeededGenerator(seed: UInt64(count) ^ mask)
    let placed = (0..<count).map { index in
      Placed(position: ContentHash(high: random.next() & mask, low: random.next() & mask), index: Int32(index))
    }
    var sorted = placed
    Placed.sort(&sorted)
    let expected = placed.sorted { a, b in
      a.position != b.position ? a.position.isBefore(b.position) : a.index < b.index
    }
    #expect(sorted.map(\.index) == expected.map(\.index))
    #expect(sorted.map(\.position) == expected.map(\.position))
  }
}
