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

  @Test func aListIsKnownForAsLongAsSomebodyHasItsSet() throws {
    let pool = NameSetPool()
    let list = ContentHash(text: "list")
    var set: NameSet? = pool.set(of: ["a", "b"])
    pool.remember(try #require(set), as: list)
    #expect(pool.known(list: list) === set)
    set = nil
    #expect(pool.known(list: list) == nil)
    let again = pool.set(of: ["a", "b"])
    pool.remember(again, as: list)
    #expect(pool.known(list: list) === again)
    for index in 0..<1000 { pool.remember(again, as: ContentHash(text: "\(index)")) }
    #expect((0..<1000).filter { pool.known(list: ContentHash(text: "\($0)")) != nil }.count <= 64)
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
    for type in ResourceType.general {
      #expect(stream.session[type].acked.tree.isIdentical(to: world.table(type).tree))
    }
    #expect(stream.session.warm.tree.isIdentical(to: world.clusters.tree))
  }

  @Test func anAgingCacheForgetsWhatWasNotUsedBetweenTwoAges() {
    var cache = AgingCache<Int, String>(limit: 10, budget: 100)
    #expect(cache.insert("one", for: 1, cost: 1) == "one")
    #expect(cache.insert("two", for: 2, cost: 1) == "two")
    #expect(cache.insert("other", for: 2, cost: 1) == "two")
    cache.age()
    #expect(cache.known(1) == "one")
    cache.age()
    #expect(cache.known(1) == "one")
    #expect(cache.known(2) == nil)
  }

  @Test func anAgingCacheKeepsToItsBudget() {
    var cache = AgingCache<Int, Int>(limit: 1000, budget: 100)
    for index in 0..<100 { _ = cache.insert(index, for: index, cost: 30) }
    var kept = 0
    for index in 0..<100 where cache.known(index) != nil { kept += 1 }
    #expect(kept > 0 && kept <= 6)
    #expect(cache.insert(1000, for: 1000, cost: 5000) == 1000)
    #expect(cache.known(1000) == 1000, "larger than all: kept until the next")
  }

  @Test func encodedResponsesKeepToABudgetAndGoWithTheirGenerations() {
    var world = World()
    for index in 0..<40 {
      world.cluster("c\(index)")
      world.endpoints.set(Resource(name: "c\(index)", bytes: [UInt8](repeating: 65, count: 4 << 20)))
    }
    let shared = SharedResponses.forTests()
    let generation = world.generation()
    var plans: [ResponsePlan] = []
    for index in 0..<40 {
      // Streams that each ask for something else.
      let stream = TestStream(.delta, shared: shared)
      stream.session.published(generation)
      for sent in stream.subscribe(.endpoint, ["c\(index)"]) {
        _ = shared.framed(sent.response.plan, sent.response.nonce)
        plans.append(sent.response.plan)
      }
    }
    #expect(plans.count == 40)
    func held() -> Int { plans.reduce(0) { $0 + $1.encoded.withLock { $0.byteCount } } }
    #expect(held() == shared.encodedBytes)
    #expect(held() <= SharedResponses.encodingBudget && held() > SharedResponses.encodingBudget / 2)
    _ = shared.age()
    _ = shared.age()
    #expect(held() == 0)
    #expect(shared.encodedBytes == 0)
  }

  @Test func aLargeResponseIsKeptFromTheSecondStreamOn() {
    var world = World()
    let names = (0..<20_000).map { "c\($0)" }
    for name in names { world.endpoint(name, version: 1) }
    let shared = SharedResponses.forTests()
    let generation = world.generation()
    let plans = (0..<3).map { _ in
      let stream = TestStream(.delta, shared: shared)
      stream.session.published(generation)
      return stream.subscribe(.endpoint, names)[0].response.plan
    }
    #expect(plans[0] !== plans[1])
    #expect(plans[1] === plans[2])
  }

  @Test(arguments: XDSProtocol.allCases)
  func aClassMoreIsNothingToTheOthers(_ variant: XDSProtocol) {
    var world = World()
    world.cluster("a")
    world.host("x", ["a"])
    let stream = TestStream.synced(variant, &world)
    let before = stream.session.generation!
    var classes = before.classes
    classes[ProxyClass(namespace: "other", listenHost: "127.0.0.1", listenPort: 1)] = .init()
    let more = Generation(
      number: before.number + 1, clusters: before.clusters, endpoints: before.endpoints, classes: classes)
    #expect(more.isSameButForClasses(as: before) && before.isSameButForClasses(as: more))
    let isNewsToOthers = stream.session.published(more)
    #expect(!isNewsToOthers)
    for type in ResourceType.general { #expect(stream.session.converged(type) == more.number) }
    let changed = Generation(
      number: more.number + 1, clusters: more.clusters, endpoints: .init(), classes: classes)
    #expect(!changed.isSameButForClasses(as: more))
    let isNews = stream.session.published(changed)
    #expect(isNews)
  }

  /// A stream is not told when classes come and go, and would keep the tables of all that there were.
  @Test(arguments: XDSProtocol.allCases)
  func whatClassesNeededThatHaveGoneIsLetGoOf(_ variant: XDSProtocol) async throws {
    try await withServer { server in
      var world = SocketTests.world()
      let few = world.generation()
      weak var many: Generation?
      do {
        var classes = few.classes
        for index in 0..<40 {
          classes[ProxyClass(namespace: "other-\(index)", listenHost: "127.0.0.1", listenPort: 1)] = .init()
        }
        let generation = Generation(
          number: few.number, clusters: few.clusters, endpoints: few.endpoints, classes: classes)
        #expect(generation.alone(for: World.proxyClass).classes.count == 1)
        #expect(few.alone(for: World.proxyClass) === few, "all keep the same as long as it is small")
        server.xds.publish(generation)
        many = generation
      }
      let stream = try await server.open(variant)
      try await stream.sync()
      server.xds.publish(
        Generation(
          number: few.number + 1, clusters: few.clusters, endpoints: few.endpoints, classes: few.classes))
      // The loop has taken note of it.
      _ = await server.xds.metrics()
      #expect(many != nil)
      await server.xds.letGo()
      #expect(many == nil)
      world.endpoint("a", version: 2)
      _ = world.generation()
      server.xds.publish(world.generation())
      #expect(try await stream.next().text.contains("E a 2"))
    }
  }

  /// What has changed may be known already, since when does matter: who is behind compares for itself.
  @Test(arguments: XDSProtocol.allCases)
  func onlyTypesThatHaveChangedAreLookedAt(_ variant: XDSProtocol) {
    for knowledge in 0..<3 {
      var world = World()
      world.cluster("a")
      world.host("x", ["a"])
      let stream = TestStream.synced(variant, &world)
      #expect(stream.session.attention.isEmpty)
      let before = stream.session.generation!
      world.endpoint("a", version: 2)
      let changed = world.generation()
      let types = changed.changedTypes(since: before, for: stream.session.proxyClass)
      #expect(types == TypeSet(.endpoint))
      let news = [nil, (types: types, since: before), (types: TypeSet([]), since: changed)][knowledge]
      let isNews = stream.session.published(changed, news: news)
      #expect(isNews)
      #expect(stream.session.attention == TypeSet(.endpoint))
      let responses = stream.session.pump()
      #expect(responses.map(\.plan.type) == [.endpoint])
      for type in ResourceType.general {
        #expect(stream.session.converged(type) == (type == .endpoint ? before.number : changed.number))
      }
      let isAccepted = stream.session.acknowledged(responses[0].nonce, of: .endpoint)
      let rest = stream.session.pump()
      #expect(isAccepted && rest.isEmpty)
      #expect(stream.session.converged(.endpoint) == changed.number)
      #expect(stream.session.attention.isEmpty)
    }
  }
}
