import Foundation
import Testing
import TrafficCompiler
import TrafficModel
import XDSSnapshot

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

/// Random objects over few names, so that they meet.
struct RandomWorld {
  var random: SeededGenerator
  var services: Int
  private(set) var objects: [ObjectKey: TrafficObject] = [:]
  /// What releases make of services.
  private(set) var releases: [NamespacedName: [ReleaseOverlay]] = [:]
  private(set) var counts: [String: Int] = [:]

  init(seed: UInt64, services: Int) {
    random = SeededGenerator(seed: seed)
    self.services = services
  }

  mutating func pick<T>(_ list: [T]) -> T { list[Int.random(in: 0..<list.count, using: &random)] }
  mutating func chance(_ percent: Int) -> Bool { Int.random(in: 0..<100, using: &random) < percent }
  mutating func number(_ range: ClosedRange<Int>) -> Int { Int.random(in: range, using: &random) }

  mutating func namespace() -> String { pick(["shop", "bank", "svc"]) }
  mutating func serviceName() -> String { "s\(number(0...services - 1))" }
  mutating func serviceID() -> NamespacedName { NamespacedName(namespace: namespace(), name: serviceName()) }
  mutating func version() -> String { pick(["v1", "v2", "v3"]) }

  mutating func nextEdit() -> Edit {
    let kind = pick([
      .service, .endpointSlice, .endpointSlice, .endpointSlice, .pod, .pod, .node, .namespace, .destinationRule,
      .virtualService, .virtualService, ObjectKind.virtualService,
    ])
    if chance(25), let key = objects.keys.filter({ $0.kind == kind }).sorted().randomElement(using: &random) {
      objects[key] = nil
      counts["delete \(kind.rawValue)", default: 0] += 1
      return .delete(key)
    }
    let object = object(kind)
    objects[object.key] = object
    counts["upsert \(kind.rawValue)", default: 0] += 1
    return .upsert(object)
  }

  mutating func nextRelease() -> [NamespacedName: [ReleaseOverlay]] {
    let id = serviceID()
    counts["release", default: 0] += 1
    var overlays: [ReleaseOverlay] = []
    for port in chance(60) ? [nil] : [80, 8080] as [UInt16?] where chance(70) {
      let names = ["v1", "v2", "v3"].shuffled(using: &random)
      let subsets = names.map { DestinationRule.Subset(name: $0, labels: ["version": $0]) }
      overlays.append(
        ReleaseOverlay(
          port: port, stable: subsets[0], candidate: subsets[1],
          weight: Weight(basisPoints: pick([0, 1, 500, 3333, 9999, 10_000])) ?? .none,
          rules: chance(30) ? [RequestRule(headers: ["x-release": .present], cookies: ["c": .exact("1")])] : [],
          mirror: chance(20) ? 10 : .none, stickiness: chance(20) ? .header("x-user") : nil))
    }
    releases[id] = overlays.isEmpty ? nil : overlays
    return [id: overlays.shuffled(using: &random)]
  }

