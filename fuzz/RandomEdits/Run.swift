import Admission
import TrafficCompiler
import TrafficModel
import XDSSnapshot

/// One world, edited at random. What the compiler has made step by step of what the gate admitted is held against what a new
/// compiler makes of the admitted set, byte for byte.
struct Run {
  let seed: UInt64
  let services: Int
  let edits: Int
  private(set) var comparisons = 0
  private(set) var admitted = 0
  private(set) var waited = 0
  private(set) var counts: [EditKind: Int] = [:]
  /// The violations of the graph's laws, if the compiler was told to go on after one.
  private(set) var violations: [String] = []

  private static let classes: [ProxyClass] = [
    ProxyClass(namespace: "shop", listenHost: "127.0.0.1", listenPort: 15001),
    ProxyClass(namespace: "bank", listenHost: "127.0.0.1", listenPort: 15001),
    ProxyClass(namespace: "svc", listenHost: "127.0.0.3", listenPort: 5432),
    ProxyClass(namespace: "shop", listenHost: "127.0.0.1", listenPort: 15001, takesVirtualHosts: true),
    ProxyClass(namespace: "bank", listenHost: "127.0.0.1", listenPort: 15001, fetchesClusters: true),
  ]
  /// Of how many endpoints on they are served one by one: never, always, or from some.
  private var loneEndpointsFrom: Int { [0, 1, 3][Int(seed % 3)] }

  struct Failure: Error, CustomStringConvertible {
    let description: String
  }

  init(seed: UInt64, services: Int, edits: Int) {
    self.seed = seed
    self.services = services
    self.edits = edits
  }

  /// - Parameter withdrawn: a read that the compiler declares no longer. The run then ends at the first read of it.
  mutating func run(withdrawing withdrawn: TrafficCompiler.DeclaredRead? = nil) throws {
    var world = RandomWorld(seed: seed, services: services)
    var gate = AdmissionGate()
    let compiler = TrafficCompiler(loneEndpointsFrom: loneEndpointsFrom, checksReads: true)
    let violations = Violations()
    if let withdrawn {
      compiler.withdraw(withdrawn)
      compiler.onViolation { violations.all.append($0) }
    }
    var classes: Set<ProxyClass> = []
    var releases: [NamespacedName: [ReleaseOverlay]] = [:]
    var previews: [NamespacedName: VirtualService] = [:]
    var (done, sinceComparison, proxyClassChanges) = (0, 0, 0)
    while done < edits, violations.all.isEmpty {
      var updates: [SourceUpdate] = []
      for _ in 0..<world.random.number(1...4) { updates.append(world.nextUpdate()) }
      done += updates.count
      sinceComparison += updates.count
      let change = gate.apply(updates)
      admitted += change.edits.count
      let before = compiler.generation
      var changedReleases: [NamespacedName: [ReleaseOverlay]] = [:]
      if world.random.chance(15) {
        let (service, overlays) = world.nextRelease()
        changedReleases[service] = overlays
        releases[service] = overlays.isEmpty ? nil : overlays
      }
      var changedPreviews: [Edit] = []
      if world.random.chance(6) {
        let preview = world.nextPreview()
        let ends = previews[preview.id] != nil && world.random.chance(60)
        previews[preview.id] = ends ? nil : preview
        let key = ObjectKey(.virtualService, preview.id)
        changedPreviews = [ends ? .delete(key) : .upsert(.virtualService(preview))]
      }
      let after = compiler.apply(change.edits + changedPreviews, releases: changedReleases)
      guard after === before || after.number == before.number + 1 else {
        throw failure("a generation was left out", done)
      }
      if world.random.chance(3) {
        proxyClassChanges += 1
        let proxyClass = world.random.pick(Self.classes)
        if classes.remove(proxyClass) != nil {
          compiler.removeClass(proxyClass)
        } else {
          classes.insert(proxyClass)
          compiler.addClass(proxyClass)
        }
      }
      guard world.random.chance(5) || sinceComparison >= 46 || done >= edits else { continue }
      sinceComparison = 0
      waited = max(waited, gate.waitingObjects.count)
      if withdrawn == nil { try compare(compiler, gate, (releases, previews), &world.random, classes, done) }
    }
    counts = world.counts
    counts[.proxyClass] = proxyClassChanges
    self.violations = violations.all.map(\.description)
  }

  private final class Violations {
    var all: [TrafficCompiler.LawViolation] = []
  }

  private func failure(_ message: String, _ done: Int) -> Failure {
    Failure(
      description: "\(message) (after \(done) edits; replay: --seed \(seed) --services \(services) --edits \(edits))")
  }

