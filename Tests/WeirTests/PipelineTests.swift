import EnvoyAPI
import Logging
import ManifestSource
import StateStore
import Synchronization
import Telemetry
import Testing
import TrafficModel
import XDSSnapshot

@testable import Weir
@testable import XDSServer

/// A clock whose sleepers wait until they are told that the time has come.
final class ManualSleep: Sendable {
  private struct State {
    var sleepers: [(duration: Duration, continuation: CheckedContinuation<Void, Never>)] = []
    var waiting: [CheckedContinuation<Void, Never>] = []
  }
  private let state = Mutex(State())

  @Sendable func sleep(_ duration: Duration) async throws {
    await withCheckedContinuation { continuation in
      let woken = state.withLock { state in
        state.sleepers.append((duration, continuation))
        defer { state.waiting = [] }
        return state.waiting
      }
      for waiter in woken { waiter.resume() }
    }
    try Task.checkCancellation()
  }

  var sleeperCount: Int { state.withLock { $0.sleepers.count } }

  /// Wakes the next sleeper, waiting until there is one; returns for how long it meant to sleep.
  func wakeNext() async -> Duration {
    while true {
      if let first = state.withLock({ $0.sleepers.isEmpty ? nil : $0.sleepers.removeFirst() }) {
        first.continuation.resume()
        return first.duration
      }
      await withCheckedContinuation { continuation in
        let isReady = state.withLock { state in
          if state.sleepers.isEmpty { state.waiting.append(continuation) }
          return !state.sleepers.isEmpty
        }
        if isReady { continuation.resume() }
      }
    }
  }
}

/// A pipeline over a server that nobody is connected to.
struct Bench {
  let server: XDSServer
  let pipeline: Pipeline
  let store = FakeStore()
  let clock = ManualSleep()
  let registry = MetricsRegistry()

  init(restoring objects: [AdmittedObject] = [], classes: [StoredProxyClass] = [], changes: Int = 0) {
    let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    server = XDSServer(
      logger: logger,
      classify: { _ in ProxyClass(namespace: "shop", listenHost: "127.0.0.1", listenPort: 15001) })
    pipeline = Pipeline(
      clusterDomain: "cluster.local", store: store, stored: StoredObjects(objects: objects, classes: classes),
      server: server,
      metrics: PipelineMetrics(registry), logger: logger, changes: changes, sleep: clock.sleep)
  }

  func take(_ yaml: String, file: String = "a.yaml", isInitialScan: Bool = false) async {
    let content = ManifestDecoder.decode(Array(yaml.utf8), file: file)
    await pipeline.take(
      SourceBatch(updates: [SourceUpdate(origin: file, content: content)], isInitialScan: isInitialScan))
  }

  /// The value of a series of the metrics.
  func metric(_ series: String) -> String? {
    registry.prometheusText().split(separator: "\n").first { $0.hasPrefix(series + " ") }
      .map { String($0.dropFirst(series.count + 1)) }
  }
}

let catalog = """
  apiVersion: v1
  kind: Service
  metadata: {name: catalog, namespace: shop}
  spec:
    ports: [{name: http, port: 80}]
  """

@Suite struct PipelineTests {
  @Test func nothingIsServedBeforeTheFirstScan() async {
    let bench = Bench()
    await bench.take(catalog)
    #expect(bench.server.generation == nil)
    await bench.take(catalog, isInitialScan: true)
    #expect(bench.server.generation?.clusters["outbound|80||catalog.shop.svc.cluster.local"] != nil)
  }

  @Test func theLastChangesAreKeptWithTheirReasons() async throws {
    let bench = Bench(changes: 2)
    await bench.take(catalog, isInitialScan: true)
    for port in [81, 82, 83] { await bench.take(catalog.replacing("port: 80", with: "port: \(port)")) }
    let list = await bench.pipeline.changes
    #expect(list.kept == 2)
    #expect(list.changes.map(\.generation) == [4, 3])
    let change = try #require(list.changes.first)
    let cluster = try #require(change.changed.first { $0.type == .cluster && $0.name.contains("|83|") })
    let edit = try #require(change.chain(of: cluster).last)
    #expect((edit.kind, edit.object, edit.place) == (.edited, "Service shop/catalog", "a.yaml:1"))
    #expect(await Bench().pipeline.changes.kept == 0)
  }

