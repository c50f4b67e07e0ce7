import Testing
import WireFuzzing

@testable import XDSSnapshot

/// Keys of one hash are keys like others: nothing traps, nothing is lost, and the shape depends on the content alone.
@Suite struct CollidingKeyTests {
  private static let keys = CollidingNames.all
  private static let position = ContentHash(text: keys[0])

  @Test func theNamesDifferAndTheirHashesDoNot() {
    #expect(Set(Self.keys).count == 128)
    #expect(Set(Self.keys.map { ContentHash(text: $0) }).count == 1)
  }

  @Test func oneReplacesNoOther() {
    var tree = PersistentTree<Item>()
    for (index, key) in Self.keys.prefix(2).enumerated() { tree.set(Item(key: key, value: index)) }
    #expect(items(tree) == [Self.keys[0]: 0, Self.keys[1]: 1])
    tree.set(Item(key: Self.keys[0], value: 7))
    #expect(tree[Self.keys[0]]?.value == 7 && tree[Self.keys[1]]?.value == 1 && tree[Self.keys[2]] == nil)
    tree.remove(Self.keys[2])
    tree.remove(Self.keys[0])
    #expect(items(tree) == [Self.keys[1]: 1])
  }

  @Test func shapeDependsOnContentAlone() {
    var random = SeededGenerator(seed: 3)
    let content = (Self.keys + (0..<100).map { "k\($0)" }).map { Item(key: $0, value: 1) }
    var reference = PersistentTree<Item>()
    for item in content { reference.set(item) }
    checkInvariants(reference)
    for _ in 0..<10 {
      var (tree, bulk, halves) = (PersistentTree<Item>(), PersistentTree<Item>(), PersistentTree<Item>())
      let shuffled = content.shuffled(using: &random)
      for item in shuffled { tree.set(item) }
      bulk.set(contentsOf: shuffled + shuffled.prefix(20))
      halves.set(contentsOf: Array(shuffled.prefix(114)))
      halves.set(contentsOf: Array(shuffled.dropFirst(90)))
      for tree in [tree, bulk, halves] {
        checkInvariants(tree)
        #expect(tree.contentHash == reference.contentHash)
        #expect(tree.count == content.count)
      }
    }
  }

  @Test(arguments: [UInt64](1...8))
  func editsAndChangesFollowANaiveModel(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    let keys = Self.keys.prefix(24) + (0..<8).map { "k\($0)" }
    var tree = PersistentTree<Item>()
    var model: [String: Int] = [:]
    for _ in 0..<200 {
      let (oldTree, oldModel) = (tree, model)
      func key() -> String { keys[Int.random(in: 0..<keys.count, using: &random)] }
      switch Int.random(in: 0..<10, using: &random) {
      case 0..<5:
        let item = Item(key: key(), value: Int.random(in: 0..<3, using: &random))
        tree.set(item)
        model[item.key] = item.value
      case 5..<8:
        let key = key()
        tree.remove(key)
        model[key] = nil
      default:
        let many = (0..<Int.random(in: 0..<40, using: &random)).map { _ in
          Item(key: key(), value: Int.random(in: 0..<3, using: &random))
        }
        tree.set(contentsOf: many)
        for item in many { model[item.key] = item.value }
      }
      checkInvariants(tree)
      #expect(items(tree) == model)
      var seen: Set<String> = []
      PersistentTree.changes(from: oldTree, to: tree) { old, new in
        let key = old?.key ?? new?.key ?? ""
        #expect(seen.insert(key).inserted)
        #expect(old?.value == oldModel[key] && new?.value == model[key] && old != new)
      }
      #expect(seen == Set(oldModel.keys).union(model.keys).filter { oldModel[$0] != model[$0] }, "seed \(seed)")
    }
  }

  /// Two ways to write é, which Swift takes for equal: a proxy does not.
  @Test func keysAreTheSameIfTheirBytesAre() {
    let (composed, decomposed) = ("caf\u{E9}", "cafe\u{301}")
    var tree = PersistentTree<Item>()
    for key in ["a", "b", composed, "c"] { tree.set(Item(key: key, value: 1)) }
    tree.set(Item(key: decomposed, value: 2))
    checkInvariants(tree)
    #expect(tree.count == 5)
    #expect(tree[composed]?.value == 1 && tree[decomposed]?.value == 2)
    tree.remove(composed)
    #expect(tree[composed] == nil && tree[decomposed]?.value == 2)
  }

  @Test func oneKeyIsBeforeWhatItIsTheBeginningOf() {
    let keys = ["", "\0", "a", "a\0", "ab", "b", "\u{E9}"]
    for (index, a) in keys.enumerated() {
      for (other, b) in keys.enumerated() {
        #expect(KeyBits.isBefore(a, b) == (index < other))
        #expect(KeyBits.areEqual(a, b) == (index == other))
        let bit = KeyBits.firstDifference(a, b)
        #expect((bit == .max) == (index == other))
        #expect(
          bit == .max || KeyBits.isSet(bit, of: a) == (index > other) && KeyBits.isSet(bit, of: b) == (index < other))
      }
    }
  }
}
