import ReleaseControl
import ReleaseStores
import Testing
import TrafficModel

@testable import Weir

@Suite(.timeLimit(.minutes(1))) struct ReleaseTests {
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
    let report = try await change.live(on: .all, within: .seconds(5))
    #expect(report.isLive && report.live == 2 && report.total == 2)
    try await release.setWeight(0.05)
    #expect(try bench.served() == ["v1": 9995, "v2": 5])
    try await release.rollback()
    #expect(try bench.served() == ["v1": 10_000])
    let again = try await release.rollback()
    #expect(again.status.state == .rolledBack, "a rollback of a rollback changes nothing")
    #expect(again.generation == bench.server.generation?.number)
    await bench.stop()
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
    #expect(bench.routeVersion() == at0 && at0 != at10)
    await bench.stop()
  }

  @Test func stepsAreTakenAfterTheirPauses() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(
      .canary(
        of: "reviews.shop", from: "v1", to: "v2", steps: [ReleaseStep(5, pause: .for(.seconds(60))), 50, 100],
        warm: .seconds(600)))
    #expect(await bench.clock.pass(bench.time) == .seconds(60))
    try await bench.status(release) { $0.state == .awaitingApproval && $0.weight == 50 && $0.liveAt != nil }
    try await release.change().approve()
    try await bench.status(release) { $0.state == .keepingWarm }
    #expect(try bench.served() == ["v2": 10_000])
    #expect(await bench.clock.pass(bench.time) == .seconds(600))
    let status = try await bench.status(release) { $0.state == .succeeded }
    #expect(status.allowedNow == [.rollback, .retire])
    let history = try await release.history()
    #expect(
      history.filter { $0.toWeight != nil && $0.refersTo == nil }.map(\.action) == [
        "start", "advance", "approve", "advance", "advance",
      ])
    #expect(history.filter { $0.action == "live-everywhere" }.map(\.refersTo) == [1, 3, 5])
    #expect(history.filter { $0.action == "live-everywhere" }.allSatisfy { $0.generation ?? 0 > 0 })
    let verdict = try await bench.releases.verify()
    #expect(verdict.finding == nil && verdict.entries == UInt64(history.count))
    #expect(verdict.mark == history.last.map { "\($0.sequence):\($0.hash)" })
    await bench.stop()
  }

  @Test func whatIsNotAllowedSaysWhatIs() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(.reviewsCanary([5, 100]))
    let error = try await refusal { try await release.resume() }
    #expect(error.code == .notAllowed)
    #expect(error.allowedNow == [.setWeight, .promote, .pause, .approve, .rollback, .abort])
    #expect(
      error.message == "resume is not allowed: release reviews.shop-1 is waiting for an approval; allowed now: "
        + "set-weight, promote, pause, approve, rollback, abort")
    #expect(try await refusal { try await bench.releases["x-1"].pause() }.code == .unknownRelease)
    await bench.stop()
  }

  @Test func aRequestIsCarriedOutOnce() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(.reviewsCanary([5, 100]), ReleaseRequest(idempotencyKey: "a"))
    let again = try await bench.releases.start(.reviewsCanary([5, 100]), ReleaseRequest(idempotencyKey: "a"))
    #expect(again.id == release.id)
    let first = try await release.setWeight(20, ReleaseRequest(idempotencyKey: "b"))
    try await release.setWeight(30)
    let second = try await release.setWeight(20, ReleaseRequest(idempotencyKey: "b"))
    #expect(second.status.weight == 20 && second.status.revision == first.status.revision, "as it was answered then")
    #expect(try bench.served() == ["v1": 7000, "v2": 3000])
    let error = try await refusal { try await release.setWeight(40, ReleaseRequest(idempotencyKey: "b")) }
    #expect(error.code == .keyReused)
    await bench.stop()
  }

  @Test func twoWhoApproveTheSamePauseApproveItOnce() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(.reviewsCanary([5, 25, 50, 100]))
    let seen = try await release.change()
    let (first, second) = (try await seen.approve(), try await seen.approve(ReleaseRequest(actor: "another")))
    #expect((first.status.weight, second.status.weight) == (25, 25))
    #expect(second.status.revision == first.status.revision)
    #expect(try bench.served() == ["v1": 7500, "v2": 2500])
    #expect(try await release.history().filter { $0.action == "approve" }.count == 1)
    // Nobody approves what has not been come to, or nothing in particular.
    #expect(try await refusal { try await release.approve(step: 2) }.code == .stale)
    #expect(
      try await refusal { _ = try await bench.controller.perform(.approve, on: release.id, ReleaseRequest()) }.code
        == .invalid)
    // A release that has gone back from there does not count as approved.
    try await release.rollback()
    #expect(try await refusal { try await seen.approve() }.code == .stale)
    await bench.stop()
  }

  @Test func aStaleControllerIsRefused() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(.reviewsCanary([5, 100]))
    let seen = try await release.status().revision
    try await release.setWeight(20, ReleaseRequest(ifRevision: seen))
    let error = try await refusal { try await release.setWeight(30, ReleaseRequest(ifRevision: seen)) }
    #expect(error.code == .stale)
    #expect(error.message.contains("at a weight that was set by hand, 20 % on v2"))
    #expect(try bench.served() == ["v1": 8000, "v2": 2000])
    await bench.stop()
  }

  @Test func servicesAreReleasedSideBySideAndEachOnce() async throws {
    let bench = try await ReleaseBench()
    await bench.take(reviewsManifest(v1: 1, v2: 1, name: "ratings"), file: "b.yaml")
    let reviews = try await bench.releases.start(.reviewsCanary([5, 100]))
    let ratings = try await bench.releases.start(
      .canary(of: "ratings.shop.svc.cluster.local", from: "v1", to: "v2", steps: [50, 100]))
    #expect(try bench.served() == ["v1": 9500, "v2": 500])
    #expect(try bench.served("ratings.shop.svc.cluster.local") == ["v1": 5000, "v2": 5000])
    let error = try await refusal { _ = try await bench.releases.start(.reviewsCanary([10, 100])) }
    #expect((error.code, error.release) == (.alreadyReleased, "reviews.shop-1"))
    #expect(error.allowedNow.contains(.rollback))
    #expect(try await bench.releases.list().map(\.id) == [reviews.id, ratings.id])
    #expect(try await bench.releases.current(of: "ratings.shop")?.id == ratings.id)
    // Many at once, each change a generation of its own.
    let before = try #require(bench.server.generation?.number)
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      for weight in 1...20 {
        let share = try #require(Weight(percent: Double(weight)))
        tasks.addTask { try await reviews.setWeight(share) }
        tasks.addTask { try await ratings.setWeight(share) }
      }
      try await tasks.waitForAll()
    }
    #expect(bench.server.generation?.number == before + 40)
    #expect(try await bench.releases.verify().finding == nil)
    await bench.stop()
  }

  @Test func aFinishedReleaseGivesWay() async throws {
    let bench = try await ReleaseBench(reviewsManifest(v1: 1, v2: 1, v3: 1))
    let first = try await bench.releases.start(.reviewsCanary([100]))
    try await bench.status(first) { $0.state == .succeeded }
    let error = try await refusal {
      _ = try await bench.releases.start(.canary(of: "reviews.shop", from: "v1", to: "v3", steps: [5]))
    }
    #expect(error.message.contains("has left shop/reviews at v2"))
    let before = try #require(bench.server.generation?.number)
    let second = try await bench.releases.start(.canary(of: "reviews.shop", from: "v2", to: "v3", steps: [5]))
    #expect(second.id == "reviews.shop-2")
    #expect(bench.server.generation?.number == before + 1, "one takes the other's place at once")
    #expect(try bench.served() == ["v2": 9500, "v3": 500])
    #expect(try await first.status().state == .retired)
    // As the manifests say is: to all that are there.
    let refused = try await refusal { try await second.abort() }
    #expect(refused.code == .notAllowed)
    #expect(
      refused.message
        == "without release reviews.shop-2 the service's own route leads to v1, too, which the releases before "
        + "have left: roll it back to v2, and retire it when the manifests say that")
    #expect(try bench.served() == ["v2": 9500, "v3": 500])
    await bench.take(reviewsManifest(v1: 0, v2: 1, v3: 1))
    try await second.abort()
    #expect(try bench.served() == ["": 10_000], "as the manifests say")
    await bench.stop()
  }

  @Test func anAbortDoesNotLeadToAVersionThatTheReleasesBeforeHaveLeft() async throws {
    func route(to subset: String) -> String {
      reviewsRoutes("{route: [{destination: {host: reviews, subset: \(subset)}}]}")
    }
    let bench = try await ReleaseBench(reviewsManifest(v1: 1, v2: 1, v3: 1))
    await bench.take(reviewsSubsets, file: "b.yaml")
    await bench.take(route(to: "v1"), file: "c.yaml")
    let first = try await bench.releases.start(.reviewsCanary([5, 100]))
    try await bench.status(first) { $0.liveAt != nil }
    try await first.rollback()
    // Of one that was rolled back the candidate is left.
    let second = try await bench.releases.start(.canary(of: "reviews.shop", from: "v1", to: "v3", steps: [5]))
    try await second.abort()
    #expect(try bench.served() == ["v1": 10_000], "that is where it was")
    let third = try await bench.releases.start(.canary(of: "reviews.shop", from: "v1", to: "v2", steps: [100]))
    try await bench.status(third) { $0.state == .succeeded }
    let fourth = try await bench.releases.start(.canary(of: "reviews.shop", from: "v2", to: "v3", steps: [5]))
    let error = try await refusal { try await fourth.abort() }
    #expect(
      error.message.contains("VirtualService shop/reviews: http[0] leads to v1, which the releases before have left"))
    #expect(try bench.served() == ["v2": 9500, "v3": 500])
    await bench.take(route(to: "v2"), file: "c.yaml")
    try await fourth.abort()
    #expect(try bench.served() == ["v2": 10_000])
    await bench.stop()
  }

  @Test func nothingIsMadeThatCannotBeKept() async throws {
    let store = FailingStore()
    let bench = try await ReleaseBench(store: store)
    let release = try await bench.releases.start(.reviewsCanary([5, 100]))
    let before = bench.server.generation?.number
    store.isFailing.store(true, ordering: .releasing)
    let error = try await refusal { try await release.setWeight(20) }
    #expect(error.code == .notDurable)
    #expect(bench.server.generation?.number == before)
    #expect(try await release.status().weight == 5)
    store.isFailing.store(false, ordering: .releasing)
    try await release.setWeight(20)
    #expect(try bench.served() == ["v1": 8000, "v2": 2000])
    await bench.stop()
  }

  @Test func aRestartGoesOnWhereItWas() async throws {
    let store = MemoryReleaseStore()
    let time = ManualTime()
    let first = try await ReleaseBench(store: store, time: time)
    let release = try await first.releases.start(
      .reviewsCanary([ReleaseStep(25, pause: .for(.seconds(100))), ReleaseStep(50, pause: .untilApproved), 100]))
    try await first.status(release) { $0.dueAt != nil }
    let version = first.routeVersion()
    await first.stop()
    time.advance(40)
    let second = try await ReleaseBench(store: store, time: time)
    #expect(second.routeVersion() == version, "the first generation has the weights")
    #expect(second.server.generation?.number ?? 0 <= 3)
    let again = second.releases[release.id]
    #expect(try await again.status().step == 0)
    #expect(await second.clock.pass(time) == .seconds(60), "what is left of the pause")
    try await second.status(again) { $0.weight == 50 }
    #expect(try await second.releases.verify().finding == nil)
    await second.stop()
  }

  /// Its pause may have gone by while nobody was there to be asked what they have.
  @Test func aStepThatIsDueAfterARestartWaitsForProxies() async throws {
    let store = MemoryReleaseStore()
    let time = ManualTime()
    let first = try await ReleaseBench(store: store, time: time)
    let release = try await first.releases.start(
      .reviewsCanary([ReleaseStep(25, pause: .for(.seconds(100))), 50, 100]))
    try await first.status(release) { $0.dueAt != nil }
    await first.stop()
    time.advance(200)
    let second = try await ReleaseBench(store: store, time: time, proxies: [])
    let again = second.releases[release.id]
    let waiting = try await second.status(again) { $0.waitsFor != nil }
    #expect(waiting.waitsFor == "no proxy is connected")
    #expect((waiting.weight, waiting.step) == (25, 0))
    #expect(try second.served() == ["v1": 7500, "v2": 2500])
    let proxies = try await BenchProxies(["sidecar-1"], to: second.server)
    #expect(try await second.status(again) { $0.weight == 50 }.waitsFor == nil)
    await second.stop()
    await proxies.stop()
  }

  @Test func whatAReleaseLeavesAloneIsListed() async throws {
    let bench = try await ReleaseBench()
    await bench.take(reviewsSubsets, file: "b.yaml")
    await bench.take(
      reviewsRoutes(
        "{name: new, match: [{uri: {prefix: /new}}], route: [{destination: {host: reviews, subset: v2}}]}",
        "{route: [{destination: {host: reviews, subset: v1}}]}"), file: "c.yaml")
    let release = try await bench.releases.start(.reviewsCanary([5, 100]))
    let routes = try await release.status().routes
    #expect(routes.divided == ["VirtualService shop/reviews: http[1]"])
    #expect(
      routes.untouched == [
        "VirtualService shop/reviews: http[0] (new): it led to v2 alone before the release, and still does"
      ])
    await bench.stop()
  }

  @Test func aPreviewHostLeadsToTheCandidate() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(
      .blueGreen(of: "reviews.shop", from: "v1", to: "v2", previewHost: "preview.example"))
    #expect(try bench.served() == ["v1": 10_000])
    #expect(try bench.served("preview.example") == ["v2": 10_000])
    try await release.change().approve()
    #expect(try bench.served() == ["v2": 10_000])
    try await bench.status(release) { $0.state == .keepingWarm }
    #expect(try bench.served("preview.example") == [:], "after the switch there is nothing to preview")
    try await release.rollback()
    #expect(try bench.served() == ["v1": 10_000])
    await bench.stop()
  }

  @Test func whatMakesNoSenseIsRefused() async throws {
    let bench = try await ReleaseBench()
    func code(_ spec: ReleaseSpec) async throws -> ReleaseError.Code {
      try await refusal { _ = try await bench.releases.start(spec) }.code
    }
    #expect(try await code(.canary(of: "nothing.shop", from: "v1", to: "v2", steps: [5])) == .unknownService)
    #expect(try await code(.canary(of: "reviews.shop.example", from: "v1", to: "v2", steps: [5])) == .invalid)
    #expect(try await code(.canary(of: "reviews.shop", port: 81, from: "v1", to: "v2", steps: [5])) == .invalid)
    #expect(
      try await code(
        .rules([RequestRule(headers: ["x": .regex("(")])], of: "reviews.shop", from: "v1", to: "v2")) == .invalid)
    #expect(try bench.served() == ["": 10_000])
    await bench.stop()
  }
}

extension ManualTimer {
  /// Lets the time pass for which the next sleeper sleeps.
  func pass(_ time: ManualTime) async -> Duration {
    await wakeNext { time.advance($0 / .seconds(1)) }
  }
}