  @Test func aProblemIsCountedAndGoesAgain() async {
    let bench = Bench()
    await bench.take(catalog, isInitialScan: true)
    // No endpoints: a warning.
    #expect(bench.metric("weir_problems{severity=\"error\"}") == "0")
    #expect(bench.metric("weir_problems{severity=\"warning\"}") == "1")
    await bench.take(catalog.replacing("port: 80", with: "port: 80000"))
    #expect(bench.metric("weir_problems{severity=\"error\"}") == "1")
    #expect(await bench.pipeline.problems.filter { $0.severity == .error }.map(\.field) == ["spec.ports[0].port"])
    #expect(bench.server.generation?.clusters["outbound|80||catalog.shop.svc.cluster.local"] != nil)
    await bench.take(catalog)
    #expect(bench.metric("weir_problems{severity=\"error\"}") == "0")
  }

  @Test func aWriteThatFailedIsTriedAgainAndItsProblemGoes() async {
    let bench = Bench()
    bench.store.state.withLock { $0.failures = 2 }
    await bench.take(catalog, isInitialScan: true)
    // Served all the same.
    #expect(bench.server.generation?.clusters.count == 1)
    #expect(await bench.pipeline.problems.contains { $0.message.contains("could not be kept") })
    #expect(bench.store.state.withLock { $0.objects.isEmpty })
    #expect(await bench.clock.wakeNext() == Pipeline.retryDelay)
    #expect(await bench.clock.wakeNext() == Pipeline.retryDelay)
    while bench.store.state.withLock({ $0.objects.isEmpty }) { await Task.yield() }
    #expect(await !bench.pipeline.problems.contains { $0.message.contains("could not be kept") })
    #expect(bench.metric("weir_state_failures_total") == "2")
  }

