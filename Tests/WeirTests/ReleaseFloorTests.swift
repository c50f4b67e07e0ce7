import ManifestSource
import ReleaseControl
import ReleaseStores
import Testing
import TrafficModel

@testable import Weir

/// Subsets with too few endpoints in the middle of a step, ways that would lead to nobody, and what a share is measured by.
@Suite(.timeLimit(.minutes(1))) struct ReleaseFloorTests {
  // MARK: Ways to nobody

  @Test func aTripDoesNotLeadToNobody() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(.reviewsCanary([50, 100], guardRails: GuardRails(onEmpty: .spill)))
    await bench.take(reviewsManifest(v1: 0, v2: 2))
    #expect(try bench.served() == ["v2": 10_000])
    try await bench.controller.note(.trip, release.id, try await release.status().revision, "a check has failed")
    #expect(try bench.served() == ["v2": 10_000], "v1 has nobody who could answer")
    let status = try await release.status()
    #expect(status.state == .frozen)
    #expect(status.reason == "a check has failed; not rolled back, for v1 has no ready endpoint and v2 has")
    await bench.take(reviewsManifest(v1: 2, v2: 2))
    try await release.rollback()
    #expect(try bench.served() == ["v1": 10_000])
    await bench.stop()
  }

  @Test func aTripOfAReleaseThatIsKeptWarmDoesNotLeadToNobody() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(
      .canary(of: "reviews.shop", from: "v1", to: "v2", steps: [100], warm: .seconds(600)))
    let warm = try await bench.status(release) { $0.state == .keepingWarm }
    await bench.take(reviewsManifest(v1: 0, v2: 2))
    try await bench.controller.note(.trip, release.id, warm.revision, "a check has failed")
    #expect(try bench.served() == ["v2": 10_000])
    #expect(try await release.status().state == .frozen)
    await bench.stop()
  }

  @Test func nothingIsTakenAwayThatKeepsTrafficFromNobody() async throws {
    let bench = try await ReleaseBench()
    await bench.take(reviewsSubsets, file: "b.yaml")
    await bench.take(reviewsRoutes("{route: [{destination: {host: reviews, subset: v1}}]}"), file: "c.yaml")
    let first = try await bench.releases.start(.reviewsCanary([100], guardRails: GuardRails(onEmpty: .spill)))
    try await bench.status(first) { $0.state == .succeeded }
    await bench.take(reviewsManifest(v1: 0, v2: 2))
    let error = try await refusal { try await first.retire() }
    #expect(error.code == .notEnoughCapacity)
    #expect(
      error.message == "without release reviews.shop-1 VirtualService shop/reviews: http[0] leads to v1, "
        + "which has no ready endpoint, and v2 has")
    #expect(try bench.served() == ["v2": 10_000])
    await bench.take(reviewsManifest(v1: 2, v2: 2))
    try await first.retire()
    // And while a release runs.
    let second = try await bench.releases.start(.reviewsCanary([50, 100], guardRails: GuardRails(onEmpty: .spill)))
    await bench.take(reviewsManifest(v1: 0, v2: 2))
    #expect(try await refusal { try await second.abort() }.code == .notEnoughCapacity)
    #expect(try bench.served() == ["v2": 10_000])
    await bench.stop()
  }

  @Test func aRollbackOfRulesDoesNotLeadToNobody() async throws {
    let bench = try await ReleaseBench()
    let release = try await bench.releases.start(
      .rules([RequestRule(headers: ["x": .present])], of: "reviews.shop", from: "v1", to: "v2"))
    await bench.take(reviewsManifest(v1: 0, v2: 2))
    #expect(try bench.served() == ["v2": 10_000])
    #expect(try await refusal { try await release.rollback() }.code == .notEnoughCapacity)
    #expect(try bench.served() == ["v2": 10_000])
    await bench.stop()
  }

  @Test func aStartDoesNotLeadToNobody() async throws {
    // A release that waits for its candidate gives the stable subset everything meanwhile.
    for rails in [
      GuardRails(minimumReady: 2, onShortfall: .hold, onEmpty: .fail), GuardRails(onEmpty: .fail),
    ] {
      let bench = try await ReleaseBench(reviewsManifest(v1: 0, v2: 1))
      let error = try await refusal { _ = try await bench.releases.start(.reviewsCanary([5, 100], guardRails: rails)) }
      #expect(error.message == "v1 has no ready endpoint of shop/reviews")
      #expect(try bench.served() == ["": 10_000])
      await bench.stop()
    }
  }

  @Test func nobodyIsNeverEnough() async throws {
    let bench = try await ReleaseBench(reviewsManifest(v1: 2, v2: 0))
    let rails = GuardRails(minimumReady: 0, capacity: 0, onEmpty: .fail)
    let release = try await bench.releases.start(.reviewsCanary([ReleaseStep(0), 50, 100], guardRails: rails))
    #expect(try await refusal { try await release.setWeight(50) }.code == .notEnoughCapacity)
    #expect(try bench.served() == ["v1": 10_000])
    await bench.stop()
  }

  // MARK: Floors in the middle of a step

  @Test func aCandidateUnderItsMinimumIsRolledBack() async throws {
    let bench = try await ReleaseBench(reviewsManifest(v1: 4, v2: 4))
    let release = try await bench.releases.start(.reviewsCanary([50, 100], guardRails: GuardRails(minimumReady: 3)))
    await bench.take(reviewsManifest(v1: 4, v2: 2))
    #expect(try bench.served() == ["v1": 10_000], "with the edit itself")
    let status = try await bench.status(release) { $0.state == .rolledBack }
    #expect(status.reason == "v2 has 2 ready endpoints of 3 that 50 % of the traffic need")
    await bench.stop()
  }

  @Test func aCandidateUnderItsShareStopsTheRelease() async throws {
    let bench = try await ReleaseBench(reviewsManifest(v1: 4, v2: 2))
    let release = try await bench.releases.start(.reviewsCanary([50, 100]))
    await bench.take(reviewsManifest(v1: 4, v2: 1))
    #expect(try bench.served() == ["v1": 5000, "v2": 5000])
    let status = try await bench.status(release) { $0.state == .frozen }
    #expect(status.reason == "v2 has 1 ready endpoint of 2 that 50 % of the traffic need")
    await bench.stop()
  }

  @Test func aStableVersionUnderItsShareStopsTheRelease() async throws {
    let bench = try await ReleaseBench(reviewsManifest(v1: 4, v2: 2))
    let release = try await bench.releases.start(.reviewsCanary([50, 100]))
    await bench.take(reviewsManifest(v1: 1, v2: 2))
    #expect(try bench.served() == ["v1": 5000, "v2": 5000])
    try await bench.status(release) { $0.state == .frozen }
    await bench.stop()
  }

  @Test func whatSpillsIsInTheLedgerAndNotLive() async throws {
    let bench = try await ReleaseBench(reviewsManifest(v1: 4, v2: 2))
    let release = try await bench.releases.start(.reviewsCanary([50, 100], guardRails: GuardRails(onEmpty: .spill)))
    try await bench.status(release) { $0.liveAt != nil }
    await bench.take(reviewsManifest(v1: 4, v2: 1))
    #expect(try bench.served() == ["v1": 7500, "v2": 2500], "what it cannot carry")
    let spilled = try await bench.status(release) { $0.liveAt == nil }
    #expect((spilled.state, spilled.weight, spilled.servedWeight) == (.awaitingApproval, 50, 25))
    let report = try await bench.releases[release.id].live()
    #expect(!report.isLive)
    await bench.take(reviewsManifest(v1: 4, v2: 0))
    #expect(try bench.served() == ["v1": 10_000])
    await bench.take(reviewsManifest(v1: 4, v2: 2))
    #expect(try bench.served() == ["v1": 5000, "v2": 5000])
    try await bench.status(release) { $0.liveAt != nil }
    let entries = try await release.history().filter { ["spill", "unspill"].contains($0.action) }
    #expect(entries.map(\.action) == ["spill", "spill", "unspill"])
    #expect(entries.map(\.fromWeight) == [50, 25, 0])
    #expect(entries.map(\.toWeight) == [25, 0, 50])
    #expect(entries.first?.reason == "v2 has 1 ready endpoint of 2 that 50 % of the traffic need")
    await bench.stop()
  }

  @Test func whatSpillsIsTheSameAfterARestart() async throws {
    let store = MemoryReleaseStore()
    let first = try await ReleaseBench(store: store)
    let release = try await first.releases.start(.reviewsCanary([50, 100], guardRails: GuardRails(onEmpty: .spill)))
    try await first.status(release) { $0.liveAt != nil }
    await first.take(reviewsManifest(v1: 2, v2: 0))
    try await first.entry("spill", of: release)
    await first.stop()
    let second = try await ReleaseBench(reviewsManifest(v1: 2, v2: 0), store: store)
    #expect(try second.served() == ["v1": 10_000])
    let again = second.releases[release.id]
    #expect(try await again.status().liveAt == nil)
    await second.take(reviewsManifest(v1: 2, v2: 2))
    try await second.status(again) { $0.liveAt != nil && $0.servedWeight == 50 }
    #expect(try await again.history().filter { $0.action.hasSuffix("spill") }.map(\.action) == ["spill", "unspill"])
    #expect(try await second.releases.verify().finding == nil)
    await second.stop()
  }

  @Test func whatSpillsIsKeptWhenTheStoreIsBack() async throws {
    let store = FailingStore()
    let bench = try await ReleaseBench(store: store)
    let release = try await bench.releases.start(.reviewsCanary([50, 100], guardRails: GuardRails(onEmpty: .spill)))
    try await bench.status(release) { $0.liveAt != nil }
    store.isFailing.store(true, ordering: .releasing)
    await bench.take(reviewsManifest(v1: 2, v2: 0))
    #expect(try bench.served() == ["v1": 10_000], "traffic does not wait for a disk")
    #expect(try await release.status().liveAt == nil, "nor does what is said of it")
    #expect(await bench.clock.wakeNext { _ in store.isFailing.store(false, ordering: .releasing) } == .seconds(1))
    try await bench.entry("spill", of: release)
    await bench.stop()
  }

  // MARK: What a share is measured by

  @Test func theMeasureOfASharesNeedOnlyGrows() async throws {
    let bench = try await ReleaseBench(reviewsManifest(v1: 1, v2: 2))
    let release = try await bench.releases.start(.reviewsCanary([5, 50, 100]))
    await bench.take(reviewsManifest(v1: 4, v2: 2))
    try await release.setWeight(50)
    // Half of it goes, as the release has gone half its way; the whole still needs four.
    await bench.take(reviewsManifest(v1: 2, v2: 2))
    let error = try await refusal { try await release.promote() }
    #expect(error.message == "v2 has 2 ready endpoints of 4 that 100 % of the traffic need")
    await bench.take(reviewsManifest(v1: 2, v2: 4))
    try await release.promote()
    #expect(try bench.served() == ["v2": 10_000])
    await bench.stop()
  }
}

extension ReleaseBench {
  /// Waits until the ledger has such an entry of a release. Whoever watches it is told after each.
  func entry(_ action: String, of release: some ReleaseHandle) async throws {
    for try await _ in try await release.watch() {
      if try await release.history().contains(where: { $0.action == action }) { return }
    }
  }
}

extension ReleaseHandle {
  /// Whether what is served of it now is live.
  func live() async throws -> LiveReport {
    let status = try await status()
    return try await backend.live(status.generation, of: id, on: .all, within: .seconds(1))
  }
}