  private mutating func object(_ kind: ObjectKind) -> TrafficObject {
    switch kind {
    case .service:
      var ports: [ServicePort] = []
      for _ in 0..<number(0...3) {
        let applicationProtocol: ApplicationProtocol = pick([.http, .http, .http2, .tcp])
        ports.append(
          ServicePort(
            name: pick(["http", "web", "db"]), port: pick([80, 81, 8080, 15001, 5432]),
            applicationProtocol: applicationProtocol))
      }
      return .service(KubernetesService(id: chance(2) ? id("a.svc/s0") : serviceID(), ports: ports))
    case .endpointSlice:
      let service = serviceID()
      var endpoints: [EndpointSlice.Endpoint] = []
      for _ in 0..<number(0...6) {
        endpoints.append(
          .init(
            addresses: chance(10)
              ? ["10.0.0.\(number(1...9))", "10.0.1.\(number(1...9))"] : ["10.0.0.\(number(1...9))"],
            state: pick([.ready, .ready, .draining, .notReady]), zone: chance(30) ? pick(["za", "zb"]) : nil,
            nodeName: chance(50) ? "n\(number(0...3))" : nil,
            pod: chance(80) ? NamespacedName(namespace: service.namespace, name: "p\(number(0...20))") : nil))
      }
      let names = chance(20) ? ["http", "web", "db"] : [pick(["http", "web", "db"])]
      return .endpointSlice(
        EndpointSlice(
          id: NamespacedName(namespace: service.namespace, name: "slice-\(number(0...services * 2))"),
          service: service.name, ports: names.map { .init(name: $0, port: 8000) }, endpoints: endpoints))
    case .pod:
      var labels: [String: String] = [:]
      if chance(90) { labels["version"] = version() }
      if chance(50) { labels["track"] = pick(["canary", "stable"]) }
      return .pod(
        Pod(
          id: NamespacedName(namespace: namespace(), name: "p\(number(0...20))"), labels: labels,
          nodeName: chance(70) ? "n\(number(0...3))" : nil))
    case .node:
      return .node(
        KubernetesNode(name: "n\(number(0...3))", region: pick(["r1", "r2", ""]), zone: pick(["za", "zb", ""])))
    case .namespace:
      return .namespace(KubernetesNamespace(name: namespace()))
    case .destinationRule:
      let service = serviceID()
      var subsets: [DestinationRule.Subset] = []
      for _ in 0..<number(0...3) {
        var labels: [String: String] = chance(90) ? ["version": version()] : [:]
        if chance(20) { labels["track"] = "canary" }
        subsets.append(.init(name: version(), labels: labels, loadBalancer: chance(20) ? loadBalancer() : nil))
      }
      return .destinationRule(
        DestinationRule(
          id: NamespacedName(namespace: namespace(), name: "dr\(number(0...services))"), host: form(of: service),
          loadBalancer: chance(50) ? loadBalancer() : nil, subsets: subsets))
    case .virtualService:
      var hosts: [String] = []
      for _ in 0..<number(1...2) {
        let service = serviceID()
        hosts.append(
          chance(80)
            ? form(of: service)
            : pick([
              "*", "*.shop.svc.cluster.local", "*.svc.cluster.local", "*.local", "www.example.com", "WWW.example.com",
              "*.example.com",
            ]))
      }
      var http: [HTTPRoute] = []
      for _ in 0..<number(0...3) { http.append(route()) }
      return .virtualService(
        VirtualService(
          id: NamespacedName(namespace: namespace(), name: "vs\(number(0...services))"), hosts: hosts, http: http))
    }
  }

  private mutating func form(of service: NamespacedName) -> String {
    pick([
      service.name, "\(service.name).\(service.namespace)", "\(service.name).\(service.namespace).svc",
      "\(service.name).\(service.namespace).svc.cluster.local",
    ])
  }

  private mutating func loadBalancer() -> LoadBalancer {
    pick([
      .random, .roundRobin, .leastRequest, .consistentHash(key: .header("x-user"), table: .ring(minimumSize: 1024)),
      .consistentHash(key: .sourceIP, table: .maglev(tableSize: nil)),
    ])
  }

  private mutating func route() -> HTTPRoute {
    var matches: [HTTPMatch] = []
    for _ in 0..<number(0...2) {
      matches.append(
        HTTPMatch(
          name: chance(20) ? "m" : "", uri: chance(60) ? pick([.prefix("/a"), .exact("/b"), .regex("/c.*")]) : nil,
          ignoreURICase: chance(20), method: chance(20) ? .exact("GET") : nil,
          headers: chance(40) ? ["x-a": .exact("1"), "x-b": .present] : [:],
          withoutHeaders: chance(20) ? ["x-c": .prefix("z")] : [:], port: chance(20) ? pick([80, 81]) : nil))
    }
    var destinations: [RouteDestination] = []
    for _ in 0..<number(1...3) {
      let service = serviceID()
      destinations.append(
        RouteDestination(
          host: form(of: service), subset: chance(60) ? version() : nil, port: chance(30) ? pick([80, 8080]) : nil,
          weight: UInt32(number(0...3))))
    }
    return HTTPRoute(
      name: chance(30) ? "r" : "", matches: matches, destinations: destinations,
      timeoutMilliseconds: chance(20) ? 500 : nil,
      retries: chance(20) ? HTTPRetry(attempts: UInt32(number(0...2)), retryOn: chance(50) ? "5xx,503" : nil) : nil)
  }
}

