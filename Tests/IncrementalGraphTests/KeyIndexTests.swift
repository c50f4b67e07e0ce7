import Testing

@testable import IncrementalGraph

@Suite struct KeyIndexTests {
  /// Few hashes, so that the places of many keys run into each other, over the end of the table, too.
  @Test(arguments: [1, 2, 3, 4] as [UInt32]) func slotsAreFoundWhateverCollides(seed: UInt32) {
    var state = seed &* 2_654_435_761
    func random(_ bound: UInt32) -> UInt32 {
      state = state &* 1_664_525 &+ 1_013_904_223
      return (state >> 8) % bound
    }
    var table = HashedSlots()
    var present: [Int32: UInt32] = [:]
    for step in 0..<4_000 {
      let slot = Int32(random(200))
      if let hash = present[slot] {
        #expect(table.find(hash) { $0 == slot } == slot, "step \(step)")
        if random(3) == 0 {
          table.remove(slot, hash)
          present[slot] = nil
        }
      } else {
        let hash = random(2) == 0 ? random(8) : UInt32.max - random(8)
        #expect(table.find(hash) { $0 == slot } == -1, "step \(step)")
        table.insert(slot, hash)
        present[slot] = hash
      }
      #expect(table.count == present.count)
    }
    for (slot, hash) in present { #expect(table.find(hash) { $0 == slot } == slot) }
  }

  @Test func elementsStayWhereTheyAreWhileThereAreMore() {
    final class Tracked {
      static nonisolated(unsafe) var alive = 0
      init() { Self.alive += 1 }
      deinit { Self.alive -= 1 }
    }
    do {
      var slots = SlotArray<Tracked?>()
      slots.reserve(99, nil)
      let tracked = Tracked()
      #expect(slots.exchange(99, tracked) == nil)
      slots.reserve(5_000, nil)
      #expect(slots[99] === tracked)
      #expect(slots.exchange(99, nil) === tracked)
      slots[7] = Tracked()
      #expect(slots.has(5_000) && !slots.has(5_001))
    }
    #expect(Tracked.alive == 0)
  }
}
