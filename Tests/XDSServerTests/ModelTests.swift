import Foundation
import Testing
import XDSSnapshot

@testable import XDSServer

/// Random worlds, edits, delays, refusals and reconnections against a strict client.
///
/// The runs are the same each time. `WEIR_SEED=random` begins elsewhere, `WEIR_SEED=N` at N (a failing run prints its seed),
/// and `WEIR_RUNS` is how many runs there are: to look for new trouble, `WEIR_SEED=random WEIR_RUNS=2000`.
@Suite struct ModelTests {
  @Test(arguments: [(XDSProtocol.stateOfTheWorld, false), (.delta, false), (.delta, true)])
  func aStrictClientAlwaysHoldsAConsistentStateAndEndsWithAllOfIt(_ variant: XDSProtocol, isHostByHost: Bool) {
    let environment = ProcessInfo.processInfo.environment
    let given = environment["WEIR_SEED"]
    let first = given == "random" ? UInt64.random(in: 0...UInt64.max / 2) : given.flatMap(UInt64.init) ?? 1
    let runs = environment["WEIR_RUNS"].flatMap(UInt64.init) ?? 60
    print("model test: \(runs) runs from seed \(first)")
    var frozen = 0
    var answers: Answers = (0, 0, 0, 0)
    for offset in 0..<runs {
      let (isGood, isFrozen, more) = Self.run(
        variant, seed: first + offset, isHostByHost: isHostByHost, isAlone: runs == 1)
      guard isGood else { return }
      if isFrozen { frozen += 1 }
      answers = (
        answers.live + more.live, answers.notLive + more.notLive, answers.safe + more.safe, answers.unsafe + more.unsafe
      )
    }
    print("model test: what was said of generations and clusters: \(answers)")
    #expect(min(answers.live, answers.notLive, answers.safe, answers.unsafe) > 100, "the answers were put to the test")
    print(
      "model test, \(variant.rawValue)\(isHostByHost ? ", host by host" : ""): \(runs) runs are good; \(frozen) clients could not be helped out of silence"
    )
  }

  /// What failed once.
  @Test(
    arguments: [
      // A cluster that a returning client held in an older version than the one it refused never counted as warm.
      (XDSProtocol.delta, 8_812_774_201_825_386_185), (.stateOfTheWorld, 8_812_774_201_825_386_184),
      // A cluster that is refused and not held froze the routes of which the server knows the version only.
      (.delta, 396_364_648_449_002_046),
    ] as [(XDSProtocol, UInt64)])
  func whatFailedOnce(_ variant: XDSProtocol, _ seed: UInt64) {
    _ = Self.run(variant, seed: seed, habits: .init(), isAlone: false)
  }

  /// The same with the habits that come with the seed.
  @Test(
    arguments: [
      // A cluster that was there at last, under routes that had named it before, was withdrawn from a silent client.
      (false, 8_876_387_165_956_479_109),
      // What kept the client silent was a cluster of a response that it had refused before, which nobody took back.
      (true, 7_091_951_865_717_170_496),
      // The same, under hosts of which the server knew the version only: the client came without the cluster, and refused it.
      (true, 4_056_470_674_222_804_151),
      // The same, of a cluster that the client held in the version before.
      (true, 3_121_459_491_461_347_895),
      // The same, of a refusal that named no cluster.
      (false, 8_148_187_791_656_245_095),
      // A route table that the client had dropped came once more, sent before the server knew: the model is to blame.
      (false, 4_050_206_375_526_241_847),
      // A cluster counted as warm for the moment in which the client had given up its endpoints and not taken them up again.
      (true, 4_094_733_213_359_577_267),
    ] as [(Bool, UInt64)])
  func whatFailedOnceInSilence(_ isHostByHost: Bool, _ seed: UInt64) {
    _ = Self.run(.delta, seed: seed, isHostByHost: isHostByHost, isAlone: false)
  }

  /// A generation was said to be live and was not.
  @Test(
    arguments: [
      // The client had taken a cluster from a response that it refused, and came back with the version of the one before.
      (XDSProtocol.stateOfTheWorld, 7_416_469_212_001_534_402), (.stateOfTheWorld, 5_897_190_476_515_284_658),
      // The client came back with endpoints of a cluster that was gone, and is there again.
      (.stateOfTheWorld, 4_467_517_274_903_357_408),
      // The client dropped its route table, and was proven to hold all of what it then asked for: nothing. When it took the table up
      // again some hosts had to wait, and the proof stayed.
      (.stateOfTheWorld, 147_310_869_963_387_472), (.delta, 84_628_708_049_716_928),
      (.delta, 4_146_006_490_100_018_694), (.delta, 2_351_748_965_244_373_435),
      // A route that had not waited for a cluster which the client refused named it still when it was gone.
      (.stateOfTheWorld, 6_971_889_069_604_165_529), (.delta, 4_529_555_423_078_339_996),
    ] as [(XDSProtocol, UInt64)])
  func whatWasSaidToBeLiveOnce(_ variant: XDSProtocol, _ seed: UInt64) {
    _ = Self.run(variant, seed: seed, isAlone: false)
  }

