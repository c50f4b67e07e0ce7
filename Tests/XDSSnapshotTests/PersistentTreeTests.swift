import Testing

@testable import XDSSnapshot

struct Item: ReferencingElement, BoxedTreeElement, Equatable {
  var key: String
  var value: Int
  var references: [String] = []
  var contentHash: ContentHash { ContentHash(Array("\(key)=\(value)".utf8)) }
  var byteCount: Int { value }
}

/// A small generator that gives the same numbers for the same seed on every machine (SplitMix64).
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}

func items(_ tree: PersistentTree<Item>) -> [String: Int] {
  var all: [String: Int] = [:]
  tree.forEach { all[$0.key] = $0.value }
  return all
}

/// Checks order, and the bits and sums of every branch.
func checkInvariants(_ tree: PersistentTree<Item>) {
  typealias Place = (position: ContentHash, key: String)
  func check(_ subtree: PersistentTree<Item>.Subtree) -> (count: Int, bytes: Int, places: [Place]) {
    switch subtree {
    case .leaf(let item): return (1, item.byteCount, [(ContentHash(text: item.key), item.key)])
    case .branch(let branch):
      let (left, right) = (check(branch.left), check(branch.right))
      #expect(Int(branch.count) == left.count + right.count)
      #expect(branch.byteCount == left.bytes + right.bytes)
      #expect(left.places.allSatisfy { !$0.position.isSet(branch.bit, $0.key) })
      #expect(right.places.allSatisfy { $0.position.isSet(branch.bit, $0.key) })
      let all = left.places + right.places
      #expect(all.allSatisfy { $0.position.firstDifference(from: branch.position) >= min(branch.bit, 128) })
      #expect(
        zip(all, all.dropFirst()).allSatisfy { a, b in
          a.position.isBefore(b.position) || a.position == b.position && KeyBits.isBefore(a.key, b.key)
        })
      return (left.count + right.count, left.bytes + right.bytes, all)
    }
  }
  if let root = tree.root { _ = check(root) }
}

struct PersistentTreeTests {
  @Test func shapeDependsOnContentAlone() {
    var random = SeededGenerator(seed: 7)
    let content = (0..<300).map { Item(key: "key-\($0)", value: $0) }
    var reference = PersistentTree<Item>()
    for item in content { reference.set(item) }
    checkInvariants(reference)
    for _ in 0..<10 {
      var tree = PersistentTree<Item>()
      for item in content.shuffled(using: &random) {
        tree.set(Item(key: item.key, value: -1))
        tree.set(item)
        tree.set(Item(key: "x-\(item.key)", value: 0))
      }
      for item in content.shuffled(using: &random) { tree.remove("x-\(item.key)") }
      #expect(tree.contentHash == reference.contentHash)
      #expect(tree == reference)
      var bulk = PersistentTree<Item>()
      bulk.set(contentsOf: content.shuffled(using: &random))
      checkInvariants(bulk)
      #expect(bulk.contentHash == reference.contentHash)
    }
  }

  @Test(arguments: [UInt64](1...8))
  func editsAndChangesFollowANaiveModel(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var tree = PersistentTree<Item>()
    var model: [String: Int] = [:]
    for _ in 0..<200 {
      let (oldTree, oldModel) = (tree, model)
      switch Int.random(in: 0..<10, using: &random) {
      case 0..<5:
        let item = Item(key: "\(Int.random(in: 0..<120, using: &random))", value: Int.random(in: 0..<3, using: &random))
        tree.set(item)
        model[item.key] = item.value
      case 5..<8:
        let key = "\(Int.random(in: 0..<120, using: &random))"
        tree.remove(key)
        model[key] = nil
      default:
        let many = (0..<Int.random(in: 0..<80, using: &random)).map { _ in
          Item(key: "\(Int.random(in: 0..<120, using: &random))", value: Int.random(in: 0..<3, using: &random))
        }
        tree.set(contentsOf: many)
        for item in many { model[item.key] = item.value }
      }
      #expect(items(tree) == model)
      var seen: Set<String> = []
      PersistentTree.changes(from: oldTree, to: tree) { old, new in
        let key = old?.key ?? new?.key ?? ""
        #expect(seen.insert(key).inserted)
        #expect(old?.value == oldModel[key])
        #expect(new?.value == model[key])
        #expect(old != new)
      }
      let expected = Set(oldModel.keys).union(model.keys).filter { oldModel[$0] != model[$0] }
      #expect(seen == expected, "seed \(seed)")
    }
    checkInvariants(tree)
  }