let allClasses: [ProxyClass] = [
  shopClass, otherClass, ProxyClass(namespace: "svc", listenHost: "127.0.0.3", listenPort: 5432), hostByHostClass,
  ProxyClass(namespace: "bank", listenHost: "127.0.0.1", listenPort: 15001, takesVirtualHosts: true),
]

/// What differs between two generations, in every table of every class, byte by byte.
func differences(_ a: Generation, _ b: Generation) throws -> [String] {
  var all: [String] = []
  for proxyClass in a.classes.keys {
    for type in ResourceType.allCases {
      guard let old = a.table(type, for: proxyClass), let new = b.table(type, for: proxyClass) else { continue }
      let names = Set(a.names(type, for: proxyClass)).union(b.names(type, for: proxyClass))
      for name in names
      where old[name]?.flattened() != new[name]?.flattened() || old[name]?.version != new[name]?.version {
        var text = "\(proxyClass.namespace) \(type) \(name)"
        if type == .route {
          let (left, right) = try (a.virtualHosts(for: proxyClass), b.virtualHosts(for: proxyClass))
          for host in Set(left.keys).union(right.keys).sorted() {
            let (x, y) = (left[host]?.value as? NSDictionary, right[host]?.value as? NSDictionary)
            if x != y { text += "\n\(host): \(x.map { "\($0)" } ?? "none")\nversus \(y.map { "\($0)" } ?? "none")" }
          }
        }
        all.append(text)
      }
    }
  }
  return all
}

struct RandomEditTests {
  /// Set WEIR_SEED to replay one seed, WEIR_EDITS for another number of edits for each seed.
  static var seeds: [UInt64] {
    let environment = ProcessInfo.processInfo.environment
    if let seed = environment["WEIR_SEED"].flatMap(UInt64.init) { return [seed] }
    let start = UInt64.random(in: 0..<1_000_000)
    return (0..<4).map { start + $0 }
  }
  static let edits = ProcessInfo.processInfo.environment["WEIR_EDITS"].flatMap(Int.init) ?? 1500

