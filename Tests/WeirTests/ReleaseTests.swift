import EnvoyAPI
import Foundation
import Logging
import ManifestSource
import ReleaseControl
import StateStore
import Synchronization
import Telemetry
import Testing
import TrafficModel
import XDSSnapshot

@testable import Weir
@testable import XDSServer

/// A release controller over a pipeline that nobody is connected to, with a clock that stands still.
struct ReleaseBench {
  let server: XDSServer
  let pipeline: Pipeline
  let controller: ReleaseController
  let journal: any ReleaseJournal
  let clock = ManualSleep()
  let time = ManualTime()
  let notices: AsyncStream<ReleasedServices.Notice>
  var releases: Releases { Releases(controller) }

  init(_ manifests: String = reviews, journal: any ReleaseJournal = MemoryJournal()) async throws {
    let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })
    server = XDSServer(
      logger: logger,
      classify: { _ in ProxyClass(namespace: "shop", listenHost: "127.0.0.1", listenPort: 15001) })
    let kept = try await journal.load()
    let (notices, notice) = AsyncStream.makeStream(of: ReleasedServices.Notice.self)
    self.notices = notices
    self.journal = journal
    pipeline = Pipeline(
      clusterDomain: "cluster.local", store: nil, stored: StoredObjects(), releases: kept.releases,
      onReleaseNotice: { notice.yield($0) }, server: server, metrics: PipelineMetrics(MetricsRegistry()),
      logger: logger)
    controller = ReleaseController(
      pipeline: pipeline, journal: journal, releases: kept.releases, answers: kept.answers, server: server,
      clock: ReleaseClock(now: { [time] in time.now }, sleep: clock.sleep), clusterDomain: "cluster.local",
      logger: logger)
    await pipeline.add(ProxyClass(namespace: "shop", listenHost: "127.0.0.1", listenPort: 15001))
    await take(manifests, isInitialScan: true)
    await controller.run()
  }

  func take(_ yaml: String, file: String = "a.yaml", isInitialScan: Bool = false) async {
    let content = ManifestDecoder.decode(Array(yaml.utf8), file: file)
    await pipeline.take(
      SourceBatch(updates: [SourceUpdate(origin: file, content: content)], isInitialScan: isInitialScan))
  }

  /// The shares of the subsets of `reviews`, in basis points, as they are served.
  func served() throws -> [String: Int] {
    guard let table = server.generation?.classes.values.first?.routes["outbound"] else { return [:] }
    let text = try EnvoyJSON.render(typeURL: TypeURL.route, bytes: table.flattened())
    let json = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
    let hosts = json?["virtualHosts"] as? [[String: Any]] ?? []
    let host = hosts.first { ($0["name"] as? String) == "reviews.shop.svc.cluster.local:80" }
    let route = (host?["routes"] as? [[String: Any]])?.last?["route"] as? [String: Any]
    func subset(_ name: Any?) -> String {
      String((name as? String ?? "").split(separator: "|", omittingEmptySubsequences: false).dropFirst(2).first ?? "?")
    }
    if let cluster = route?["cluster"] { return [subset(cluster): 10_000] }
    let weighted = (route?["weightedClusters"] as? [String: Any])?["clusters"] as? [[String: Any]] ?? []
    return Dictionary(weighted.map { (subset($0["name"]), ($0["weight"] as? NSNumber)?.intValue ?? 0) }) { $0 + $1 }
  }

  func routeVersion() -> String? { server.generation?.classes.values.first?.routes["outbound"]?.version }
}

/// A time that is set by hand.
final class ManualTime: Sendable {
  private let time = Mutex(Date(timeIntervalSince1970: 1_700_000_000))
  var now: Date { time.withLock { $0 } }
  func advance(_ seconds: Double) { time.withLock { $0 += seconds } }
}

/// `reviews` with two ready endpoints of each version, and no rules at all.
let reviews = reviewsManifest(v1: 2, v2: 2)

func reviewsManifest(v1: Int, v2: Int) -> String {
  var text = """
    apiVersion: v1
    kind: Service
    metadata: {name: reviews, namespace: shop}
    spec:
      ports: [{name: http, port: 80}]

    """
  var endpoints = ""
  for (version, count) in [(1, v1), (2, v2)] where count > 0 {
    for number in 1...count {
      text += """
        ---
        apiVersion: v1
        kind: Pod
        metadata: {name: reviews-v\(version)-\(number), namespace: shop, labels: {version: v\(version)}}

        """
      endpoints += """
        - {addresses: [10.0.\(version).\(number)], conditions: {ready: true}, targetRef: {kind: Pod, name: reviews-v\(version)-\(number), namespace: shop}}

        """
    }
  }
  return text + """
    ---
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {name: reviews-1, namespace: shop, labels: {kubernetes.io/service-name: reviews}}
    addressType: IPv4
    ports: [{name: http, port: 8080}]
    endpoints:
    \(endpoints)
    """
}

extension ReleaseSpec {
  static func reviewsCanary(_ steps: [ReleaseStep], pause: ReleasePause = .untilApproved) -> ReleaseSpec {
    .canary(of: "reviews.shop", from: "v1", to: "v2", steps: steps, pause: pause)
  }
}

@Suite struct ReleaseTests {
  @Test func aCanaryIsStartedMovedAndRolledBack() async throws {
    let bench = try await ReleaseBench()
    #expect(try bench.served() == ["": 10_000])
    let before = try #require(bench.server.generation?.number)
    let release = try await bench.releases.start(.reviewsCanary([5, 25, 50, 100]))
    #expect(release.id == "reviews.shop-1")
    #expect(try bench.served() == ["v1": 9500, "v2": 500])
    #expect(bench.server.generation?.number == before + 1, "a change is one generation")
    let change = try await release.setWeight(20)
    #expect(try bench.served() == ["v1": 8000, "v2": 2000])
    #expect((change.status.state, change.status.weight, change.generation) == (.manual, 20, before + 2))
    #expect(change.status.routes.divided == ["the service's own route"])
    // Nobody is connected, so it is live.
    let report = try await change.live(on: .all, within: .seconds(5))
    #expect(report.isLive && report.total == 0)
    try await release.setWeight(0.05)
    #expect(try bench.served() == ["v1": 9995, "v2": 5])
    try await release.rollback()
    #expect(try bench.served() == ["v1": 10_000])
    let again = try await release.rollback()
    #expect(again.status.state == .rolledBack, "a rollback of a rollback changes nothing")
    #expect(again.generation == bench.server.generation?.number)
    #expect(
      try await release.history().map(\.action).filter { $0 != "live" } == [
        "start", "setWeight", "setWeight", "rollback",
      ])
  }

  @Test func theWayBackIsPublishedWithTheVersionsOfBefore() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(.reviewsCanary([10, 100]))
    let at10 = bench.routeVersion()
    try await release.setWeight(0)
    let at0 = bench.routeVersion()
    try await release.setWeight(10)
    #expect(bench.routeVersion() == at10)
    try await release.rollback()
    #expect(bench.routeVersion() == at0)
  }
}