  @Test func whatWasRestoredAndHasGoneIsNotServed() async throws {
    let content = ManifestDecoder.decode(Array(catalog.utf8), file: "gone.yaml")
    guard case .documents(let documents, _, _) = content else { return }
    let kept = try documents.map {
      AdmittedObject(object: try #require($0.object), location: $0.location, text: $0.text)
    }
    let bench = Bench(restoring: kept)
    await bench.take(catalog.replacing("catalog", with: "orders"), isInitialScan: true)
    let generation = try #require(bench.server.generation)
    #expect(generation.clusters["outbound|80||catalog.shop.svc.cluster.local"] == nil)
    #expect(generation.clusters["outbound|80||orders.shop.svc.cluster.local"] != nil)
  }

  @Test func aClassOutlivesItsLastProxyForAWhile() async {
    let bench = Bench()
    let proxyClass = ProxyClass(namespace: "shop", listenHost: "127.0.0.1", listenPort: 15001)
    await bench.take(catalog, isInitialScan: true)
    await bench.pipeline.add(proxyClass)
    #expect(bench.server.generation?.classes[proxyClass] != nil)

    // Gone and back: the first sweep finds nothing.
    await bench.pipeline.remove(proxyClass)
    await bench.pipeline.add(proxyClass)
    #expect(await bench.clock.wakeNext() == Pipeline.sweepInterval)
    #expect(bench.server.generation?.classes[proxyClass] != nil)

    await bench.pipeline.remove(proxyClass)
    for _ in 1..<Pipeline.sweepsOfGrace {
      #expect(await bench.clock.wakeNext() == Pipeline.sweepInterval)
      #expect(bench.server.generation?.classes[proxyClass] != nil)
    }
    #expect(await bench.clock.wakeNext() == Pipeline.sweepInterval)
    while bench.server.generation?.classes[proxyClass] != nil { await Task.yield() }
  }

  /// One sleeper, whatever comes and goes, and no new generation for a class that is still there.
  @Test func aClassThatComesAndGoesCostsNothing() async {
    let bench = Bench()
    let proxyClass = ProxyClass(namespace: "shop", listenHost: "127.0.0.1", listenPort: 15001)
    await bench.take(catalog, isInitialScan: true)
    await bench.pipeline.add(proxyClass)
    let generation = bench.server.generation?.number
    for _ in 0..<1000 {
      await bench.pipeline.remove(proxyClass)
      await bench.pipeline.add(proxyClass)
    }
    #expect(bench.server.generation?.number == generation)
    _ = await bench.clock.wakeNext()
    #expect(bench.clock.sleeperCount == 0)
  }

  /// Who brings one class after the other does not fill the memory with them.
  @Test func fewClassesWithoutProxiesAreKept() async {
    let bench = Bench()
    await bench.take(catalog, isInitialScan: true)
    for index in 0..<Pipeline.mostLeaving + 20 {
      let proxyClass = ProxyClass(namespace: "shop-\(index)", listenHost: "127.0.0.1", listenPort: 15001)
      await bench.pipeline.add(proxyClass)
      await bench.pipeline.remove(proxyClass)
    }
    #expect(bench.server.generation?.classes.count == Pipeline.mostLeaving)
  }

  private let shop = ProxyClass(namespace: "shop", listenHost: "127.0.0.1", listenPort: 15001)
  private let storedShop = StoredProxyClass(
    kind: "sidecar", namespace: "shop", listenHost: "127.0.0.1", listenPort: 15001)

  /// In the state of the world a client that comes back says no more than the version of its route table. The process
  /// that knows its class knows what is in it.
  @Test func theRouteTablesOfTheProcessBeforeAreRemembered() async throws {
    let before = Bench()
    await before.take(catalog, isInitialScan: true)
    await before.pipeline.add(shop)
    let generation = try #require(before.server.generation)
    let old = try #require(generation.classes[shop])
    let kept = try before.store.load(decode: { _, _ in nil })
    #expect(kept.classes == [storedShop])

    let after = Bench(restoring: kept.objects, classes: kept.classes)
    await after.take(catalog.replacing("catalog", with: "orders"), isInitialScan: true)
    let new = try #require(after.server.generation?.classes[shop])
    #expect(new.routes.contentHash != old.routes.contentHash)
    var count = 0
    old.routes.tree.forEach { route in
      count += 1
      #expect(after.server.shared.sentResource(.route, route.name, version: route.contentHash) != nil)
    }
    #expect(count > 0)
    #expect(after.server.shared.sentTable(version: old.listeners.contentHash) != nil)
  }

  @Test func aClassThatDoesNotComeBackIsForgotten() async throws {
    let bench = Bench(restoring: [], classes: [storedShop])
    bench.store.state.withLock { $0.classes = [storedShop] }
    await bench.take(catalog, isInitialScan: true)
    for _ in 0..<Pipeline.sweepsOfGrace { #expect(await bench.clock.wakeNext() == Pipeline.sweepInterval) }
    while bench.store.state.withLock({ !$0.classes.isEmpty }) { await Task.yield() }
  }

  @Test func aStateFileThatIsLostIsWrittenAnewWithEverything() async throws {
    let bench = Bench()
    await bench.take(catalog, isInitialScan: true)
    await bench.pipeline.add(shop)
    bench.store.state.withLock { state in
      state.objects = [:]
      state.classes = []
      state.isLost = true
    }
    await bench.take(catalog.replacing("catalog", with: "orders"), file: "b.yaml")
    bench.store.state.withLock { state in
      #expect(Set(state.objects.keys.map(\.id.name)) == ["catalog", "orders"])
      #expect(state.classes == [storedShop])
    }
    #expect(await bench.pipeline.problems.allSatisfy { !$0.message.contains("could not be kept") })
  }
}
