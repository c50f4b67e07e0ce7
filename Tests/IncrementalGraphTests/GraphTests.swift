import Testing

@testable import IncrementalGraph

/// What ran in the transactions since the log was cleared, as `collection[key]`.
func runs(_ graph: Graph) -> [String] {
  graph.log.events.filter { $0.kind == .ran || $0.kind == .removed }.map { "\($0.collection)[\($0.key)]" }
}

struct GraphTests {
  @Test func unitRunsOnlyWhenSomethingItReadChanged() {
    let graph = Graph(checksReads: true)
    let prices = graph.input("prices", String.self, Int.self)
    let orders = graph.input("orders", Int.self, String.self)
    let bills = graph.map("bills", from: orders, reading: [prices]) { _, item, read in
      read(prices, item).map { $0 * 10 }
    }
    graph.recordsEvents = true
    graph.transaction {
      prices.set(3, for: "tea")
      prices.set(4, for: "milk")
      orders.set("tea", for: 1)
      orders.set("milk", for: 2)
      orders.set("cake", for: 3)
    }
    #expect(bills[1] == 30 && bills[2] == 40 && bills[3] == nil)
    #expect(runs(graph).count == 3)

    graph.clearLog()
    graph.transaction { prices.set(5, for: "tea") }
    #expect(runs(graph) == ["bills[1]"])
    #expect(bills[1] == 50)

    // What was read in vain is read all the same.
    graph.clearLog()
    graph.transaction { prices.set(7, for: "cake") }
    #expect(runs(graph) == ["bills[3]"])
    #expect(bills[3] == 70)

    graph.clearLog()
    graph.transaction { prices.set(1, for: "salt") }
    #expect(runs(graph) == [])

    // A unit that reads something else now no longer runs for what it read before.
    graph.transaction { orders.set("milk", for: 1) }
    graph.clearLog()
    graph.transaction { prices.set(6, for: "tea") }
    #expect(runs(graph) == [])
    #expect(bills[1] == 40)

    graph.clearLog()
    graph.transaction { orders.set(nil, for: 2) }
    #expect(runs(graph) == ["bills[2]"])
    #expect(bills[2] == nil && bills.count == 2)
  }

  @Test func equalResultStops() {
    let graph = Graph(checksReads: true)
    let numbers = graph.input("numbers", Int.self, Int.self)
    let parities = graph.map("parities", from: numbers) { _, number, _ in number % 2 }
    let names = graph.map("names", from: parities) { _, parity, _ in parity == 0 ? "even" : "odd" }
    graph.transaction { for key in 0..<5 { numbers.set(key, for: key) } }
    graph.recordsEvents = true
    graph.transaction { numbers.set(13, for: 3) }
    #expect(runs(graph) == ["parities[3]"])
    graph.clearLog()
    graph.transaction { numbers.set(14, for: 3) }
    #expect(runs(graph) == ["parities[3]", "names[3]"])
    #expect(names[3] == "even")
    // There and back within one transaction is no change.
    graph.clearLog()
    graph.transaction {
      numbers.set(1, for: 3)
      numbers.set(14, for: 3)
    }
    #expect(runs(graph) == [])
  }

  @Test func unitRunsOnceInATransaction() {
    let graph = Graph(checksReads: true)
    let input = graph.input("input", Int.self, Int.self)
    let a = graph.map("a", from: input) { _, value, _ in value + 1 }
    let b = graph.map("b", from: input, reading: [a]) { key, value, read in value + (read(a, key) ?? 0) }
    let c = graph.map("c", from: input, reading: [a, b]) { key, value, read in (read(a, key) ?? 0) + (read(b, key) ?? 0)
    }
    graph.recordsEvents = true
    graph.transaction { input.set(1, for: 0) }
    #expect(runs(graph) == ["a[0]", "b[0]", "c[0]"])
    #expect(c[0] == 5)
    graph.clearLog()
    graph.transaction { input.set(2, for: 0) }
    #expect(runs(graph) == ["a[0]", "b[0]", "c[0]"])
    #expect(c[0] == 8)
  }

