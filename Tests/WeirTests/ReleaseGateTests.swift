import Foundation
import ReleaseControl
import ReleaseNotifications
import ReleaseStores
import Synchronization
import Testing
import TrafficModel

@testable import Weir

/// Webhooks that hold a release, and those that must not.
@Suite(.timeLimit(.minutes(1))) struct ReleaseGateTests {
  /// Answers each URL with the status that is set for it, 200 if none is; nobody answers at 0.
  final class Receivers: WebhookTransport {
    private struct NoAnswer: Error {}
    private let statuses = Mutex<[String: Int]>([:])
    /// The next request to a URL waits until it is told to go on.
    private let held = Mutex<[String: AsyncStream<Void>]>([:])
    let asked: AsyncStream<String>
    private let continuation: AsyncStream<String>.Continuation

    init() { (asked, continuation) = AsyncStream.makeStream() }

    func set(_ gate: Gate, _ status: Int) { statuses.withLock { $0["http://receiver/\(gate)"] = status } }

    /// - Returns: what lets it go on.
    func holdNext(_ gate: Gate) -> AsyncStream<Void>.Continuation {
      let (stream, continuation) = AsyncStream.makeStream(of: Void.self)
      held.withLock { $0["http://receiver/\(gate)"] = stream }
      return continuation
    }

    func send(_ request: WebhookRequest, timeout: Duration) async throws -> WebhookResponse {
      let status = statuses.withLock { $0[request.url] ?? 200 }
      // Taken before anybody hears of the request: what they ask next must not take it.
      let hold = held.withLock { $0.removeValue(forKey: request.url) }
      continuation.yield(String(request.url.dropFirst("http://receiver/".count)))
      if let hold { for await _ in hold {} }
      guard status > 0 else { throw NoAnswer() }
      return WebhookResponse(status: status)
    }

    func webhooks(_ gates: [Gate], failureThreshold: Int = 1) -> ReleaseWebhooks {
      let webhooks = gates.map {
        WebhookConfiguration(
          name: "\($0)", url: "http://receiver/\($0)", gate: $0, failureThreshold: failureThreshold)
      }
      return ReleaseWebhooks(
        roster: WebhookRoster(webhooks), gates: ReleaseGates(webhooks: webhooks, transport: self),
        interval: .seconds(10))
    }
  }

  private static let rules = [RequestRule(headers: ["x-preview": .present])]

  @Test(arguments: [Gate.confirmRollout, .preRollout])
  func aReleaseDoesNothingBeforeItIsConfirmed(_ gate: Gate) async throws {
    let receivers = Receivers()
    receivers.set(gate, 403)
    let bench = try await ReleaseBench(webhooks: receivers.webhooks([gate], failureThreshold: 5))
    let release = try await bench.releases.start(
      .canary(of: "reviews.shop", from: "v1", to: "v2", steps: [5, 100], rules: Self.rules))
    let waiting = try await bench.status(release) { $0.waitsFor != nil }
    #expect(waiting.waitsFor == "\(gate): \(gate): 403")
    #expect((waiting.step, waiting.weight) == (-1, 0))
    #expect(try bench.served() == ["v1": 10_000])
    let refused = try await refusal { try await release.setWeight(1) }
    #expect(refused.code == .notAllowed && refused.message.contains("\(gate): 403"))
    receivers.set(gate, 200)
    #expect(await bench.clock.pass(bench.time) == .seconds(10))
    try await bench.status(release) { $0.weight == 5 && $0.step == 0 }
    #expect(try bench.served() == ["v1": 9500, "v2": 500])
    await bench.stop()
  }

  @Test func aPromotionIsRefusedAndTheWayBackIsNot() async throws {
    let receivers = Receivers()
    let bench = try await ReleaseBench(webhooks: receivers.webhooks([.confirmPromotion, .confirmTrafficIncrease]))
    let release = try await bench.releases.start(.reviewsCanary([5, 50, 100]))
    try await bench.status(release) { $0.step == 0 }
    receivers.set(.confirmPromotion, 0)
    try await release.change().approve()
    for move in [
      { try await release.change().approve() }, { try await release.promote() }, { try await release.setWeight(100) },
    ] {
      let error = try await refusal { _ = try await move() }
      #expect(error.code == .notAllowed && error.message.contains("confirm-promotion: confirm-promotion: no answer"))
      #expect(error.allowedNow.contains(.rollback))
    }
    #expect(try bench.served() == ["v1": 5000, "v2": 5000])
    receivers.set(.confirmTrafficIncrease, 500)
    #expect(try await refusal { try await release.setWeight(51) }.message.contains("confirm-traffic-increase"))
    try await release.setWeight(49)
    try await release.rollback()
    #expect(try bench.served() == ["v1": 10_000])
    await bench.stop()
  }

  @Test func aStepOfItsOwnWaitsForItsGate() async throws {
    let receivers = Receivers()
    let bench = try await ReleaseBench(webhooks: receivers.webhooks([.confirmTrafficIncrease]))
    let release = try await bench.releases.start(.reviewsCanary([5, 50, 100], pause: .for(.seconds(60))))
    try await bench.status(release) { $0.weight == 5 && $0.liveAt != nil }
    receivers.set(.confirmTrafficIncrease, 403)
    #expect(await bench.clock.pass(bench.time) == .seconds(60))
    try await bench.status(release) { $0.waitsFor?.hasPrefix("confirm-traffic-increase") == true && $0.weight == 5 }
    receivers.set(.confirmTrafficIncrease, 204)
    #expect(await bench.clock.pass(bench.time) == .seconds(10))
    try await bench.status(release) { $0.weight == 50 && $0.waitsFor == nil }
    await bench.stop()
  }

  @Test func failedChecksAreCountedAcrossRestartsAndThenRollBack() async throws {
    let receivers = Receivers()
    receivers.set(.rollout, 500)
    let store = MemoryReleaseStore()
    let webhooks = receivers.webhooks([.rollout], failureThreshold: 3)
    var bench = try await ReleaseBench(store: store, webhooks: webhooks)
    let id = try await bench.releases.start(.reviewsCanary([5, 100])).id
    // The first check is made at once, and so it is after a restart.
    let first = bench
    try await until {
      let liveAt = try await first.releases[id].status().liveAt
      return try failures(in: store) == 1 && liveAt != nil
    }
    await bench.stop()
    bench = try await ReleaseBench(store: store, webhooks: webhooks)
    try await until { try failures(in: store) == 2 }
    #expect(try bench.served() == ["v1": 9500, "v2": 500])
    // A success in between begins anew.
    receivers.set(.rollout, 200)
    #expect(await bench.clock.pass(bench.time) == .seconds(10))
    try await until { try failures(in: store) == nil }
    receivers.set(.rollout, 500)
    for _ in 1...3 { #expect(await bench.clock.pass(bench.time) == .seconds(10)) }
    let status = try await bench.status(bench.releases[id]) { $0.state == .rolledBack }
    #expect(status.reason == "rollout has failed: rollout: 500")
    #expect(try bench.served() == ["v1": 10_000])
    #expect(try await bench.releases[id].history().contains { $0.action == "trip" && $0.actor == "weir" })
    await bench.stop()
  }

  @Test func anAnswerCountsForTheMoveThatWasAskedAboutAlone() async throws {
    let receivers = Receivers()
    let bench = try await ReleaseBench(webhooks: receivers.webhooks([.confirmTrafficIncrease, .confirmPromotion]))
    let release = try await bench.releases.start(.reviewsCanary([0, 5, 50, 100]))
    try await release.setWeight(5)
    receivers.set(.confirmPromotion, 403)
    var asked = receivers.asked.makeAsyncIterator()
    _ = await asked.next()
    // It is asked whether 5 % may become 50 %; meanwhile somebody sets 60 %, and the next step is the last one.
    let goOn = receivers.holdNext(.confirmTrafficIncrease)
    let resumed = Task { try await refusal { try await release.resume() } }
    _ = await asked.next()
    try await release.setWeight(60)
    goOn.finish()
    let error = try await resumed.value
    #expect(error.code == .notAllowed && error.message.contains("confirm-promotion: confirm-promotion: 403"))
    #expect(try bench.served() == ["v1": 4000, "v2": 6000])
    await bench.stop()
  }

  /// What leads to the candidate is asked about in the first step as in any other.
  @Test(arguments: [Gate.confirmTrafficIncrease, .confirmPromotion]) func aStartAsksAsAnyStep(_ gate: Gate) async throws
  {
    let receivers = Receivers()
    receivers.set(gate, 403)
    let bench = try await ReleaseBench(webhooks: receivers.webhooks([gate]))
    let release = try await bench.releases.start(.reviewsCanary([100]))
    try await bench.status(release) { $0.waitsFor == "\(gate): \(gate): 403" }
    #expect(try bench.served() == ["v1": 10_000])
    receivers.set(gate, 200)
    #expect(await bench.clock.pass(bench.time) == .seconds(10))
    try await bench.status(release) { $0.weight == 100 }
    #expect(try bench.served() == ["v2": 10_000])
    await bench.stop()
  }

  @Test func aStartThatLeadsByRulesAsksAndOneThatLeadsNowhereDoesNot() async throws {
    let receivers = Receivers()
    receivers.set(.confirmTrafficIncrease, 403)
    let bench = try await ReleaseBench(webhooks: receivers.webhooks([.confirmTrafficIncrease, .confirmPromotion]))
    let rules = try await bench.releases.start(.rules(Self.rules, of: "reviews.shop", from: "v1", to: "v2"))
    try await bench.status(rules) { $0.step == -1 && $0.waitsFor?.hasPrefix("confirm-traffic-increase") == true }
    try await rules.abort()
    let switching = try await bench.releases.start(.blueGreen(of: "reviews.shop", from: "v1", to: "v2"))
    #expect(try await switching.status().step == 0)
    await bench.stop()
  }

  /// A step that is due and the watch both want to know; it is one check.
  @Test func aCheckIsMadeOnceHoweverManyWaitForIt() async throws {
    let receivers = Receivers()
    receivers.set(.rollout, 500)
    let store = MemoryReleaseStore()
    let bench = try await ReleaseBench(store: store, webhooks: receivers.webhooks([.rollout], failureThreshold: 100))
    let release = try await bench.releases.start(.reviewsCanary([5, 50, 100], pause: ReleasePause.none))
    try await bench.status(release) { $0.waitsFor == "rollout: rollout: 500" }
    #expect(try await refusal { try await release.setWeight(10) }.message.contains("rollout: 500"))
    #expect(try failures(in: store) == 1)
    for round in 2...4 {
      // Both have slept for as long.
      let start = bench.time.now
      for _ in 1...2 { _ = await bench.clock.wakeNext { _ in bench.time.set(start + 10) } }
      try await until { try failures(in: store) ?? 0 >= round && bench.clock.sleeping == 2 }
      #expect(try failures(in: store) == round)
    }
    await bench.stop()
  }

  @Test(arguments: [true, false]) func theChecksGoOnWhereRulesOrAMirrorLeadToTheCandidate(_ byRules: Bool) async throws
  {
    let receivers = Receivers()
    receivers.set(.rollout, 500)
    let bench = try await ReleaseBench(webhooks: receivers.webhooks([.rollout]))
    let release = try await bench.releases.start(
      byRules
        ? .rules(Self.rules, of: "reviews.shop", from: "v1", to: "v2")
        : .mirrorFirst(of: "reviews.shop", from: "v1", to: "v2", share: 10, steps: [5]))
    let status = try await bench.status(release) { $0.state == .rolledBack }
    #expect(status.reason == "rollout has failed: rollout: 500")
    await bench.stop()
  }

  @Test func theGateRollbackRollsBackWhenItSucceeds() async throws {
    let receivers = Receivers()
    receivers.set(.rollback, 404)
    let bench = try await ReleaseBench(webhooks: receivers.webhooks([.rollback]))
    let release = try await bench.releases.start(.reviewsCanary([5, 100]))
    try await release.setWeight(40)
    receivers.set(.rollback, 200)
    #expect(await bench.clock.pass(bench.time) == .seconds(10))
    let status = try await bench.status(release) { $0.state == .rolledBack }
    #expect(status.reason == "the gate rollback asks for it")
    await bench.stop()
  }

  @Test func everyTransitionIsToldAndNobodyWhoIsToldHoldsAnything() async throws {
    let receivers = Receivers()
    for gate in [Gate.event, .postRollout] { receivers.set(gate, 0) }
    let store = MemoryReleaseStore()
    var webhooks = receivers.webhooks([.event, .postRollout])
    let named = WebhookConfiguration(name: "live", url: "http://receiver/live", events: ["live-everywhere"])
    webhooks.roster = WebhookRoster(
      [named]
        + [Gate.event, .postRollout].map { (gate: Gate) in
          WebhookConfiguration(name: gate.rawValue, url: "http://receiver/", gate: gate)
        })
    let rings = Atomic(0)
    webhooks.ring = { rings.add(1, ordering: .relaxed) }
    let bench = try await ReleaseBench(store: store, webhooks: webhooks)
    let release = try await bench.releases.start(.reviewsCanary([5, 100]), ReleaseRequest(actor: "ann"))
    try await bench.status(release) { $0.liveAt != nil }
    try await release.promote()
    try await bench.status(release) { $0.state == .succeeded }
    try await release.rollback()
    try await bench.status(release) { $0.liveAt != nil }
    func told(_ webhook: String) throws -> [(action: String, phase: String, end: Bool, mark: LedgerMark?)] {
      try store.outbox(of: webhook, limit: 100).map { item in
        let event = try #require(try JSONSerialization.jsonObject(with: Data(item.body)) as? [String: Any])
        let phase = (event["release"] as? [String: Any])?["phase"] as? String
        return (event["action"] as? String ?? "", phase ?? "", event["is_end"] as? Bool ?? false, item.entry)
      }
    }
    let events = try told("event")
    #expect(events.map(\.action) == ["start", "promote", "advance", "rollback"])
    #expect(events.map(\.phase) == ["awaitingApproval", "running", "succeeded", "rolledBack"])
    #expect(try told("post-rollout").map(\.action) == ["advance", "rollback"])
    #expect(try told("live").count == 3)
    // Each carries the mark of the ledger's entry that says the same.
    let history = try await release.history()
    for event in events {
      let mark = try #require(event.mark)
      let line = try #require(history.first { $0.sequence == mark.sequence })
      #expect(line.action == event.action && line.hash == "\(mark.hash)")
    }
    #expect(rings.load(ordering: .relaxed) >= 7)
    await bench.stop()
  }

  @Test func whatAGuardRailServesInsteadIsToldWithItsWeight() async throws {
    let json = """
      {"webhooks": [{"name": "ops", "url": "http://receiver/", "events": ["spill", "unspill"]}]}
      """
    var webhooks = Receivers().webhooks([])
    webhooks.roster = WebhookRoster(
      try WebhookConfiguration.list(json: Array(json.utf8), actions: ReleaseWebhooks.actions))
    let store = MemoryReleaseStore()
    let bench = try await ReleaseBench(store: store, webhooks: webhooks)
    let release = try await bench.releases.start(.reviewsCanary([50, 100], guardRails: GuardRails(onEmpty: .spill)))
    try await bench.status(release) { $0.liveAt != nil }
    await bench.take(reviewsManifest(v1: 2, v2: 0))
    try await bench.entry("spill", of: release)
    await bench.take(reviewsManifest(v1: 2, v2: 2))
    try await bench.entry("unspill", of: release)
    let told = try store.outbox(of: "ops", limit: 100).map {
      let event = try #require(try JSONSerialization.jsonObject(with: Data($0.body)) as? [String: Any])
      return "\(event["action"] ?? "") \(event["from_basis_points"] ?? "") \(event["to_basis_points"] ?? "")"
    }
    #expect(told == ["spill 5000 0", "unspill 0 5000"])
    await bench.stop()
  }

  private func failures(in store: MemoryReleaseStore) throws -> Int? {
    let record = try #require(store.load().records.first)
    return try ReleaseJSON.decode(Release.self, from: Data(record.body)).failedChecks["rollout"]
  }

  /// For what tells nobody: the store's content.
  private func until(_ holds: () async throws -> Bool) async throws {
    while try await !holds() { await Task.yield() }
  }
}
