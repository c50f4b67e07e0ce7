import Foundation
import ReleaseControl
import ReleaseStores
import Synchronization
import Testing
import TrafficModel

@testable import ReleaseNotifications
@testable import Weir

/// What webhooks are told of a release, and what a gate does to it.
@Suite(.timeLimit(.minutes(1))) struct ReleaseWebhookTests {
  @Test func aReleaseBeginsWhenItIsConfirmed() async throws {
    let gates = Gatekeeper([.confirmRollout, .preRollout])
    gates.answer(.confirmRollout, 503)
    let bench = try await ReleaseBench(webhooks: gates.webhooks)
    let rule = RequestRule(headers: ["x-preview": .present])
    let release = try await bench.releases.start(.reviewsCanary([5, 100], rules: [rule]))
    let waiting = try await bench.status(release) { $0.waitsFor != nil }
    #expect((waiting.step, waiting.weight, waiting.waitsFor) == (-1, 0, "confirm-rollout: confirm-rollout: 503"))
    #expect(try bench.served() == ["v1": 10_000])
    #expect(gates.count(.preRollout) == 0, "one after the other")
    gates.answer(.confirmRollout, 200)
    #expect(await bench.clock.wakeNext() == .seconds(7), "asked again after its interval")
    try await bench.status(release) { $0.weight == 5 }
    #expect(try bench.served() == ["v1": 9500, "v2": 500])
    #expect(gates.count(.preRollout) == 1)
    await bench.stop()
  }

  @Test func theApprovalIsNotTheLastWord() async throws {
    let gates = Gatekeeper([.confirmTrafficIncrease, .confirmPromotion])
    let bench = try await ReleaseBench(webhooks: gates.webhooks)
    let release = try await bench.releases.start(.reviewsCanary([5, 50, 100]))
    try await bench.status(release) { $0.weight == 5 }
    gates.answer(.confirmTrafficIncrease, 403)
    try await release.approve()
    let waiting = try await bench.status(release) { $0.waitsFor != nil }
    #expect((waiting.state, waiting.weight) == (.running, 5))
    gates.answer(.confirmTrafficIncrease, 204)
    _ = await bench.clock.wakeNext()
    try await bench.status(release) { $0.weight == 50 }
    #expect(gates.count(.confirmPromotion) == 0)
    gates.answer(.confirmPromotion, 500)
    try await release.approve()
    try await bench.status(release) { $0.waitsFor == "confirm-promotion: confirm-promotion: 500" }
    // A hand goes past the gates.
    try await release.promote()
    #expect(try bench.served() == ["v2": 10_000])
    #expect(try await release.history().contains { $0.action == "promote" })
    await bench.stop()
  }

  @Test func failedChecksAddUpAcrossARestart() async throws {
    let gates = Gatekeeper([.preRollout], failureThreshold: 3)
    gates.answer(.preRollout, 500)
    let store = MemoryReleaseStore()
    let first = try await ReleaseBench(store: store, webhooks: gates.webhooks)
    let release = try await first.releases.start(.reviewsCanary([5, 100]))
    let seen = try await first.status(release) { $0.waitsFor != nil }
    #expect(gates.count(.preRollout) == 1)
    await first.stop()
    let second = try await ReleaseBench(store: store, webhooks: gates.webhooks)
    let again = second.releases[release.id]
    try await second.status(again) { $0.waitsFor != nil }
    #expect(gates.count(.preRollout) == 2)
    #expect(try await again.status().revision == seen.revision, "a check does not make anybody's view of it stale")
    _ = await second.clock.wakeNext()
    let back = try await second.status(again) { $0.state == .rolledBack }
    #expect(back.reason == "pre-rollout: pre-rollout: 500")
    #expect(gates.count(.preRollout) == 3)
    let actions = try await again.history().map(\.action)
    #expect(actions.filter { $0 == "check-failed" }.count == 3 && actions.contains("trip"))
    #expect(try await second.releases.verify().finding == nil)
    await second.stop()
  }

  @Test func aCheckThatFailsWhileItPausesRollsBack() async throws {
    let gates = Gatekeeper([.rollout], failureThreshold: 2)
    let bench = try await ReleaseBench(webhooks: gates.webhooks)
    let release = try await bench.releases.start(.reviewsCanary([25, 100]))
    try await bench.status(release) { $0.weight == 25 }
    gates.answer(.rollout, 500)
    for _ in 0..<2 { _ = await bench.clock.wakeNext() }
    let back = try await bench.status(release) { $0.state == .rolledBack }
    #expect(back.reason == "rollout: rollout: 500")
    #expect(try bench.served() == ["v1": 10_000])
    await bench.stop()
  }

  @Test func aRollbackGateIsAskedInEveryState() async throws {
    let gates = Gatekeeper([.rollback])
    gates.answer(.rollback, 404)
    let bench = try await ReleaseBench(webhooks: gates.webhooks)
    let release = try await bench.releases.start(.reviewsCanary([25, 100]))
    try await release.pause()
    _ = await bench.clock.wakeNext()
    // It sleeps again only when it has its answer.
    _ = await bench.clock.wakeNext { _ in gates.answer(.rollback, 200) }
    let back = try await bench.status(release) { $0.state == .rolledBack }
    #expect(back.reason == "the gate rollback asks for it")
    #expect(gates.count(.rollback) == 2)
    await bench.stop()
  }

  @Test func eachTransitionIsToldOnceAndInOrder() async throws {
    let store: any ReleaseStore = MemoryReleaseStore()
    let all = WebhookConfiguration(name: "all", url: "http://127.0.0.1/all")
    let ends = WebhookConfiguration(name: "ends", url: "http://127.0.0.1/ends", gate: .postRollout)
    let rings = Atomic(0)
    let bench = try await ReleaseBench(
      store: store,
      webhooks: ReleaseWebhooks(
        roster: WebhookRoster([all, ends]), ring: { _ = rings.wrappingAdd(1, ordering: .relaxed) }))
    let release = try await bench.releases.start(.reviewsCanary([5, 100]), ReleaseRequest(actor: "ci"))
    try await bench.status(release) { $0.liveAt != nil }
    try await release.setWeight(20, ReleaseRequest(actor: "ann", reason: "looks good"))
    try await bench.status(release) { $0.liveAt != nil }
    try await release.rollback()
    try await bench.status(release) { $0.liveAt != nil }
    let told = try await store.outbox(of: "all", limit: 100).map { try ReleaseTransition(stored: $0.body) }
    #expect(
      told.map(\.action) == ["start", "live-everywhere", "setWeight", "live-everywhere", "rollback", "live-everywhere"])
    #expect(
      (told[2].actor, told[2].reason, told[2].fromBasisPoints, told[2].toBasisPoints) == (
        "ann", "looks good", 500, 2000
      ))
    #expect(told.map(\.isEnd) == [false, false, false, false, true, false])
    #expect(Set(told.map(\.action)).isSubset(of: ReleaseWebhooks.actions))
    #expect(
      try await store.outbox(of: "ends", limit: 100).map { try ReleaseTransition(stored: $0.body).action } == [
        "rollback"
      ])
    // Each carries the ledger's mark of the entry that says the same.
    let entries = try await store.ledger(after: 0, limit: 100, of: nil)
    for item in try await store.outbox(of: "all", limit: 100) {
      let entry = try #require(entries.first { $0.mark == item.entry })
      #expect(try entry.statement.action == ReleaseTransition(stored: item.body).action)
    }
    #expect(rings.load(ordering: .relaxed) == 6)
    await bench.stop()
  }
}

