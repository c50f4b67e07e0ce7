import Testing

@testable import IncrementalGraph

/// The recorded reads of a unit that reads other things, or the same in another order, than in its last run.
struct ReadOrderTests {
  private let graph = Graph(checksReads: true)
  private let prices: Input<Int, Int>
  /// With the keys of `prices`, in the same slots.
  private let fees: Input<Int, Int>
  private let lists: Input<Int, [Int]>
  private let sums: Map<Int, [Int], Int>

  /// Of an item, the number of its price in a list; that of its fee is so much more.
  private static let items = 12

  init() {
    prices = graph.input("prices", Int.self, Int.self)
    fees = graph.input("fees", Int.self, Int.self)
    lists = graph.input("lists", Int.self, [Int].self)
    sums = graph.map("sums", from: lists, reading: [prices, fees]) { [prices, fees] _, list, read in
      list.reduce(0) { sum, number in
        let value = number < Self.items ? read(prices, number) : read(fees, number - Self.items)
        return sum + (value ?? 0)
      }
    }
    graph.recordsEvents = true
    graph.transaction { for number in 0..<2 * Self.items { set(1 << number, number) } }
  }

  private func set(_ value: Int, _ number: Int) {
    if number < Self.items { prices.set(value, for: number) } else { fees.set(value, for: number - Self.items) }
  }

  private func value(_ number: Int) -> Int {
    (number < Self.items ? prices[number] : fees[number - Self.items]) ?? 0
  }

  /// Sets the list of one key, and then looks whether each price and each fee wakes whoever read it, and nobody else.
  private func expectReads(_ list: [Int], beside other: [Int], _ fresh: inout Int) {
    graph.transaction { lists.set(list, for: 0) }
    #expect(graph.statistics.edges == Set(list).count + Set(other).count, "\(list)")
    for number in 0..<2 * Self.items {
      graph.clearLog()
      fresh += 1
      graph.transaction { set(fresh, number) }
      let expected = [list, other].enumerated().filter { $0.element.contains(number) }.map { "sums[\($0.offset)]" }
      #expect(runs(graph).sorted() == expected, "\(number) after \(list)")
    }
    #expect(sums[0] == list.reduce(0) { $0 + value($1) })
    #expect(sums[1] == other.reduce(0) { $0 + value($1) })
  }

  @Test func membersGoComeAndMove() {
    let other = [3, 1, 4]
    var fresh = 1 << 30
    graph.transaction { lists.set(other, for: 1) }
    let changes = [
      [0, 1, 2, 3, 4, 5, 6, 7], [1, 2, 3, 0, 4, 5, 6, 7], [1, 2, 3, 4, 5, 6, 7], [7, 1, 2, 3, 4, 5, 6], [6, 7, 5], [],
      [2, 2, 3, 2, 0], [0, 2, 3], [8, 0, 2, 9, 3, 10], [3, 10, 8], [11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0],
      [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11], [5, 11, 0],
    ]
    for list in changes { expectReads(list, beside: other, &fresh) }
  }

  /// A slot alone does not say what was read.
  @Test func collectionsWithTheSameSlotsAreToldApart() {
    let other = [12, 1, 13]
    var fresh = 1 << 30
    graph.transaction { lists.set(other, for: 1) }
    let changes = [
      [0, 12, 1, 13, 2, 14], [12, 0, 13, 1, 14, 2], [0, 1, 2], [12, 13, 14], [12, 1, 14], [0, 12], [12], [0],
      [0, 13, 12], [1, 0, 12, 13], [13, 12, 0, 1],
    ]
    for list in changes { expectReads(list, beside: other, &fresh) }
  }

  @Test(arguments: 1...5)
  func anyOrder(seed: Int) {
    let other = [seed, 11, 0, seed + 1, seed + 12]
    var fresh = 1 << 30
    graph.transaction { lists.set(other, for: 1) }
    // The minimal standard generator: the same numbers for a seed everywhere.
    var state = seed * 7919
    for _ in 0..<60 {
      var list: [Int] = []
      state = state * 48271 % 2_147_483_647
      for _ in 0..<state % 14 {
        state = state * 48271 % 2_147_483_647
        list.append(state / 7 % (2 * Self.items))
      }
      expectReads(list, beside: other, &fresh)
    }
  }

  /// Where the reads of the first unit are kept, in their order.
  private func edges() throws -> [Int32] {
    let units = try #require(sums.units)
    var edge = units.firstEdge(try #require(sums.index.slot(of: 0)))
    var edges: [Int32] = []
    while edge != -1 {
      edges.append(edge)
      edge = graph.edges[edge].nextOfUnit
    }
    return edges
  }

  /// What is read as before is not recorded anew, though a few reads before it are left out.
  @Test(arguments: 0...4) func readingFallsBackIntoStep(after missing: Int) throws {
    let numbers = [0, 12, 1, 13, 2, 14, 3, 15]
    graph.transaction { lists.set(numbers, for: 0) }
    let before = try edges()
    #expect(before.count == numbers.count)
    graph.transaction { lists.set(Array(numbers[missing...]), for: 0) }
    #expect(try edges() == Array(before[missing...]))
  }

  /// A read from the end that comes first is recorded anew, and the others are not.
  @Test func readingFallsBackIntoStepAfterAnother() throws {
    let numbers = [0, 12, 1, 13, 2, 14, 3, 15]
    graph.transaction { lists.set(numbers, for: 0) }
    let before = try edges()
    graph.transaction { lists.set([15] + numbers.dropLast(), for: 0) }
    #expect(try Array(edges().dropFirst()) == before.dropLast())
  }
}
