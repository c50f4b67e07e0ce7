import ReleaseControl
import ReleaseStores
import Testing
import XDSServer

@testable import Weir

/// What a release's change is told to be: live, not live yet, or changed again.
@Suite(.timeLimit(.minutes(1))) struct ReleaseLiveTests {
  /// What is said of a change: once it is live, or at once if it will not be.
  private func report(_ change: ReleaseChange, within time: Duration = .seconds(10)) async throws -> LiveReport {
    do {
      return try await change.live(within: time)
    } catch let error as NotLive {
      return error.report
    }
  }

  @Test func aChangeThatIsChangedAgainIsSuperseded() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(.reviewsCanary([5, 100]))
    let start = try await release.change()
    // What changes nothing of what is served supersedes nothing.
    try await release.pause()
    #expect(try await report(start).isLive)
    let first = try await release.setWeight(20)
    #expect(try await report(start).supersededBy == first.generation)
    #expect(try await report(first).isLive)
    let second = try await release.setWeight(30)
    let late = try await report(first)
    #expect(!late.isLive && late.supersededBy == second.generation)
    #expect(
      late.headline
        == "generation \(first.generation) is superseded: generation \(second.generation) serves the release now")
    #expect(try await report(second).isLive)
    try await release.abort()
    #expect(try await report(second).supersededBy ?? 0 > second.generation, "taken away")
    await bench.stop()
  }

  @Test func whoWaitsHearsOfItAtOnce() async throws {
    let bench = try await ReleaseBench(proxies: [])
    let release = try await bench.releases.start(.reviewsCanary([5, 100]))
    let first = try await release.setWeight(20)
    let waiting = Task { try await report(first, within: .seconds(3600)) }
    while await bench.controller.watchers.isEmpty { await Task.yield() }
    let second = try await release.setWeight(30)
    let answer = try await waiting.value
    #expect(!answer.isLive && answer.supersededBy == second.generation)
    await bench.stop()
  }

  /// The last step is live, and the release goes on to its end: a sticky one is then served otherwise.
  @Test func whoWaitsForAStepThatIsLiveHearsThatItWas() async throws {
    let bench = try await ReleaseBench()
    for round in 0..<20 {
      let release = try await bench.releases.start(
        .canary(
          of: "reviews.shop", from: "v1", to: "v2", steps: [ReleaseStep(5, pause: ReleasePause.none), 100],
          pause: ReleasePause.none, stickiness: .header("x-user")))
      let change = try await release.change()
      // It may be past that when it is asked; then that is said.
      let answer = try await report(change, within: .seconds(10))
      #expect(answer.isLive || answer.supersededBy != nil, "\(round): \(answer)")
      try await bench.status(release) { $0.state == .succeeded }
      try await release.retire()
    }
    await bench.stop()
  }

  @Test func anotherReleaseOfTheServiceSupersedesNothing() async throws {
    let manifest = reviewsManifest(v1: 1, v2: 1)
      .replacing("ports: [{name: http, port: 80}]", with: "ports: [{name: http, port: 80}, {name: http-b, port: 81}]")
      .replacing(
        "ports: [{name: http, port: 8080}]", with: "ports: [{name: http, port: 8080}, {name: http-b, port: 8081}]")
    let bench = try await ReleaseBench(manifest)
    let one = try await bench.releases.start(.canary(of: "reviews.shop", port: 80, from: "v1", to: "v2", steps: [5]))
    let change = try await one.setWeight(20)
    let other = try await bench.releases.start(.canary(of: "reviews.shop", port: 81, from: "v1", to: "v2", steps: [5]))
    try await other.setWeight(50)
    #expect(try await report(change).isLive)
    #expect(try await one.status().generation == change.generation)
    await bench.stop()
  }

  /// What a guard rail serves instead is not live, and the change is again when that is over.
  @Test func aGuardRailSupersedesNothing() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(.reviewsCanary([50, 100], guardRails: GuardRails(onEmpty: .spill)))
    let change = try await release.setWeight(60)
    #expect(try await report(change).isLive)
    await bench.take(reviewsManifest(v1: 2, v2: 0))
    let spilled = try await report(change)
    #expect((spilled.isLive, spilled.live, spilled.supersededBy) == (false, 2, nil))
    #expect(spilled.reason == "0 % is served and not 60 %: v2 has no ready endpoint")
    // Not by those who have not taken it back.
    try await bench.proxies.all[1].hold()
    await bench.take(reviewsManifest(v1: 2, v2: 2))
    let partly = try await report(change, within: .milliseconds(200))
    #expect((partly.isLive, partly.reason, partly.supersededBy) == (false, nil, nil))
    #expect(partly.laggards.map(\.node) == ["sidecar-2"])
    try await bench.proxies.all[1].goOn()
    let again = try await report(change)
    #expect((again.isLive, again.generation, again.live) == (true, change.generation, 2))
    let next = try await release.setWeight(70)
    #expect(try await report(change).supersededBy == next.generation)
    await bench.stop()
  }

  /// Whoever waits hears what becomes of the change, and not of what was served when the wait began.
  @Test func whoWaitsWhileAGuardRailComesAndGoesWaitsOn() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(.reviewsCanary([50, 100], guardRails: GuardRails(onEmpty: .spill)))
    try await bench.status(release) { $0.liveAt != nil }
    for proxy in bench.proxies.all { try await proxy.hold() }
    let change = try await release.setWeight(60)
    let waiting = Task { try await report(change, within: .seconds(50)) }
    while await bench.controller.watchers.isEmpty { await Task.yield() }
    await bench.take(reviewsManifest(v1: 2, v2: 0))
    try await bench.entry("spill", of: release)
    await bench.take(reviewsManifest(v1: 2, v2: 2))
    try await bench.entry("unspill", of: release)
    for proxy in bench.proxies.all { try await proxy.goOn() }
    let answer = try await waiting.value
    #expect(answer.isLive && answer.generation == change.generation && answer.live == 2, "\(answer)")
    await bench.stop()
  }

  /// Also where no proxy is served any routes.
  @Test func everyChangeHasANumberOfItsOwn() async throws {
    let bench = try await ReleaseBench(proxies: [], hasClass: false)
    let release = try await bench.releases.start(.reviewsCanary([5, 100]))
    let numbers = [
      try await release.setWeight(20).generation, try await release.setWeight(30).generation,
      try await release.rollback().generation,
    ]
    #expect(Set(numbers).count == 3 && numbers == numbers.sorted(), "\(numbers)")
    await bench.stop()
  }

  @Test func aGenerationOfAProcessBeforeIsNoneOfThisOne() async throws {
    let bench = try await ReleaseBench(generationsBegin: 1001)
    let release = try await bench.releases.start(.reviewsCanary([5, 100]))
    #expect(try await release.status().generation > 1001)
    let error = try await refusal {
      _ = try await bench.controller.live(37, of: release.id, on: .all, within: .seconds(10))
    }
    #expect(error.code == .unknownGeneration)
    #expect(
      error.message == "generation 37 is of a process before this one, whose generations begin at 1001; the release's "
        + "status says what serves it now")
    await bench.stop()
  }

  @Test func aRepeatedRequestIsAnsweredWithWhatWasServed() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(.reviewsCanary([5, 100]))
    let request = ReleaseRequest(idempotencyKey: "k")
    let first = try await release.setWeight(20, request)
    #expect(first.status.servedWeight == 20)
    try await bench.status(release) { $0.liveAt != nil }
    // While nothing has come after it, as it is now.
    #expect(try await release.setWeight(20, request).status == (try await release.status()))
    let second = try await release.setWeight(30)
    let late = try await release.setWeight(20, request)
    #expect((late.status.weight, late.status.servedWeight) == (20, 20))
    #expect((late.generation, late.status.revision) == (first.generation, first.status.revision))
    #expect(try await report(late).supersededBy == second.generation)
    let store = bench.store
    await bench.stop()
    // In another process it is not known any longer which generation that was.
    let next = try await ReleaseBench(store: store, generationsBegin: 1001)
    let again = try await next.releases[release.id].setWeight(20, request)
    #expect((again.status.servedWeight, again.generation) == (20, 0))
    #expect(try await refusal { try await again.live(within: .zero) }.code == .unknownGeneration)
    await next.stop()
  }

  @Test func whereNobodyIsConnectedAReleaseWaits() async throws {
    let bench = try await ReleaseBench(proxies: [])
    let release = try await bench.releases.start(.reviewsCanary([5, 100], pause: ReleasePause.none))
    let status = try await bench.status(release) { $0.waitsFor != nil }
    #expect((status.waitsFor, status.weight, status.liveAt) == ("no proxy is connected", 5, nil))
    let error = await #expect(throws: NotLive.self) { try await release.change().live(within: .milliseconds(1)) }
    #expect(error?.description == "generation \(status.generation) is not live: no proxy is connected")
    // Whoever moves it does not need to wait.
    try await release.promote()
    #expect(try bench.served() == ["v2": 10_000])
    await bench.stop()
  }

  @Test func stepsMayBeForSomeProxies() async throws {
    let bench = try await ReleaseBench(proxies: [])
    var spec = ReleaseSpec.reviewsCanary([5, 100])
    spec.liveOn = "nodes"
    let error = try await refusal { _ = try await bench.releases.start(spec) }
    #expect(error.code == .invalid && error.message.hasPrefix("liveOn: \"nodes\" is none of all, node:ID"))
    spec.liveOn = "namespace:shop"
    let release = try await bench.releases.start(spec)
    let status = try await bench.status(release) { $0.waitsFor != nil }
    #expect(status.waitsFor == "no proxy of namespace:shop is connected" && status.liveOn == "namespace:shop")
    await bench.stop()
  }

  /// What a first rollback serves was not on the wire before: all goes to the subset, and not to the whole service. But nothing has
  /// to be warmed for it, and the next one is byte for byte the same.
  @Test func aFirstRollbackLeadsToClustersThatAreThere() async throws {
    let bench = try await ReleaseBench()
    let before = bench.routeVersion()
    let release = try await bench.releases.start(.reviewsCanary([10, 100]))
    let clusters = try #require(bench.server.generation?.clusters.contentHash)
    try await release.rollback()
    let back = bench.routeVersion()
    #expect(try bench.served() == ["v1": 10_000])
    #expect(back != before)
    #expect(bench.server.generation?.clusters.contentHash == clusters, "no cluster came or changed")
    try await release.retire()
    #expect(bench.routeVersion() == before, "retired, it is as the manifests say")
    let again = try await bench.releases.start(.reviewsCanary([10, 100]))
    try await again.rollback()
    #expect(bench.routeVersion() == back)
    await bench.stop()
  }
}
