import Testing

@testable import XDSSnapshot

@Suite struct PlacedTests {
  /// Many at once, some more than once, over some that are there: as one by one.
  @Test func manyElementsAtOnceNameWhatTheLastOnesName() {
    var random = SeededGenerator(seed: 11)
    func item() -> Item {
      // An item's hash does not cover what it names, so that follows from the rest.
      let value = Int.random(in: 0..<5, using: &random)
      return Item(key: "k\(Int.random(in: 0..<40, using: &random))", value: value, references: ["c\(value)", "d"])
    }
    for _ in 0..<50 {
      var (together, alone) = (ReferencedTree<Item>(), ReferencedTree<Item>())
      for _ in 0..<4 {
        let items = (0..<60).map { _ in item() }
        together.apply(removing: ["k1"], setting: items)
        alone.remove("k1")
        for item in items { alone.set(item) }
        #expect(together.contentHash == alone.contentHash)
        for cluster in (0..<6).map({ "c\($0)" }) + ["d"] {
          #expect(Set(together.keys(referencing: cluster)) == Set(alone.keys(referencing: cluster)))
          #expect(together.references(cluster) == alone.references(cluster))
        }
      }
    }
  }

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