/// Webhooks that answer as they are told to.
private final class Gatekeeper: WebhookTransport {
  private let state = Mutex<(answers: [String: Int], counts: [String: Int])>(([:], [:]))
  private let configurations: [WebhookConfiguration]

  init(_ gates: [Gate], failureThreshold: Int = 1) {
    configurations = gates.map {
      WebhookConfiguration(
        name: $0.rawValue, url: "http://127.0.0.1/\($0.rawValue)", gate: $0, failureThreshold: failureThreshold,
        interval: 7)
    }
  }

  var webhooks: ReleaseWebhooks {
    ReleaseWebhooks(
      roster: WebhookRoster(configurations), gates: ReleaseGates(webhooks: configurations, transport: self))
  }

  func answer(_ gate: Gate, _ status: Int) { state.withLock { $0.answers[gate.rawValue] = status } }
  func count(_ gate: Gate) -> Int { state.withLock { $0.counts[gate.rawValue] ?? 0 } }

  func send(_ request: WebhookRequest, timeout: Duration) async throws -> WebhookResponse {
    let gate = String(request.url.split(separator: "/").last ?? "")
    let status = state.withLock { state in
      state.counts[gate, default: 0] += 1
      return state.answers[gate] ?? 200
    }
    return WebhookResponse(status: status)
  }
}
