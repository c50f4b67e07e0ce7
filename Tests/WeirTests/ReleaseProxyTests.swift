import ManifestSource
import ReleaseControl
import ReleaseStores
import Testing
import TrafficModel

@testable import Weir

/// What is called live, with proxies that do not do what they are told.
@Suite(.timeLimit(.minutes(1))) struct ReleaseProxyTests {
  /// What is said of a change that is not live, once it says so much.
  private func report(of change: ReleaseChange, where matches: (LiveReport) -> Bool) async throws -> LiveReport {
    while true {
      do {
        let report = try await change.live(on: .all, within: .milliseconds(20))
        Issue.record("it is live: \(report)")
        return report
      } catch let error as NotLive where matches(error.report) {
        return error.report
      } catch is NotLive {}
    }
  }

  @Test func aProxyThatDoesNotAnswerIsNamedAndHoldsTheRelease() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(.reviewsCanary([5, 50, 100], pause: .none))
    try await bench.status(release) { $0.state == .succeeded }
    try await bench.proxies.all[1].hold()
    let change = try await release.rollback()
    let report = try await report(of: change) { $0.live > 0 }
    #expect((report.live, report.total) == (1, 2))
    #expect(report.laggards.map(\.node) == ["sidecar-2"])
    #expect(try await release.status().liveAt == nil)
    try await bench.proxies.all[1].goOn()
    #expect(try await change.live(on: .all, within: .seconds(20)).live == 2)
    try await bench.status(release) { $0.liveAt != nil }
    await bench.stop()
  }

  @Test func aStepIsNotTakenBeforeTheOneBeforeIsLive() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(.reviewsCanary([ReleaseStep(5, pause: ReleasePause.none), 50, 100]))
    try await bench.status(release) { $0.weight == 50 && $0.liveAt != nil }
    try await bench.proxies.all[0].hold()
    let change = try await release.change().approve()
    // It would be done at once if it were live: its last step has no pause.
    await #expect(throws: NotLive.self) { try await change.live(on: .all, within: .milliseconds(50)) }
    #expect(try await release.status().state == .running)
    try await bench.proxies.all[0].goOn()
    try await bench.status(release) { $0.state == .succeeded }
    await bench.stop()
  }

  @Test func aRefusalGivesItsReason() async throws {
    let bench = try await ReleaseBench()
    try await bench.proxies.all[0].refuseRoutes("no such thing")
    let release = try await bench.releases.start(.reviewsCanary([5, 100]))
    let report = try await report(of: try await release.change()) {
      $0.laggards.first?.state == "refused" && $0.live > 0
    }
    #expect(report.laggards.map(\.node) == ["sidecar-1"])
    #expect("\(report)".contains("no such thing"), "\(report)")
    await bench.stop()
  }

  @Test func whatIsServedInsteadIsHeldByAllAndNotLive() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(.reviewsCanary([50, 100], guardRails: GuardRails(onEmpty: .spill)))
    try await bench.status(release) { $0.liveAt != nil }
    await bench.take(reviewsManifest(v1: 2, v2: 0))
    let error = await #expect(throws: NotLive.self) { try await release.change().live(within: .seconds(20)) }
    #expect((error?.report.live, error?.report.total) == (2, 2), "proxies hold what is served")
    #expect(error?.report.reason == "0 % is served and not 50 %: v2 has no ready endpoint")
    await bench.take(reviewsManifest(v1: 2, v2: 2))
    #expect(try await release.change().live(within: .seconds(20)).reason == nil)
    await bench.stop()
  }

  @Test func aReleaseWithoutAnyRouteIsNotLive() async throws {
    func routes(to host: String) -> String { reviewsRoutes("{route: [{destination: {host: \(host)}}]}") }
    let bench = try await ReleaseBench()
    await bench.take(reviewsManifest(v1: 1, v2: 1, name: "ratings"), file: "b.yaml")
    await bench.take(routes(to: "reviews"), file: "c.yaml")
    let release = try await bench.releases.start(.reviewsCanary([50, 100]))
    try await bench.status(release) { $0.liveAt != nil }
    await bench.take(routes(to: "ratings"), file: "c.yaml")
    let change = try await release.rollback()
    #expect(change.status.waitsFor == "it divides no route of shop/reviews any longer")
    let error = await #expect(throws: NotLive.self) { try await change.live(within: .seconds(20)) }
    #expect(error?.report.reason == "it divides no route of shop/reviews any longer")
    #expect(try await release.status().liveAt == nil)
    // When a route leads there again, it is divided, and that becomes live.
    await bench.take(routes(to: "reviews"), file: "c.yaml")
    #expect(try bench.served() == ["v1": 10_000])
    try await bench.status(release) { $0.liveAt != nil && $0.waitsFor == nil }
    await bench.stop()
  }

  @Test func aReleaseOfAServiceThatIsGoneIsNotLive() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(.reviewsCanary([50, 100]))
    try await bench.status(release) { $0.liveAt != nil }
    await bench.take(reviewsManifest(v1: 1, v2: 1, name: "ratings"))
    let status = try await release.rollback().status
    #expect(status.routes.divided == [])
    await #expect(throws: NotLive.self) { try await release.change().live(within: .milliseconds(20)) }
    #expect(try await release.status().liveAt == nil)
    await bench.take(reviewsManifest(v1: 2, v2: 2))
    #expect(try bench.served() == ["v1": 10_000])
    #expect(try await bench.status(release) { $0.liveAt != nil }.routes.divided == ["the service's own route"])
    await bench.stop()
  }
}