  @Test(arguments: seeds)
  func incrementalEqualsFromScratch(seed: UInt64) throws {
    let sizes = [5, 12, 40]
    var world = RandomWorld(seed: seed, services: sizes[Int(seed % 3)])
    let incremental = TrafficCompiler(loneEndpointsFrom: Self.loneEndpointsFrom(seed), checksReads: true)
    var classes: Set<ProxyClass> = []
    print("random edits: WEIR_SEED=\(seed)")
    var done = 0
    var known: Set<Problem> = []
    while done < Self.edits {
      var batch: [Edit] = []
      for _ in 0..<world.number(1...4) { batch.append(world.nextEdit()) }
      done += batch.count
      let before = incremental.generation
      let beforeHash = before.clusters.contentHash
      let after = incremental.apply(batch, releases: world.chance(25) ? world.nextRelease() : [:])
      #expect(before.clusters.contentHash == beforeHash)
      #expect(after === before || after.number == before.number + 1)
      if world.chance(5) {
        let proxyClass = world.pick(allClasses)
        if classes.remove(proxyClass) != nil {
          incremental.removeClass(proxyClass)
        } else {
          classes.insert(proxyClass)
          incremental.addClass(proxyClass)
        }
      }
      if world.chance(30) {
        let problems = incremental.problems
        let new = incremental.takeNewProblems()
        try #require(new == problems.filter { !known.contains($0) }, "WEIR_SEED=\(seed), after \(done) edits")
        known = Set(problems)
      }
      guard world.chance(5) || done >= Self.edits else { continue }
      try compare(incremental, &world, classes, Self.loneEndpointsFrom(seed), "WEIR_SEED=\(seed), after \(done) edits")
    }
    print(
      "WEIR_SEED=\(seed):",
      world.counts.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", "))
  }

  /// None, every endpoint, those of clusters with more than two.
  private static func loneEndpointsFrom(_ seed: UInt64) -> Int { [0, 1, 3][Int(seed / 3 % 3)] }

  /// The same objects in another order and other batches, in a new compiler.
  private func compare(
    _ incremental: TrafficCompiler, _ world: inout RandomWorld, _ classes: Set<ProxyClass>, _ loneEndpointsFrom: Int,
    _ context: Comment
  ) throws {
    let scratch = TrafficCompiler(loneEndpointsFrom: loneEndpointsFrom, checksReads: true)
    if world.chance(50) {
      // As it takes many more objects than there are here.
      scratch.largeBatch = 1
      scratch.servicesInPortion = world.number(1...4)
    }
    let early = world.chance(50)
    if early { for proxyClass in classes { scratch.addClass(proxyClass) } }
    var edits = world.objects.sorted { $0.key < $1.key }.map(\.value).map(Edit.upsert)
    if world.chance(70) { edits.shuffle(using: &world.random) }
    if world.chance(50) {
      for (service, overlays) in world.releases { scratch.apply([], releases: [service: overlays]) }
      for edit in edits { scratch.apply([edit]) }
    } else {
      scratch.apply(edits, releases: world.releases)
    }
    if !early { for proxyClass in classes { scratch.addClass(proxyClass) } }
    let (a, b) = (incremental.generation, scratch.generation)
    try #require(differences(a, b) == [], context)
    try #require(a.clusters.contentHash == b.clusters.contentHash, context)
    try #require(a.endpoints.contentHash == b.endpoints.contentHash, context)
    try #require(
      a.loneEndpoints?.assignments.contentHash == b.loneEndpoints?.assignments.contentHash
        && a.loneEndpoints?.endpoints.contentHash == b.loneEndpoints?.endpoints.contentHash, context)
    try #require(Set(a.classes.keys) == Set(b.classes.keys), context)
    for proxyClass in a.classes.keys {
      for type in ResourceType.allCases {
        try #require(
          a.table(type, for: proxyClass)?.contentHash == b.table(type, for: proxyClass)?.contentHash, context)
        try checkReferences(a.table(type, for: proxyClass), b.table(type, for: proxyClass), b.clusters, context)
      }
      let domains = try a.virtualHosts(for: proxyClass).values.flatMap { $0["domains"].texts.map { $0.lowercased() } }
      try #require(Set(domains).count == domains.count, context)
      guard proxyClass.takesVirtualHosts else { continue }
      let alone = try a.hostsAlone(for: proxyClass).values.flatMap { $0["domains"].texts.map { $0.lowercased() } }
      try #require(alone.sorted() == domains.sorted(), context)
    }
    try #require(incremental.problems == scratch.problems, context)
    // All of it again is no change.
    try #require(incremental.apply(edits, releases: world.releases) === a, context)
    // And without anything, nothing is left.
    if world.chance(10) {
      let empty = scratch.apply(
        world.objects.keys.map(Edit.delete), releases: world.releases.mapValues { _ in [] })
      try #require(empty.clusters.count == 0 && empty.endpoints.count == 0, context)
      try #require(scratch.problems == [], context)
      for tables in empty.classes.values {
        try #require(tables.listeners.count == 1 && tables.routes.count == 2, context)
        try #require(tables.hostByHost?.virtualHosts.count ?? 0 == 0, context)
      }
    }
  }

  private func checkReferences(
    _ a: ResourceTable?, _ b: ResourceTable?, _ clusters: ResourceTable, _ context: Comment
  ) throws {
    guard let a, let b else { return }
    var equal = true
    clusters.tree.forEach { cluster in
      if a.references(cluster.name) != b.references(cluster.name) { equal = false }
      a.tree.forEach { if b[$0.name]?.references(cluster.name) != $0.references(cluster.name) { equal = false } }
    }
    try #require(equal, context)
  }
}
