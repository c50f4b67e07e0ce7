import Testing

@testable import TrafficCompiler

struct OrderedTreeTests {
  struct Word: OrderedElement, Equatable {
    var key: String
    var revision: Int
  }

  @Test(arguments: [UInt64](1...4))
  func followsANaiveModel(seed: UInt64) {
    var random = SeededGenerator(seed: seed)
    var tree = OrderedTree<Word>()
    var model: [String: Word] = [:]
    for _ in 0..<400 {
      let key = "\(Int.random(in: 0..<80, using: &random))"
      if Int.random(in: 0..<3, using: &random) == 0 {
        tree.remove(key)
        model[key] = nil
      } else {
        let word = Word(key: key, revision: Int.random(in: 0..<3, using: &random))
        tree.set(word)
        model[key] = word
      }
      var all: [Word] = []
      tree.forEach { all.append($0) }
      #expect(all == model.values.sorted { $0.key < $1.key })
      #expect(tree.first == all.first && tree.count == all.count && tree[key] == model[key])
    }
    var other = OrderedTree<Word>()
    for word in model.values.shuffled(using: &random) { other.set(word) }
    #expect(other == tree)
    if let word = tree.first {
      other.set(Word(key: word.key, revision: 9))
      #expect(other != tree)
    }
  }
}