  /// A returning client's version has a cluster that it has dropped since, with a response that it refused: routes named it.
  @Test func whatWasNotThereOnce() {
    _ = Self.run(.stateOfTheWorld, seed: 4_087_290_158_662_256_196, isAlone: false)
  }

  private typealias Answers = (live: Int, notLive: Int, safe: Int, unsafe: Int)

  private static func run(
    _ variant: XDSProtocol, seed: UInt64, habits: ModelClient.Habits? = nil, isHostByHost: Bool = false, isAlone: Bool
  ) -> (isGood: Bool, isFrozen: Bool, answers: Answers) {
    var run = ModelRun(variant, seed: seed, habits: habits, isHostByHost: isHostByHost)
    let problems = run.go()
    let isGood = problems.isEmpty
    #expect(isGood, "WEIR_SEED=\(seed) \(variant), host by host: \(isHostByHost)")
    if !isGood {
      print("client: \(run.habits)")
      print((problems.prefix(4) + problems.suffix(isAlone ? 1000 : 45)).joined(separator: "\n"))
      print(run.state)
    }
    return (isGood, run.hasStayedFrozen, run.oracle.answers)
  }
}

private struct ModelRun {
  private var random: SeededGenerator
  private var world = World()
  private var version = 1
  private var current: Generation
  private var shared = SharedResponses.forTests()
  private let variant: XDSProtocol
  private let client: ModelClient
  private var session: ProxySession
  private var log: [String] = []
  /// Of its own, so that a habit more does not change what happens in a run without it.
  private var oddities: SeededGenerator
  let habits: ModelClient.Habits
  private var now = Duration.zero
  private var responses = 0
  private(set) var oracle = ConvergenceOracle()
  /// The client says nothing of clusters to the end, because of one of which the server does not know what it held.
  private(set) var hasStayedFrozen = false

  init(_ variant: XDSProtocol, seed: UInt64, habits: ModelClient.Habits? = nil, isHostByHost: Bool) {
    random = SeededGenerator(seed: seed)
    oddities = SeededGenerator(seed: ~seed)
    var habits = habits ?? .init(using: &oddities)
    habits.takesHostByHost = isHostByHost
    self.habits = habits
    self.variant = variant
    for index in 0..<4 { world.cluster("c\(index)") }
    world.host("h0", ["c0", "c1"])
    world.host("h1", ["c2"])
    current = world.generation()
    client = ModelClient(variant, self.habits)
    session = ProxySession(
      variant: variant, proxyClass: isHostByHost ? World.hostByHostClass : World.proxyClass, shared: shared)
    session.published(current)
    client.connect(serverRestarted: false)
    oracle.note(current, proxyClass)
  }

  private var proxyClass: ProxyClass { habits.takesHostByHost ? World.hostByHostClass : World.proxyClass }
  private var routeName: String { habits.takesHostByHost ? World.hostlessName : World.routeName }

  /// What the client is to hold in the end.
  private func wanted(_ type: ResourceType) -> [String: String] {
    var wanted: [String: String] = [:]
    if type == .virtualHost && !habits.takesHostByHost { return wanted }
    session.table(type, current)?.tree.forEach { wanted[$0.name] = $0.version }
    return type == .route ? wanted.filter { $0.key == routeName } : wanted
  }

