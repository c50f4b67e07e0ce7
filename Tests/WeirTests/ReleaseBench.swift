import EnvoyAPI
import Foundation
import Logging
import ManifestSource
import ReleaseControl
import ReleaseStores
import StateStore
import Synchronization
import Telemetry
import Testing
import TrafficModel
import XDSSnapshot

@testable import Weir
@testable import XDSServer

/// A release controller over a pipeline with a few proxies, and a clock that stands still.
struct ReleaseBench {
  let server: XDSServer
  let pipeline: Pipeline
  let controller: ReleaseController
  let store: any ReleaseStore
  let clock = ManualTimer()
  let time: ManualTime
  /// Without any, nothing is ever live.
  let proxies: BenchProxies
  /// What is wrong with what was kept.
  let problems: [Problem]
  private let guarding: Task<Void, Never>
  var releases: Releases { Releases(controller) }

  init(
    _ manifests: String = reviewsManifest(v1: 2, v2: 2), store: any ReleaseStore = MemoryReleaseStore(),
    time: ManualTime = ManualTime(), webhooks: ReleaseWebhooks? = nil, remembered: Int = 100,
    proxies: [String] = ["sidecar-1", "sidecar-2"], hasProblems: Bool = false, generationsBegin: UInt64 = 0,
    hasClass: Bool = true
  ) async throws {
    var logger = Logger(label: "test")
    logger.logLevel = .error
    server = XDSServer(
      logger: logger,
      classify: { _ in ProxyClass(namespace: "shop", listenHost: "127.0.0.1", listenPort: 15001) })
    let kept = try await ReleaseController.load(from: store)
    problems = kept.problems
    #expect(kept.problems.isEmpty != hasProblems)
    let (notices, notice) = AsyncStream.makeStream(of: ReleasedServices.Notice.self)
    self.store = store
    self.time = time
    pipeline = Pipeline(
      clusterDomain: "cluster.local", store: nil, stored: StoredObjects(), releases: kept.releases,
      onReleaseNotice: { notice.yield($0) }, server: server, metrics: PipelineMetrics(MetricsRegistry()),
      logger: logger, generationsBegin: generationsBegin)
    let controller = ReleaseController(
      pipeline: pipeline, store: store, kept: kept, server: server,
      clock: ReleaseClock(now: { time.now }, sleep: clock.sleep), clusterDomain: "cluster.local", logger: logger,
      webhooks: webhooks, remembered: remembered)
    self.controller = controller
    guarding = Task { for await notice in notices { await controller.take(notice) } }
    if hasClass {
      await pipeline.add(ProxyClass(namespace: "shop", listenHost: "127.0.0.1", listenPort: 15001))
    }
    let content = ManifestDecoder.decode(Array(manifests.utf8), file: "a.yaml")
    await pipeline.take(
      SourceBatch(updates: [SourceUpdate(origin: "a.yaml", content: content)], isInitialScan: true))
    self.proxies = try await BenchProxies(proxies, to: server)
    await controller.run()
  }

  func stop() async {
    guarding.cancel()
    await controller.stop()
    await proxies.stop()
  }

  func take(_ yaml: String, file: String = "a.yaml", isInitialScan: Bool = false) async {
    let content = ManifestDecoder.decode(Array(yaml.utf8), file: file)
    await pipeline.take(
      SourceBatch(updates: [SourceUpdate(origin: file, content: content)], isInitialScan: isInitialScan))
  }

  /// The shares of the subsets of `reviews` in its last route, in basis points, as they are served.
  func served(_ host: String = "reviews.shop.svc.cluster.local") throws -> [String: Int] {
    guard let table = server.generation?.classes.values.first?.routes["outbound"] else { return [:] }
    let text = try EnvoyJSON.render(typeURL: TypeURL.route, bytes: table.flattened())
    let json = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
    let hosts = json?["virtualHosts"] as? [[String: Any]] ?? []
    let found = hosts.first { ($0["name"] as? String) == "\(host):80" }
    let route = (found?["routes"] as? [[String: Any]])?.last?["route"] as? [String: Any]
    func subset(_ name: Any?) -> String {
      String((name as? String ?? "").split(separator: "|", omittingEmptySubsequences: false).dropFirst(2).first ?? "?")
    }
    if let cluster = route?["cluster"] { return [subset(cluster): 10_000] }
    let weighted = (route?["weightedClusters"] as? [String: Any])?["clusters"] as? [[String: Any]] ?? []
    return Dictionary(weighted.map { (subset($0["name"]), ($0["weight"] as? NSNumber)?.intValue ?? 0) }) { $0 + $1 }
  }

  /// Of the table of routes.
  func routeVersion() -> String? { server.generation?.classes.values.first?.routes["outbound"]?.version }

  /// Waits until a release is so.
  @discardableResult
  func status(
    _ release: some ReleaseHandle, where matches: @Sendable (ReleaseStatus) -> Bool
  ) async throws -> ReleaseStatus {
    for try await status in try await release.watch() where matches(status) { return status }
    throw ReleaseError(.unavailable, "\(release.id) was not so before the controller stopped")
  }
}

/// A time that is set by hand.
final class ManualTime: Sendable {
  private let time = Mutex(Date(timeIntervalSince1970: 1_700_000_000))
  var now: Date { time.withLock { $0 } }
  func advance(_ seconds: Double) { time.withLock { $0 += seconds } }
  func set(_ now: Date) { time.withLock { $0 = now } }
}

