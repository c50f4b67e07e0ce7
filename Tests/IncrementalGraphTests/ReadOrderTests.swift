import Testing

@testable import IncrementalGraph

/// The recorded reads of a unit that reads other things, or the same in another order, than in its last run.
struct ReadOrderTests {
  private let graph = Graph(checksReads: true)
  private let prices: Input<Int, Int>
  private let lists: Input<Int, [Int]>
  private let sums: Map<Int, [Int], Int>

  init() {
    prices = graph.input("prices", Int.self, Int.self)
    lists = graph.input("lists", Int.self, [Int].self)
    sums = graph.map("sums", from: lists, reading: [prices]) { [prices] _, list, read in
      list.reduce(0) { $0 + (read(prices, $1) ?? 0) }
    }
    graph.recordsEvents = true
    graph.transaction { for item in 0..<12 { prices.set(1 << item, for: item) } }
  }

  /// Sets the list of one key, and then looks whether each price wakes whoever read it, and nobody else.
  private func expectReads(_ list: [Int], beside other: [Int], _ price: inout Int) {
    graph.transaction { lists.set(list, for: 0) }
    #expect(graph.statistics.edges == Set(list).count + Set(other).count, "\(list)")
    for item in 0..<12 {
      graph.clearLog()
      price += 1
      graph.transaction { prices.set(price, for: item) }
      let expected = [list, other].enumerated().filter { $0.element.contains(item) }.map { "sums[\($0.offset)]" }
      #expect(runs(graph).sorted() == expected, "\(item) after \(list)")
    }
    #expect(sums[0] == list.reduce(0) { $0 + (prices[$1] ?? 0) })
    #expect(sums[1] == other.reduce(0) { $0 + (prices[$1] ?? 0) })
  }

  @Test func membersGoComeAndMove() {
    let other = [3, 1, 4]
    var price = 5000
    graph.transaction { lists.set(other, for: 1) }
    let changes = [
      [0, 1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 0, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7], [7, 1, 2, 3, 4, 5, 6], [6, 7, 5], [],
      [2, 2, 3, 2, 0], [0, 2, 3], [8, 0, 2, 9, 3, 10], [3, 10, 8], [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [5, 11, 0],
    ]
    for list in changes { expectReads(list, beside: other, &price) }
  }

  @Test(arguments: 1...5)
  func anyOrder(seed: Int) {
    let other = [seed, 11, 0, seed + 1]
    var price = 5000
    graph.transaction { lists.set(other, for: 1) }
    // The minimal standard generator: the same numbers for a seed everywhere.
    var state = seed * 7919
    for _ in 0..<60 {
      var list: [Int] = []
      state = state * 48271 % 2_147_483_647
      for _ in 0..<state % 14 {
        state = state * 48271 % 2_147_483_647
        list.append(state / 7 % 12)
      }
      expectReads(list, beside: other, &price)
    }
  }
}
