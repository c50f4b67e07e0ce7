import Testing
import XDSSnapshot

@testable import XDSServer

@Suite struct SharingTests {
  @Test(arguments: XDSProtocol.allCases)
  func streamsInOneStateShareEveryResponse(_ variant: XDSProtocol) {
    var world = World()
    for index in 0..<20 { world.cluster("c\(index)") }
    world.host("x", ["c1"])
    let shared = SharedResponses.forTests()
    let streams = (0..<5).map { _ in TestStream(variant, shared: shared) }
    let generation = world.generation()
    func same(_ event: (TestStream) -> [Sent]) {
      let answers = streams.map(event)
      for answer in answers.dropFirst() {
        #expect(answer.count == answers[0].count)
        for (a, b) in zip(answer, answers[0]) {
          #expect(a.response.plan === b.response.plan)
          #expect(a.nonce == b.nonce)
        }
      }
    }
    func publish(_ generation: Generation) {
      same { stream in
        stream.session.published(generation)
        return stream.session.pump().map(Sent.init)
      }
    }
    for stream in streams { stream.session.published(generation) }
    same { $0.subscribe(.cluster) }
    // Equal names in any order are one set.
    let names = (0..<20).map { "c\($0)" }
    same { $0.subscribe(.endpoint, names.shuffled()) }
    #expect(shared.names.count == 1)
    for type in [ResourceType.cluster, .endpoint] {
      for stream in streams {
        let nonce = stream.session[type].lastNonce?.text
        _ = stream.answer(type, nonce: nonce)
      }
    }
    world.endpoint("c3", version: 2)
    publish(world.generation())
    same { $0.subscribe(.endpoint, ["new"]) }
  }

  @Test func aNameMoreMovesToTheSetThatHasIt() {
    let pool = NameSetPool()
    let both = pool.set(of: ["a", "b"])
    let one = pool.set(of: ["a"])
    #expect(pool.updated(one, adding: ["b"], removing: [String]()) === both)
    #expect(pool.updated(both, adding: [String](), removing: ["b"]) === one)
    #expect(pool.set(of: ["b", "a", "b"]) === both)
    #expect(pool.updated(both, adding: [String](), removing: ["a", "b"]) === NameSet.empty)
  }

  @Test func aNameGivenTwiceCountsOnce() {
    let pool = NameSetPool()
    let both = pool.set(of: ["a", "b"])
    let one = pool.set(of: ["b"])
    #expect(pool.updated(both, adding: [String](), removing: ["a", "a"]) === one)
    #expect(pool.updated(one, adding: ["a", "a"], removing: [String]()) === both)
    #expect(pool.updated(both, adding: ["b", "b"], removing: ["z", "z"]) === both)
    #expect(pool.updated(both, adding: [String](), removing: ["a", "b", "a"]) === NameSet.empty)
  }

  @Test func setsThatNobodyUsesAreForgotten() {
    let pool = NameSetPool()
    for index in 0..<1000 { _ = pool.set(of: ["n\(index)"]) }
    #expect(pool.count == 0)
  }

  @Test func aStreamKeepsTheGenerationsOwnTables() {
    // Memory per stream does not grow with the table: what a stream holds is the generation's table itself.
    var world = World()
    for index in 0..<50 { world.cluster("c\(index)") }
    let stream = TestStream.synced(.delta, &world)
    for version in 2..<5 {
      world.endpoint("c7", version: version)
      _ = stream.publish(&world)
      _ = stream.ack(.endpoint)
    }
    for type in ResourceType.allCases {
      #expect(stream.session[type].acked.tree.isIdentical(to: world.table(type).tree))
    }
    #expect(stream.session.warm.tree.isIdentical(to: world.clusters.tree))
  }

  @Test func anAgingCacheForgetsWhatWasNotUsedBetweenTwoAges() {
    var cache = AgingCache<Int, String>(limit: 10)
    _ = cache.value(1) { "one" }
    _ = cache.value(2) { "two" }
    cache.age()
    #expect(cache.known(1) == "one")
    cache.age()
    #expect(cache.known(1) == "one")
    #expect(cache.known(2) == nil)
  }
}