  /// What the server believes, and what the client has.
  var state: String {
    func names(_ table: ResourceTable) -> [String] {
      var names: [String] = []
      table.tree.forEach { names.append($0.isClaim ? "\($0.name)?" : String(decoding: $0.flattened(), as: UTF8.self)) }
      return names.sorted()
    }
    var lines = ["warm \(names(session.warm)), endpoints as of \(names(session.endpointsAsOf))"]
    for type in ResourceType.allCases {
      let session = session[type]
      lines.append("\(type) accepted \(names(session.acked)), owed \(session.owed), unknown \(session.holdsUnknown)")
      let (converged, answered) = (self.session.converged(type), self.session.answered(type))
      lines.append("  converged \(converged), answered \(answered) but for \(session.unproven)")
      if let table = session.inFlight?.table { lines.append("  in flight \(names(table))") }
      if let quarantine = session.quarantine {
        lines.append("  blocked \(quarantine.blocked.keys.sorted()), doubtful \(quarantine.doubtful.sorted())")
        lines.append("  groups \(quarantine.groups.map { $0.keys.sorted() }), dropped \(quarantine.dropped.sorted())")
      }
      if let table = self.session.table(type, current) { lines.append("  is \(names(table))") }
      let held = client.held[type, default: [:]].values.map { String(decoding: $0.flattened(), as: UTF8.self) }
      lines.append("  client \(held.sorted())")
    }
    return lines.joined(separator: "\n")
  }

  mutating func go() -> [String] {
    for _ in 0..<300 {
      if habits.isErratic { oddity() }
      step()
      if !client.complaints.isEmpty { return client.complaints + log }
      // What the client has said and the server has not read may be that it holds less.
      let untrue = client.outbox.isEmpty ? oracle.check(session, client, routes: [routeName]) : []
      if !untrue.isEmpty { return untrue + log }
    }
    // First with the bad left as it is: nothing goes in circles, and what does not depend on the bad is there.
    publish()
    guard comesToRest(warmingEnds: true) else { return ["never quiet with bad content"] + log }
    let missing = client.complaints + (client.isFrozen ? [] : missingGood())
    guard missing.isEmpty else { return missing + log }
    // Then all that is bad is made good, and everything on its way arrives.
    world.heal()
    publish()
    guard comesToRest() else { return ["never quiet"] + log }
    hasStayedFrozen = client.isFrozen
    if hasStayedFrozen { return client.complaints }
    if !habits.takesRoutes {
      // That a client which came back takes no routes is known when it has accepted two generations without them.
      for name in ["z0", "z1"] {
        world.cluster(name)
        publish()
        guard comesToRest() else { return ["never quiet"] + log }
      }
    }
    var problems = client.complaints
    for type in ResourceType.allCases {
      let wanted = wanted(type)
      let held = client.held[type, default: [:]].mapValues(\.version)
      if held != wanted && (![.route, .virtualHost].contains(type) || habits.takesRoutes) {
        let differing = Set(held.keys).union(wanted.keys).filter { held[$0] != wanted[$0] }
        problems.append("\(type) differs: \(differing.sorted()) held \(session[type].held)")
      }
      if session[type].isRequested && session.converged(type) != current.number {
        problems.append("\(type) is not known to have converged")
      }
      if session[type].quarantine != nil || !session[type].held.isEmpty || !session[type].claimed.isEmpty {
        problems.append("\(type): something is remembered that is over")
      }
    }
    if session.proven != current.number { problems.append("all is there, and \(session.proven) is proven") }
    return problems.isEmpty ? [] : problems + log
  }

  /// The client is frozen because of a cluster that it holds from before, in a content that this process does not know:
  /// the server cannot give it back, and must not remove it.
  private var isBeyondHelp: Bool {
    guard client.outbox.isEmpty, client.inbox.isEmpty, client.isFrozen, session.wakeUp == nil else { return false }
    return session[.cluster].holdsUnknown || client.phantoms.contains { session[.cluster].acked[$0]?.isClaim ?? false }
  }

  /// The client is frozen, and some of its clusters wait for endpoints that it has refused.
  private var waitsForEndpoints: Bool {
    client.outbox.isEmpty && client.inbox.isEmpty && client.isFrozen && session.wakeUp == nil
      && session[.endpoint].quarantine != nil
  }

  /// - Parameter warmingEnds: a cluster whose endpoints do not come is given up (`initial_fetch_timeout`).
  private mutating func comesToRest(warmingEnds: Bool = false) -> Bool {
    responses = 0
    for _ in 0..<2000 {
      pump()
      // Halving finds three bad ones of eight clusters, and as many of the other types, in fewer.
      if responses > 200 { return false }
      if isQuiet { return true }
      if isBeyondHelp || (warmingEnds && waitsForEndpoints) { return true }
      if warmingEnds && client.outbox.isEmpty && client.inbox.isEmpty && client.isFrozen && session.wakeUp == nil,
        session[.cluster].holdsUnknown
          || client.phantoms.contains(where: { session[.cluster].acked[$0]?.isClaim ?? false })
      {
        return true
      }
      if warmingEnds && client.outbox.isEmpty && client.inbox.isEmpty { client.releaseClusterACK() }
      settle()
    }
    return false
  }

