import ReleaseControl
import ReleaseNotifications
import ReleaseStores
import Testing
import TrafficModel

@testable import Weir

/// The way back waits for no disk.
@Suite(.timeLimit(.minutes(1))) struct ReleaseDurabilityTests {
  @Test func aRollbackIsServedOnAFullDiskAndSaysThatItIsNotDurable() async throws {
    let store = FailingStore()
    let bench = try await ReleaseBench(store: store)
    let release = try await bench.releases.start(.reviewsCanary([50, 100]), ReleaseRequest(idempotencyKey: "a"))
    try await bench.status(release) { $0.liveAt != nil }
    store.isFailing.store(true, ordering: .releasing)
    // What leads forward is not made if it cannot be kept.
    #expect(try await refusal { try await release.setWeight(60) }.code == .notDurable)
    #expect(try bench.served() == ["v1": 5000, "v2": 5000])
    let request = ReleaseRequest(actor: "ann", reason: "errors", idempotencyKey: "b")
    let back = try await release.rollback(request)
    #expect(try bench.served() == ["v1": 10_000])
    #expect(back.status.state == .rolledBack)
    #expect(back.status.notDurable?.contains("the disk is full") == true)
    #expect(try await back.live(within: .seconds(5)).isLive)
    // It can be asked again, and nothing else is done before it is kept.
    #expect(try await release.rollback(request).status.notDurable != nil)
    let refused = try await refusal { try await release.retire() }
    #expect(refused.code == .notDurable && refused.message.contains("was rolled back, and that could not be kept yet"))
    #expect(try await !release.history().contains { $0.action == "rollback" })
    let asked = bench.time.now

    store.isFailing.store(false, ordering: .releasing)
    #expect(await bench.clock.pass(bench.time) == .seconds(1))
    try await bench.status(release) { $0.notDurable == nil && $0.liveAt != nil }
    let history = try await release.history()
    let entry = try #require(history.first { $0.action == "rollback" })
    #expect((entry.actor, entry.reason, entry.at) == ("ann", "errors", asked), "as it was asked for")
    #expect(history.contains { $0.refersTo == entry.sequence && $0.generation == back.generation })
    #expect(try await bench.releases.verify().finding == nil)
    #expect(try await release.rollback(request).status.notDurable == nil)
    await bench.stop()
    let next = try await ReleaseBench(store: store)
    #expect(try next.served() == ["v1": 10_000])
    #expect(try await next.releases[release.id].status().state == .rolledBack)
    await next.stop()
  }

  @Test func aStopKeepsWhatCanBeKept() async throws {
    let store = FailingStore()
    let bench = try await ReleaseBench(store: store)
    let release = try await bench.releases.start(.reviewsCanary([50, 100]))
    store.isFailing.store(true, ordering: .releasing)
    try await release.rollback()
    store.isFailing.store(false, ordering: .releasing)
    await bench.stop()
    let next = try await ReleaseBench(store: store)
    #expect(try await next.releases[release.id].status().state == .rolledBack)
    await next.stop()
  }

  @Test func aGuardRailsRollbackIsServedOnAFullDiskToo() async throws {
    let store = FailingStore()
    let bench = try await ReleaseBench(store: store)
    let release = try await bench.releases.start(.reviewsCanary([50, 100]))
    store.isFailing.store(true, ordering: .releasing)
    await bench.take(reviewsManifest(v1: 2, v2: 0))
    try await bench.status(release) { $0.state == .rolledBack && $0.notDurable != nil }
    await bench.take(reviewsManifest(v1: 2, v2: 2))
    #expect(try bench.served() == ["v1": 10_000], "it does not come back with its endpoints")
    store.isFailing.store(false, ordering: .releasing)
    await bench.stop()
  }

  @Test func checksThatFailRollBackOnAFullDiskToo() async throws {
    let store = FailingStore()
    let receivers = ReleaseGateTests.Receivers()
    let bench = try await ReleaseBench(store: store, webhooks: receivers.webhooks([.rollout], failureThreshold: 2))
    let release = try await bench.releases.start(.reviewsCanary([50, 100]))
    try await bench.status(release) { $0.liveAt != nil }
    // The first check was made, and is good.
    while bench.clock.sleeping == 0 { await Task.yield() }
    store.isFailing.store(true, ordering: .releasing)
    receivers.set(.rollout, 500)
    for _ in 1...2 { #expect(await bench.clock.pass(bench.time) == .seconds(10)) }
    try await bench.status(release) { $0.state == .rolledBack && $0.notDurable != nil }
    #expect(try bench.served() == ["v1": 10_000])
    store.isFailing.store(false, ordering: .releasing)
    await bench.stop()
  }
}