  @Test func logNamesTheEditBehindARun() throws {
    let graph = Graph(checksReads: true)
    let rules = graph.input("rules", String.self, Int.self)
    let hosts = graph.input("hosts", String.self, String.self)
    let limits = graph.map("limits", from: rules) { _, rule, _ in rule * 2 }
    let byRule = graph.index("byRule", of: hosts) { _, rule in rule }
    let tables = graph.map("tables", from: byRule, reading: [limits]) { rule, members, read in
      "\(members.count) × \(read(limits, rule) ?? 0)"
    }
    graph.transaction {
      rules.set(1, for: "r")
      hosts.set("r", for: "h1")
    }
    graph.recordsEvents = true
    graph.transaction { rules.set(2, for: "r") }
    let event = try #require(graph.log.events.last { $0.collection == "tables" })
    #expect(graph.log.chain(of: event).map(\.description) == ["ran tables[r]", "ran limits[r]", "edited rules[r]"])
    graph.clearLog()
    graph.transaction { hosts.set("r", for: "h2") }
    let other = try #require(graph.log.events.last { $0.collection == "tables" })
    #expect(
      graph.log.chain(of: other).map(\.description) == ["ran tables[r]", "regrouped byRule[r]", "edited hosts[h2]"])
    #expect(tables["r"] == "2 × 4")
    graph.recordsEvents = false
    graph.clearLog()
    graph.transaction { rules.set(5, for: "r") }
    #expect(graph.log.events.isEmpty)
  }

  @Test func twoGraphsInOneTransaction() throws {
    let first = Graph(checksReads: true)
    let second = Graph(checksReads: true, after: first)
    let prices = first.input("prices", String.self, Int.self)
    let doubled = first.map("doubled", from: prices) { _, price, _ in price * 2 }
    let told = second.input("told", String.self, Int.self)
    let labels = second.map("labels", from: told) { _, price, _ in "\(price)" }
    doubled.onChange { told.mirror($0.new, for: $0.key, because: doubled.event(thatChanged: $0.key)) }
    for graph in [first, second] { graph.recordsEvents = true }
    first.transaction(before: second) { prices.set(3, for: "tea") }
    #expect(labels["tea"] == "6")
    // To be told is no event; the log of both leads on to the edit.
    #expect(second.log.events.map(\.description) == ["edited prices[tea]", "ran doubled[tea]", "ran labels[tea]"])
    let last = try #require(first.log.events.last)
    #expect(first.log.chain(of: last).last?.kind == .edited)

    first.clearLog()
    first.transaction(before: second) { prices.set(nil, for: "tea") }
    #expect(labels.count == 0)
    #expect(
      first.log.chain(of: try #require(first.log.events.last)).map(\.collection) == ["labels", "doubled", "prices"])

    // What was told outside of a transaction is a violation, as every such edit.
    var violations: [Violation] = []
    second.onViolation = { violations.append($0) }
    told.mirror(1, for: "milk", because: nil)
    #expect(violations == [.editWhileComputing])
  }

  @Test func undeclaredReadIsAViolation() {
    let graph = Graph(checksReads: true)
    var violations: [Violation] = []
    graph.onViolation = { violations.append($0) }
    let secret = graph.input("secret", Int.self, Int.self)
    let input = graph.input("input", Int.self, Int.self)
    let leak = graph.map("leak", from: input) { key, _, read in read(secret, key) }
    let around = graph.map("around", from: input, reading: [secret]) { key, _, _ in secret[key] }
    graph.transaction {
      secret.set(1, for: 0)
      input.set(1, for: 0)
    }
    #expect(violations == [.undeclaredRead(of: "secret", in: "leak"), .readAroundReader(of: "secret", in: "around")])
    #expect(leak[0] == 1 && around[0] == 1)
    violations = []
    input.set(2, for: 0)
    #expect(violations == [.editWhileComputing])
  }

  @Test func undeclaredReadTraps() async {
    await #expect(processExitsWith: .failure) {
      let graph = Graph(checksReads: true)
      let secret = graph.input("secret", Int.self, Int.self)
      let input = graph.input("input", Int.self, Int.self)
      _ = graph.map("leak", from: input) { key, _, read in read(secret, key) }
      graph.transaction { input.set(1, for: 0) }
    }
  }

  @Test func keyPassesBetweenUnits() {
    for newOwner in [0, 2] {
      let graph = Graph(checksReads: true)
      let claims = graph.input("claims", Int.self, [String].self)
      let owners = graph.flatMap("owners", from: claims) { id, names, _, emit in for name in names { emit(name, id) } }
      graph.transaction {
        claims.set(["x", "y"], for: 1)
        claims.set(["z"], for: newOwner)
      }
      graph.transaction {
        if newOwner == 0 { claims.set(["z", "x"], for: 0) }
        claims.set(["y"], for: 1)
        if newOwner == 2 { claims.set(["z", "x"], for: 2) }
      }
      #expect(owners["x"] == newOwner && owners["y"] == 1 && owners["z"] == newOwner && owners.count == 3)
    }
    let graph = Graph(checksReads: true)
    var violations: [Violation] = []
    graph.onViolation = { violations.append($0) }
    let claims = graph.input("claims", Int.self, [String].self)
    _ = graph.flatMap("owners", from: claims) { id, names, _, emit in for name in names { emit(name, id) } }
    graph.transaction { claims.set(["x"], for: 1) }
    graph.transaction { claims.set(["x"], for: 2) }
    #expect(violations == [.outputOfTwoUnits(collection: "owners", key: "x")])
  }

  @Test(arguments: [3, 200])
  func outputsThatAreNotPutOutAgainGo(count: Int) {
    let graph = Graph(checksReads: true)
    let lists = graph.input("lists", Int.self, [Int].self)
    let items = graph.flatMap("items", from: lists) { id, list, _, emit in for item in list { emit(item, id) } }
    let all = Array(0..<count)
    graph.transaction { lists.set(all, for: 1) }
    #expect(items.count == count)
    let even = all.filter { $0 % 2 == 0 }
    graph.transaction { lists.set(even.reversed() + [count], for: 1) }
    #expect(items.count == even.count + 1)
    #expect(all.allSatisfy { (items[$0] == 1) == ($0 % 2 == 0) } && items[count] == 1)
    graph.transaction { lists.set(nil, for: 1) }
    #expect(items.count == 0)
  }

  @Test func foldIsFedWithDeltas() {
    let graph = Graph(checksReads: true)
    let stock = graph.input("stock", Int.self, Int.self)
    nonisolated(unsafe) var updates = 0
    let sums = graph.fold("sums", of: stock, by: { key, _ in key % 2 == 0 ? ["even", "all"] : ["all"] }, initial: 0) {
      sum, _, old, new in
      updates += 1
      sum += (new ?? 0) - (old ?? 0)
    }
    let doubled = graph.map("doubled", from: sums) { _, sum, _ in sum * 2 }
    graph.transaction { for key in 0..<1000 { stock.set(1, for: key) } }
    #expect(sums["all"] == 1000 && sums["even"] == 500)
    updates = 0
    graph.transaction { stock.set(5, for: 4) }
    #expect(updates == 2)
    #expect(doubled["all"] == 2008 && doubled["even"] == 1008)
    graph.transaction { for key in 0..<1000 where key % 2 == 0 { stock.set(nil, for: key) } }
    #expect(sums["even"] == nil && sums["all"] == 500)
  }

  @Test func slotsAreReusedAndReadsForgotten() {
    let graph = Graph(checksReads: true)
    let left = graph.input("left", Int.self, Int.self)
    let right = graph.input("right", Int.self, Int.self)
    let sums = graph.map("sums", from: left, reading: [right]) { key, value, read in value + (read(right, key) ?? 0) }
    for round in 0..<50 {
      graph.transaction {
        for key in 0..<20 {
          left.set(1, for: round * 20 + key)
          right.set(2, for: round * 20 + key)
        }
      }
      #expect(sums.count == 20)
      #expect(graph.statistics.edges == 20)
      graph.transaction {
        for key in 0..<20 {
          left.set(nil, for: round * 20 + key)
          right.set(nil, for: round * 20 + key)
        }
      }
      #expect(graph.statistics.edges == 0)
    }
    #expect(left.index.keys.count <= 20)
    #expect(right.index.keys.count <= 20)
  }
}