  /// Good content that the client lacks although nothing bad stands in its way.
  private func missingGood() -> [String] {
    var problems: [String] = []
    func check(_ resource: Resource, _ type: ResourceType) {
      guard !ModelClient.isBad(resource) else { return }
      if client.held[type]?[resource.name]?.version != resource.version {
        problems.append("\(type) \(resource.name) is good and not there, held \(session[type].held)")
      }
    }
    var good: Set<String> = []
    world.clusters.tree.forEach { cluster in
      check(cluster, .cluster)
      guard !ModelClient.isBad(cluster) else { return }
      if let endpoints = world.endpoints[cluster.name] {
        check(endpoints, .endpoint)
        if ModelClient.isBad(endpoints) { return }
      }
      good.insert(cluster.name)
    }
    // A client of unknown state that refuses all listeners without saying why cannot be helped.
    if !session[.listener].holdsUnknown {
      (session.table(.listener, current) ?? .init()).tree.forEach {
        if good.isSuperset(of: $0.references) { check($0, .listener) }
      }
    }
    if habits.takesHostByHost {
      guard session[.virtualHost].isRequested else { return problems }
      world.virtualHosts.tree.forEach { if good.isSuperset(of: $0.references) { check($0, .virtualHost) } }
      return problems
    }
    guard let route = world.routes[World.routeName], !ModelClient.isBad(route), session[.route].isRequested else {
      return problems
    }
    let held = client.held[.route]?[World.routeName].map(World.hosts) ?? [:]
    for (host, clusters) in World.hosts(in: route) where good.isSuperset(of: clusters) && held[host] != clusters {
      problems.append("host \(host) is good and not there, held \(session[.route].held)")
    }
    return problems
  }

  private var isQuiet: Bool { client.inbox.isEmpty && client.outbox.isEmpty && client.withheld.isEmpty }

  private mutating func settle() {
    if !client.outbox.isEmpty {
      serverReads()
    } else if !client.inbox.isEmpty {
      clientReads()
    } else if client.isFrozen, let deadline = session.wakeUp {
      now = max(now, deadline)
      log.append("the client is silent until \(now)")
    } else if client.isWarm {
      client.releaseClusterACK()
    } else {
      let cold = "never warm: \(client.held[.cluster, default: [:]].keys.filter { !client.warm.contains($0) })"
      if log.last != cold { log.append(cold) }
    }
  }

  private mutating func oddity() {
    switch Int.random(in: 0..<60, using: &oddities) {
    case 0: client.repeatAnswer(ResourceType.allCases.randomElement(using: &oddities)!)
    case 1: client.resubscribe(.route, routeName)
    case 2: client.resubscribe(.endpoint, "c\(Int.random(in: 0..<8, using: &oddities))")
    default: break
    }
  }

  private mutating func step() {
    switch Int.random(in: 0..<100, using: &random) {
    case 0..<25: edit()
    case 25..<60: if !client.outbox.isEmpty { serverReads() }
    case 60..<93: if !client.inbox.isEmpty { clientReads() }
    case 93..<98: if client.isWarm || Bool.random(using: &random) { client.releaseClusterACK() }
    case 98: reconnect()
    default: pump()
    }
  }

  private mutating func serverReads() {
    let receipt: ProxySession.Receipt
    switch client.outbox.removeFirst() {
    case .delta(let request, let type):
      receipt = session.received(request, for: type)
      if type == .route && !request.resourceNamesSubscribe.isEmpty { client.routesAreRequested() }
      log.append(
        "> \(type) \(receipt) +\(request.resourceNamesSubscribe) -\(request.resourceNamesUnsubscribe)"
          + " irv \(request.initialResourceVersions.keys.sorted()) nonce \(request.responseNonce)")
    case .stateOfTheWorld(let request, let type):
      receipt = session.received(request, for: type)
      log.append("> \(type) \(receipt) \(request.resourceNames) nonce \(request.responseNonce)")
    }
    // Now and then the stream is not writable.
    if Int.random(in: 0..<10, using: &random) > 0 { pump() }
  }

  private mutating func pump() {
    let before = ResourceType.allCases.filter { session[$0].inFlight != nil }
    for response in session.pump(at: now) {
      responses += 1
      let sent = Sent(response: response)
      log.append("< \(sent) \(sent.hosts)")
      if !response.suspects.isEmpty {
        log.append("withdrawn: \(response.suspects)")
      } else if before.contains(sent.type) {
        log.append("two in flight")
      }
      precondition(!before.contains(sent.type) || client.isFrozen, "two responses in flight")
      client.inbox.append(sent)
    }
  }