  /// The same objects in another order, at once or one by one, classes first or last.
  private mutating func compare(
    _ compiler: TrafficCompiler, _ gate: AdmissionGate,
    _ shaping: (releases: [NamespacedName: [ReleaseOverlay]], previews: [NamespacedName: VirtualService]),
    _ random: inout SeededGenerator, _ classes: Set<ProxyClass>,
    _ done: Int
  ) throws {
    comparisons += 1
    let releases = shaping.releases
    let previews = shaping.previews.sorted { $0.key < $1.key }.map { TrafficObject.virtualService($0.value) }
    let scratch = TrafficCompiler(loneEndpointsFrom: loneEndpointsFrom, checksReads: true)
    if random.chance(50) {
      // As it takes many more objects than there are here.
      scratch.largeBatch = 1
      scratch.servicesInPortion = 3
    }
    let early = random.chance(50)
    if early { for proxyClass in classes { scratch.addClass(proxyClass) } }
    var edits = gate.admittedObjects.sorted { $0.key < $1.key }.map { Edit.upsert($0.object) }
    edits += previews.map(Edit.upsert)
    if random.chance(70) { edits.shuffle(using: &random) }
    if random.chance(10) {
      for edit in edits { scratch.apply([edit]) }
      for (service, overlays) in releases { scratch.apply([], releases: [service: overlays]) }
    } else {
      scratch.apply(edits, releases: releases)
    }
    if !early { for proxyClass in classes { scratch.addClass(proxyClass) } }
    let (a, b) = (compiler.generation, scratch.generation)
    if let difference = Self.difference(a, b) { throw failure(difference, done) }
    guard compiler.problems == scratch.problems else { throw failure("the problems differ", done) }
    guard compiler.apply(edits) === a else { throw failure("all of it again was a change", done) }
    guard random.chance(5) else { return }
    let empty = scratch.apply(
      gate.admittedObjects.map { .delete($0.key) } + previews.map { .delete($0.key) },
      releases: releases.mapValues { _ in [] })
    guard empty.clusters.count == 0, empty.endpoints.count == 0, scratch.problems.isEmpty else {
      throw failure("something is left of deleted objects", done)
    }
  }

  /// The first thing that differs: bytes, versions, or who names a cluster.
  private static func difference(_ a: Generation, _ b: Generation) -> String? {
    if Set(a.classes.keys) != Set(b.classes.keys) { return "the classes differ" }
    if let difference = difference(a.clusters, b.clusters, b.clusters, "cluster") { return difference }
    if let difference = difference(a.endpoints, b.endpoints, b.clusters, "assignment") { return difference }
    if (a.loneEndpoints == nil) != (b.loneEndpoints == nil) { return "one has endpoints one by one" }
    if let one = a.loneEndpoints, let other = b.loneEndpoints {
      let found =
        difference(one.assignments, other.assignments, b.clusters, "assignment by reference")
        ?? difference(one.endpoints, other.endpoints, b.clusters, "lone endpoint")
      if let found { return found }
    }
    for (proxyClass, tables) in a.classes {
      guard let others = b.classes[proxyClass] else { continue }
      let found =
        difference(tables.listeners, others.listeners, b.clusters, "listener")
        ?? difference(tables.routes, others.routes, b.clusters, "route configuration")
        ?? difference(tables.hostByHost, others.hostByHost, b.clusters)
      if let found { return "\(proxyClass.namespace): \(found)" }
    }
    return nil
  }

  private static func difference(
    _ a: Generation.HostByHost?, _ b: Generation.HostByHost?, _ clusters: ResourceTable
  ) -> String? {
    guard let a, let b else { return a == nil && b == nil ? nil : "one has virtual hosts one by one" }
    if a.routeTable != b.routeTable { return "the route tables without hosts have two names" }
    return difference(a.listeners, b.listeners, clusters, "listener of hosts one by one")
      ?? difference(a.virtualHosts, b.virtualHosts, clusters, "virtual host")
  }

  private static func difference(
    _ a: ResourceTable, _ b: ResourceTable, _ clusters: ResourceTable, _ what: String
  ) -> String? {
    var found: String?
    a.tree.forEach { resource in
      guard let other = b[resource.name] else { return found = "\(what) \(resource.name) should not be there" }
      if resource.flattened() != other.flattened() || resource.version != other.version {
        found = "\(what) \(resource.name) differs"
      }
    }
    if let found { return found }
    if a.count != b.count { return "a \(what) is missing" }
    if a.contentHash != b.contentHash { return "the tables of each \(what) have two hashes" }
    clusters.tree.forEach { cluster in
      if a.references(cluster.name) != b.references(cluster.name) { found = "who names \(cluster.name) differs" }
    }
    return found
  }
}