/// Sleepers who wake when they are told to, or when nobody needs them any longer.
final class ManualTimer: Sendable {
  private struct State {
    var next = 0
    var sleepers: [(id: Int, duration: Duration, continuation: CheckedContinuation<Void, Never>)] = []
    var waiting: [CheckedContinuation<Void, Never>] = []
  }
  private let state = Mutex(State())

  @Sendable func sleep(_ duration: Duration) async throws {
    let id = state.withLock { state in
      state.next += 1
      return state.next
    }
    await withTaskCancellationHandler {
      await withCheckedContinuation { continuation in
        let waiting = state.withLock { state -> [CheckedContinuation<Void, Never>]? in
          if Task.isCancelled { return nil }
          state.sleepers.append((id, duration, continuation))
          defer { state.waiting = [] }
          return state.waiting
        }
        guard let waiting else { return continuation.resume() }
        for waiter in waiting { waiter.resume() }
      }
    } onCancel: {
      let sleeper = state.withLock { state in
        state.sleepers.firstIndex { $0.id == id }.map { state.sleepers.remove(at: $0) }
      }
      sleeper?.continuation.resume()
    }
    try Task.checkCancellation()
  }

  /// How many sleep.
  var sleeping: Int { state.withLock { $0.sleepers.count } }

  /// Waits until there is a sleeper and wakes the first; returns for how long it meant to sleep.
  ///
  /// - Parameter before: called with that before the sleeper goes on.
  func wakeNext(_ before: (Duration) -> Void = { _ in }) async -> Duration {
    while true {
      if let first = state.withLock({ $0.sleepers.isEmpty ? nil : $0.sleepers.removeFirst() }) {
        before(first.duration)
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

/// A store that fails as long as it is told to.
final class FailingStore: ReleaseStore {
  private let inner = MemoryReleaseStore()
  let isFailing = Atomic(false)

  func load() async throws -> StoredReleases { inner.load() }
  func commit(_ commit: ReleaseCommit) async throws -> CommitOutcome {
    if isFailing.load(ordering: .acquiring) { throw ReleaseStoreError(.diskFull, "the disk is full") }
    return try inner.commit(commit)
  }
  func answer(to request: IdempotentRequest) async throws -> [UInt8]? {
    if isFailing.load(ordering: .acquiring) { throw ReleaseStoreError(.diskFull, "the disk is full") }
    return try inner.answer(to: request)
  }
  func ledger(after sequence: UInt64, limit: Int, of release: String?) async throws -> [LedgerEntry] {
    inner.ledger(after: sequence, limit: limit, of: release)
  }
  func ledgerHead() async throws -> LedgerMark { inner.ledgerHead() }
  func outbox(of webhook: String, limit: Int) async throws -> [OutboxItem] { inner.outbox(of: webhook, limit: limit) }
}

/// `NAME` in namespace `shop` with so many ready endpoints of each version, and no rules at all.
func reviewsManifest(v1: Int, v2: Int, v3: Int = 0, name: String = "reviews") -> String {
  var text = """
    apiVersion: v1
    kind: Service
    metadata: {name: \(name), namespace: shop}
    spec:
      ports: [{name: http, port: 80}]

    """
  var endpoints: [String] = []
  for (version, count) in [(1, v1), (2, v2), (3, v3)] where count > 0 {
    for number in 1...count {
      let pod = "\(name)-v\(version)-\(number)"
      text += """
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: \(pod), namespace: shop, labels: {version: v\(version)}}

        """
      endpoints.append(
        "{addresses: [10.0.\(version).\(number)], conditions: {ready: true}, "
          + "targetRef: {kind: Pod, name: \(pod), namespace: shop}}")
    }
  }
  return text + """
    ---
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {name: \(name)-1, namespace: shop, labels: {kubernetes.io/service-name: \(name)}}
    addressType: IPv4
    ports: [{name: http, port: 8080}]
    endpoints: [\(endpoints.joined(separator: ", "))]
    """
}

let reviewsSubsets = """
  apiVersion: networking.istio.io/v1
  kind: DestinationRule
  metadata: {name: reviews, namespace: shop}
  spec:
    host: reviews
    subsets:
    - {name: v1, labels: {version: v1}}
    - {name: v2, labels: {version: v2}}
  """

/// The VirtualService of `reviews`, with these routes.
func reviewsRoutes(_ routes: String...) -> String { reviewsRoutes(routes) }

func reviewsRoutes(_ routes: [String]) -> String {
  """
  apiVersion: networking.istio.io/v1
  kind: VirtualService
  metadata: {name: reviews, namespace: shop}
  spec:
    hosts: [reviews]
    http:

  """ + routes.map { "  - \($0)\n" }.joined()
}

extension ReleaseSpec {
  static func reviewsCanary(
    _ steps: [ReleaseStep], pause: ReleasePause = .untilApproved, guardRails: GuardRails = GuardRails()
  ) -> ReleaseSpec {
    .canary(of: "reviews.shop", from: "v1", to: "v2", steps: steps, pause: pause, guardRails: guardRails)
  }
}

/// The error that a release call throws.
func refusal(_ body: () async throws -> Void) async throws -> ReleaseError {
  do {
    try await body()
  } catch let error as ReleaseError {
    return error
  }
  throw ReleaseError(.invalid, "nothing was refused")
}