  private mutating func clientReads() {
    log.append("client takes \(client.inbox[0])")
    client.processNext(
      ackAtOnce: Int.random(in: 0..<4, using: &random) == 0, namesTheBad: Bool.random(using: &random))
  }

  private mutating func reconnect() {
    // Of a client that may hold anything the server supposes that it takes the rest of what it refuses, as Envoy and gRPC do.
    let knowsAll = variant == .stateOfTheWorld && habits.refusesWhole
    let isRestarted = Bool.random(using: &random) && !knowsAll
    log.append("reconnect, restarted: \(isRestarted)")
    if isRestarted {
      shared = .forTests()
      if Bool.random(using: &random) {
        shared.remember(current)
        client.remembered = [
          .cluster: current.clusters.contentHash.text,
          .listener: current.table(.listener, for: World.proxyClass)?.contentHash.text ?? "",
        ]
      } else {
        client.remembered = [:]
      }
    }
    session = ProxySession(variant: variant, proxyClass: proxyClass, shared: shared)
    if Bool.random(using: &random) { session.published(current) }
    if habits.isErratic {
      for type in ResourceType.allCases where Int.random(in: 0..<4, using: &oddities) == 0 {
        for name in client.held[type, default: [:]].keys.sorted() where Bool.random(using: &oddities) {
          client.forget(type, name)
          log.append("forgets \(type) \(name)")
        }
      }
    }
    client.connect(serverRestarted: isRestarted)
  }

  private mutating func publish() {
    current = world.generation()
    oracle.note(current, proxyClass)
    session.published(current)
    if Bool.random(using: &random) { _ = shared.age() }
    pump()
  }

  private mutating func edit() {
    for _ in 0...Int.random(in: 0..<3, using: &random) {
      version += 1
      let name = "c\(Int.random(in: 0..<8, using: &random))"
      let exists = world.clusters[name] != nil
      switch Int.random(in: 0..<10, using: &random) {
      case 0, 1:
        world.cluster(name, version: version, endpoints: exists ? nil : 1)
      case 2, 3:
        if exists { world.endpoint(name, version: version) }
      case 4, 5:
        if exists {
          world.forget(name, version: version)
          world.removeCluster(name)
        }
      case 6, 7, 8:
        var names: [String] = []
        world.clusters.tree.forEach { names.append($0.name) }
        let clusters = Array(names.shuffled(using: &random).prefix(Int.random(in: 0...2, using: &random)))
        world.host("h\(Int.random(in: 0..<4, using: &random))", version: version, clusters.sorted())
      default:
        let listener = "tcp\(Int.random(in: 0..<2, using: &random))"
        if world.listeners[listener] == nil, exists {
          world.listener(listener, version: version, clusters: [name])
        } else {
          world.listeners.remove(listener)
        }
      }
    }
    log.append("edit \(version)")
    publish()
  }
}

extension ModelClient.Habits {
  /// Half of the clients are as Envoy usually is.
  init(using random: inout SeededGenerator) {
    guard Bool.random(using: &random) else { return }
    refusesWhole = Int.random(in: 0..<3, using: &random) == 0
    takesRoutes = Int.random(in: 0..<5, using: &random) > 0
    isErratic = Bool.random(using: &random)
    freezes = !refusesWhole && Int.random(in: 0..<3, using: &random) == 0
  }
}

extension World {
  /// Removes what names a cluster.
  mutating func forget(_ cluster: String, version: Int) {
    if let route = routes[World.routeName] {
      for (host, clusters) in World.hosts(in: route) where clusters.contains(cluster) {
        self.host(host, version: version, clusters.filter { $0 != cluster })
      }
    }
    for name in listeners.keys(referencing: cluster) { listeners.remove(name) }
  }

  /// Replaces all bad content.
  mutating func heal() {
    for resource in bad(clusters) { cluster(resource.name, version: 100_001, endpoints: nil) }
    for resource in bad(endpoints) { endpoint(resource.name, version: 100_001) }
    for resource in bad(listeners) { listener(resource.name, version: 100_001, clusters: resource.references) }
    if let route = routes[World.routeName] {
      for (host, clusters) in World.hosts(in: route) { self.host(host, version: 100_001, clusters) }
    }
  }

  private func bad(_ table: ResourceTable) -> [Resource] {
    var bad: [Resource] = []
    table.tree.forEach { if ModelClient.isBad($0) { bad.append($0) } }
    return bad
  }
}
