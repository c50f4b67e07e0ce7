import Testing

@testable import IncrementalGraph

@Suite struct SlotKeyTests {
  @Test func equalTextsHaveEqualHashes() {
    // Equal to Swift, of other bytes.
    let (composed, decomposed) = ("caf\u{E9}", "cafe\u{301}")
    #expect(composed == decomposed)
    #expect(composed.slotHash(seed: 7) == decomposed.slotHash(seed: 7))
    for length in 0..<70 {
      let text = String(repeating: "x", count: length)
      #expect(text.slotHash(seed: 7) == String(decoding: Array(text.utf8), as: UTF8.self).slotHash(seed: 7))
    }
  }

  /// Every byte counts, and the length, and the seed.
  @Test func textsThatDifferHaveOtherHashes() {
    var hashes: Set<UInt64> = []
    var count = 0
    for length in 0..<70 {
      hashes.insert(String(repeating: "x", count: length).slotHash(seed: 7))
      #expect(!hashes.contains(String(repeating: "x", count: length).slotHash(seed: 8)))
      count += 1
      for place in 0..<length {
        var bytes = [UInt8](repeating: UInt8(ascii: "x"), count: length)
        bytes[place] = UInt8(ascii: "y")
        hashes.insert(String(decoding: bytes, as: UTF8.self).slotHash(seed: 7))
        count += 1
      }
    }
    #expect(hashes.count == count)
    // The part that a table uses.
    #expect(Set((0..<10_000).map { UInt32(truncatingIfNeeded: "pod-\($0)".slotHash(seed: 7)) }).count >= 9_995)
  }

  @Test func aKeyHasItsSlotWhateverWasAskedForBefore() {
    let graph = Graph(checksReads: true)
    let input = graph.input("numbers", String.self, Int.self)
    let keys = (0..<500).map { "key-\($0)" }
    graph.transaction { for (number, key) in keys.enumerated() { input.set(number, for: key) } }
    graph.transaction { for key in keys where key.hasSuffix("3") { input.set(nil, for: key) } }
    // Slots are taken again, by other keys.
    graph.transaction { for number in 0..<20 { input.set(number, for: "other-\(number)") } }
    for (number, key) in keys.enumerated().reversed() + keys.enumerated() {
      #expect(input[key] == (key.hasSuffix("3") ? nil : number))
    }
    graph.transaction { for (number, key) in keys.enumerated() { input.set(number + 1, for: key) } }
    for (number, key) in keys.enumerated() { #expect(input[key] == number + 1) }
    for number in 0..<20 { #expect(input["other-\(number)"] == number) }
  }

  @Test func membersComeAndGo() {
    var members = Members(1)
    members.insert(1)
    #expect(Array(members) == [1] && members.count == 1)
    members.insert(2)
    members.insert(3)
    #expect(Set(members) == [1, 2, 3] && members.count == 3)
    let two = members.removing(2)
    #expect(two.map { Set($0) } == [1, 3])
    #expect(two?.removing(7) == two)
    #expect(two?.removing(1) == Members(3), "the same as one that was alone from the start")
    #expect(Members(3).removing(7) == Members(3))
    #expect(Members(3).removing(3) == nil)
  }
}
