import ManifestSource
import ReleaseControl
import ReleaseStores
import Testing
import TrafficModel

@testable import Weir

/// What a release may not do, whatever it is told, and what becomes of it when endpoints come and go.
@Suite(.timeLimit(.minutes(1))) struct ReleaseGuardTests {
  @Test func aWeightNeedsItsEndpoints() async throws {
    let bench = try await ReleaseBench(reviewsManifest(v1: 4, v2: 1))
    let release = try await bench.releases.start(.reviewsCanary([5, 25, 100]))
    let error = try await refusal { try await release.setWeight(50) }
    #expect(error.code == .notEnoughCapacity)
    #expect(error.message == "v2 has 1 ready endpoint of 2 that 50 % of the traffic need")
    #expect(try bench.served() == ["v1": 9500, "v2": 500])
    try await release.setWeight(25)
    await bench.take(reviewsManifest(v1: 4, v2: 2))
    try await release.setWeight(50)
    #expect(try bench.served() == ["v1": 5000, "v2": 5000])
    #expect(try await refusal { try await release.promote() }.code == .notEnoughCapacity)
    // And back: the old version was scaled down meanwhile.
    await bench.take(reviewsManifest(v1: 2, v2: 2))
    #expect(try await refusal { try await release.setWeight(20) }.message.contains("v1 has 2 ready endpoints of 4"))
    try await release.rollback()
    #expect(try bench.served() == ["v1": 10_000], "the way back is open as long as somebody is there")
    await bench.stop()
  }

  @Test func aReleaseWithoutACandidateDoesNotStart() async throws {
    let bench = try await ReleaseBench(reviewsManifest(v1: 2, v2: 0))
    let error = try await refusal { _ = try await bench.releases.start(.reviewsCanary([5, 100])) }
    #expect(error.message == "v2 has 0 ready endpoints of 1 that 5 % of the traffic needs")
    let rule = RequestRule(headers: ["x": .present])
    #expect(
      try await refusal {
        _ = try await bench.releases.start(.blueGreen(of: "reviews.shop", from: "v1", to: "v2", preview: [rule]))
      }.code == .notEnoughCapacity)
    #expect(try bench.served() == ["": 10_000])
    await bench.stop()
  }

  @Test func aHeldReleaseGoesOnWhenEndpointsCome() async throws {
    let bench = try await ReleaseBench(reviewsManifest(v1: 2, v2: 0))
    let release = try await bench.releases.start(
      .reviewsCanary([50, 100], guardRails: GuardRails(onShortfall: .hold)))
    let waiting = try await bench.status(release) { $0.waitsFor != nil }
    #expect((waiting.state, waiting.weight, waiting.step) == (.running, 0, -1))
    #expect(waiting.waitsFor == "v2 has 0 ready endpoints of 1 that 50 % of the traffic needs")
    #expect(try bench.served() == ["v1": 10_000])
    await bench.take(reviewsManifest(v1: 2, v2: 1))
    try await bench.status(release) { $0.weight == 50 }
    #expect(try bench.served() == ["v1": 5000, "v2": 5000])
    let held = try await release.promote()
    #expect((held.status.weight, held.status.nextWeight) == (50, 100))
    await bench.take(reviewsManifest(v1: 2, v2: 2))
    try await bench.status(release) { $0.state == .succeeded }
    #expect(try bench.served() == ["v2": 10_000])
    await bench.stop()
  }

  @Test func anApprovalIsHeldToo() async throws {
    let bench = try await ReleaseBench(reviewsManifest(v1: 4, v2: 1))
    let release = try await bench.releases.start(
      .reviewsCanary([5, 50, 100], guardRails: GuardRails(onShortfall: .hold)))
    let held = try await release.change().approve()
    #expect((held.status.state, held.status.weight, held.status.nextWeight) == (.running, 5, 50))
    #expect(try await release.approve(step: 0).status.revision == held.status.revision, "it is approved already")
    try await bench.status(release) { $0.waitsFor != nil }
    #expect(try bench.served() == ["v1": 9500, "v2": 500])
    await bench.take(reviewsManifest(v1: 4, v2: 2))
    try await bench.status(release) { $0.weight == 50 && $0.state == .awaitingApproval }
    await bench.stop()
  }

  @Test func aStepWaitsForItsEndpoints() async throws {
    let bench = try await ReleaseBench(reviewsManifest(v1: 4, v2: 1))
    let release = try await bench.releases.start(.reviewsCanary([5, 50, 100], pause: .none))
    let waiting = try await bench.status(release) { $0.waitsFor != nil }
    #expect((waiting.weight, waiting.nextWeight) == (5, 50))
    await bench.take(reviewsManifest(v1: 4, v2: 4))
    try await bench.status(release) { $0.state == .succeeded }
    await bench.stop()
  }

  @Test func anEmptyCandidateIsLeftWithTheEditThatEmptiedIt() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(.reviewsCanary([50, 100]))
    let served = try #require(bench.server.generation?.number)
    await bench.take(reviewsManifest(v1: 2, v2: 0))
    // The edit's own generation has the way back already: nobody was ever sent to nobody.
    #expect(try bench.served() == ["v1": 10_000])
    let next = try #require(bench.server.generation?.number)
    let status = try await bench.status(release) { $0.state == .rolledBack }
    #expect(status.reason == "v2 has no ready endpoint")
    #expect(bench.server.generation?.number == next, "the release says afterwards what is served already")
    #expect(next > served)
    await bench.take(reviewsManifest(v1: 2, v2: 2))
    #expect(try bench.served() == ["v1": 10_000], "it stays back")
    #expect(try await release.history().last { $0.action == "trip" }?.actor == "weir")
    await bench.stop()
  }

  @Test func aSpillingReleaseComesBack() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(
      .reviewsCanary([50, 100], guardRails: GuardRails(onEmpty: .spill)))
    await bench.take(reviewsManifest(v1: 2, v2: 0))
    #expect(try bench.served() == ["v1": 10_000])
    let status = try await release.status()
    #expect((status.state, status.weight, status.servedWeight) == (.awaitingApproval, 50, 0))
    #expect(status.waitsFor == "v2 has no ready endpoint")
    await bench.take(reviewsManifest(v1: 2, v2: 1))
    #expect(try bench.served() == ["v1": 5000, "v2": 5000])
    await bench.stop()
  }

  @Test func aFailingReleaseStaysAsItIs() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(.reviewsCanary([50, 100], guardRails: GuardRails(onEmpty: .fail)))
    await bench.take(reviewsManifest(v1: 2, v2: 0))
    #expect(try bench.served() == ["v1": 5000, "v2": 5000])
    #expect(try await release.status().waitsFor == "v2 has no ready endpoint")
    await bench.stop()
  }

  @Test func anEmptyStableVersionFreezesTheRelease() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(.reviewsCanary([50, 100]))
    await bench.take(reviewsManifest(v1: 0, v2: 2))
    #expect(try bench.served() == ["v2": 10_000], "whoever is there answers")
    try await bench.status(release) { $0.state == .frozen }
    let error = try await refusal { try await release.rollback() }
    #expect(error.message == "v1 has no ready endpoint, and v2 has")
    await bench.take(reviewsManifest(v1: 2, v2: 2))
    #expect(try bench.served() == ["v1": 5000, "v2": 5000])
    #expect(try await release.status().state == .frozen, "until somebody decides")
    try await release.resume()
    #expect(try await release.status().state == .awaitingApproval)
    await bench.stop()
  }

  @Test func aGuardsMoveIsKeptWhenTheStoreIsBack() async throws {
    let store = FailingStore()
    let bench = try await ReleaseBench(store: store)
    let release = try await bench.releases.start(.reviewsCanary([50, 100]))
    store.isFailing.store(true, ordering: .releasing)
    await bench.take(reviewsManifest(v1: 2, v2: 0))
    #expect(try bench.served() == ["v1": 10_000], "traffic does not wait for a disk")
    #expect(await bench.clock.wakeNext { _ in store.isFailing.store(false, ordering: .releasing) } == .seconds(1))
    try await bench.status(release) { $0.state == .rolledBack }
    await bench.stop()
  }

  @Test func aNewVersionInTheMiddleGetsNothing() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(.reviewsCanary([50, 100]))
    await bench.take(reviewsManifest(v1: 2, v2: 2, v3: 2))
    #expect(try bench.served() == ["v1": 5000, "v2": 5000])
    #expect(try await release.status().capacity == ReleaseCapacity(stable: 2, candidate: 2))
    // It takes the candidate's place: the candidate is gone, and the release with it.
    await bench.take(reviewsManifest(v1: 2, v2: 0, v3: 2))
    #expect(try bench.served() == ["v1": 10_000])
    try await bench.status(release) { $0.state == .rolledBack }
    await bench.stop()
  }

  @Test func aDeletedDestinationRuleChangesNothing() async throws {
    let bench = try await ReleaseBench()
    await bench.take(reviewsSubsets, file: "b.yaml")
    let release = try await bench.releases.start(.reviewsCanary([50, 100]))
    let (routes, clusters) = (bench.routeVersion(), bench.server.generation?.clusters.contentHash)
    await bench.take("", file: "b.yaml")
    let change = SourceBatch(updates: [SourceUpdate(origin: "b.yaml", content: .removed)], isInitialScan: false)
    await bench.pipeline.take(change)
    #expect(bench.routeVersion() == routes)
    #expect(bench.server.generation?.clusters.contentHash == clusters)
    #expect(try await release.status().capacity == ReleaseCapacity(stable: 2, candidate: 2))
    await bench.stop()
  }

  @Test func aServiceThatGoesStopsItsRelease() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(.reviewsCanary([50, 100]))
    await bench.pipeline.take(
      SourceBatch(updates: [SourceUpdate(origin: "a.yaml", content: .removed)], isInitialScan: false))
    try await bench.status(release) { $0.state == .frozen }
    await bench.take(reviewsManifest(v1: 2, v2: 2))
    #expect(try bench.served() == ["v1": 5000, "v2": 5000], "and finds it as it was")
    await bench.stop()
  }
}