  @Test func editSharesAllButOnePath() {
    var tree = PersistentTree<Item>()
    tree.set(contentsOf: (0..<10_000).map { Item(key: "\($0)", value: 1) })
    func nodes(_ tree: PersistentTree<Item>) -> Set<ObjectIdentifier> {
      var all: Set<ObjectIdentifier> = []
      func visit(_ subtree: PersistentTree<Item>.Subtree?) {
        guard case .branch(let branch) = subtree else { return }
        all.insert(ObjectIdentifier(branch))
        visit(branch.left)
        visit(branch.right)
      }
      visit(tree.root)
      return all
    }
    let before = nodes(tree)
    let old = tree
    tree.set(Item(key: "5000", value: 2))
    #expect(nodes(tree).subtracting(before).count < 60)
    tree.set(Item(key: "5000", value: 1))
    #expect(tree == old)
    let same = tree
    tree.set(Item(key: "5000", value: 1))
    #expect(tree.isIdentical(to: same))
    #expect(tree["5000"]?.value == 1)
    #expect(tree["absent"] == nil)
  }
}

struct ReferencedTreeTests {
  @Test(arguments: [UInt64](1...4))
  func referrersFollowTheElements(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var tree = ReferencedTree<Item>()
    var model: [String: Item] = [:]
    func item() -> Item {
      let value = Int.random(in: 0..<6, using: &random)
      return Item(
        key: "\(Int.random(in: 0..<40, using: &random))", value: value,
        references: ["a", "b", "c"].filter { _ in Bool.random(using: &random) } + ["v\(value)"])
    }
    for _ in 0..<150 {
      // As in a real element, the hash covers the references: take them from the value.
      let removed = Set((0..<3).map { _ in "\(Int.random(in: 0..<40, using: &random))" })
      var set: [String: Item] = [:]
      for _ in 0..<Int.random(in: 0..<25, using: &random) {
        var new = item()
        new.references = ["v\(new.value)", "w\(new.value % 2)"]
        set[new.key] = new
      }
      tree.apply(removing: removed.sorted(), setting: Array(set.values))
      for key in removed { model[key] = nil }
      for (key, item) in set { model[key] = item }
      #expect(items(tree.tree) == model.mapValues(\.value))
      for cluster in ["v0", "v1", "v2", "v3", "v4", "v5", "w0", "w1", "none"] {
        let expected = Set(model.values.filter { $0.references.contains(cluster) }.map(\.key))
        #expect(Set(tree.keys(referencing: cluster)) == expected, "seed \(seed)")
        #expect(tree.references(cluster) == !expected.isEmpty)
      }
    }
  }
}

struct ResourceTests {
  @Test func bodyOfFragmentsReadsAsOneMessage() {
    var part = ReferencedTree<Fragment>()
    part.set(Fragment(key: "b", bytes: [2, 2], references: ["y"]))
    part.set(Fragment(key: "a", bytes: [1], references: ["x"]))
    var other = ReferencedTree<Fragment>()
    other.set(Fragment(key: "0", bytes: [3]))
    let resource = Resource(name: "r", header: [9], parts: [part, other])
    #expect(
      resource.flattened() == [9] + (ContentHash(text: "a").isBefore(ContentHash(text: "b")) ? [1, 2, 2] : [2, 2, 1])
        + [3])
    #expect(resource.byteCount == 5)
    #expect(resource.references("x") && resource.references("y") && !resource.references("z"))
    #expect(resource.version.count == 32)
    #expect(resource == Resource(name: "r", header: [9], parts: [part, other]))
    #expect(resource.version != Resource(name: "r", header: [8], parts: [part, other]).version)
  }

  @Test func hashIsTheSameEverywhere() {
    // XXH3_128bits of "weir", from the C library.
    #expect(ContentHash(Array("weir".utf8)).text == "58611f8d7be1fe2c3921234764190df9")
    #expect(ContentHash.empty.text == String(repeating: "0", count: 32))
  }
}
