import Foundation
import ReleaseControl
import ReleaseStores
import Synchronization
import Testing
import TrafficModel

@testable import Weir

/// What is damaged, or was cut off, changes nothing that is served.
@Suite(.timeLimit(.minutes(1))) struct ReleaseRecoveryTests {
  /// What a store's file looks like after somebody, or a bad block, has been at it.
  private func damage(_ store: MemoryReleaseStore, _ id: String) throws {
    let record = try #require(store.load().records.first { $0.id == id })
    _ = try store.commit(ReleaseCommit(writes: [.update(id: id, revision: record.revision, body: [1])]))
  }

  @Test func anUnreadableReleaseServesWhatItServed() async throws {
    let store = MemoryReleaseStore()
    let rules = [RequestRule(headers: ["x-user": .exact("jason")])]
    var bench = try await ReleaseBench(store: store)
    let id = try await bench.releases.start(
      .canary(of: "reviews.shop", port: 80, from: "v1", to: "v2", steps: [50, 60, 100], rules: rules)
    ).id
    try await bench.releases[id].approve(step: 0)
    let version = bench.routeVersion()
    await bench.stop()
    try damage(store, id)

    bench = try await ReleaseBench(store: store, hasProblems: true)
    #expect(bench.routeVersion() == version, "rules and weights are those of before")
    #expect(try bench.served() == ["v1": 4000, "v2": 6000])
    let problem = try #require(bench.problems.first)
    #expect(problem.severity == .error)
    #expect(problem.message.contains("the kept release \(id) cannot be read"))
    #expect(problem.message.contains("it is frozen by a guard rail, with 60 % on v2, as the ledger says"))
    let status = try await bench.releases[id].status()
    #expect((status.state, status.step, status.revision) == (.frozen, 1, 3))
    // The id is taken, and the release can be moved; then it can be read again.
    #expect(
      try await refusal { _ = try await bench.releases.start(.reviewsCanary([5, 100])) }.code == .alreadyReleased)
    try await bench.releases[id].rollback()
    #expect(try bench.served() == ["v1": 10_000])
    #expect(try await bench.releases.start(.reviewsCanary([5, 100])).id == "reviews.shop-2")
    await bench.stop()
    bench = try await ReleaseBench(store: store)
    #expect(try await bench.releases[id].status().state == .retired)
    #expect(try await bench.releases.verify().finding == nil)
    await bench.stop()
  }

  /// What a guard rail served instead was no move: the set weight comes back, and is looked at anew.
  @Test func whatHadSpilledIsRecoveredAsItWasSet() async throws {
    let store = MemoryReleaseStore()
    var bench = try await ReleaseBench(store: store)
    let release = try await bench.releases.start(.reviewsCanary([40, 100], guardRails: GuardRails(onEmpty: .spill)))
    try await bench.status(release) { $0.liveAt != nil }
    await bench.take(reviewsManifest(v1: 2, v2: 0))
    try await bench.entry("spill", of: release)
    await bench.stop()
    try damage(store, release.id)
    bench = try await ReleaseBench(reviewsManifest(v1: 2, v2: 0), store: store, hasProblems: true)
    #expect(bench.problems.first?.message.contains("it is frozen by a guard rail, with 40 % on v2") == true)
    #expect(try bench.served() == ["v1": 10_000], "nobody is there to take it")
    await bench.take(reviewsManifest(v1: 2, v2: 2))
    #expect(try bench.served() == ["v1": 6000, "v2": 4000])
    await bench.stop()
  }

  @Test func aRecoveredReleaseIsMeasuredAsItWas() async throws {
    let store = MemoryReleaseStore()
    var bench = try await ReleaseBench(reviewsManifest(v1: 1, v2: 2), store: store)
    let id = try await bench.releases.start(.reviewsCanary([5, 50, 100])).id
    await bench.take(reviewsManifest(v1: 4, v2: 2))
    try await bench.releases[id].setWeight(50)
    await bench.stop()
    try damage(store, id)
    bench = try await ReleaseBench(reviewsManifest(v1: 2, v2: 2), store: store, hasProblems: true)
    let error = try await refusal { try await bench.releases[id].promote() }
    #expect(error.message == "v2 has 2 ready endpoints of 4 that 100 % of the traffic need")
    await bench.stop()
  }

  @Test func anUnreadableReleaseThatIsOverStaysAsItIs() async throws {
    let store = MemoryReleaseStore()
    var bench = try await ReleaseBench(store: store)
    let first = try await bench.releases.start(.reviewsCanary([100]))
    try await bench.status(first) { $0.state == .succeeded }
    await bench.stop()
    try damage(store, first.id)
    bench = try await ReleaseBench(store: store, hasProblems: true)
    #expect(try bench.served() == ["v2": 10_000])
    #expect(try await bench.releases[first.id].status().state == .succeeded)
    await bench.stop()
  }

  @Test func whatNobodyKnowsTakesNoNewRelease() async throws {
    let store = MemoryReleaseStore()
    _ = try store.commit(ReleaseCommit(writes: [.create(id: "reviews.shop-1", body: [1])]))
    let bench = try await ReleaseBench(store: store, hasProblems: true)
    let error = try await refusal { _ = try await bench.releases.start(.reviewsCanary([5, 100])) }
    #expect((error.code, error.release) == (.alreadyReleased, "reviews.shop-1"))
    await bench.stop()
  }

  @Test func aRecordThatSomebodyHasEditedServesWhatItServed() async throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("weir-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: directory) }
    var store = try SQLiteReleaseStore(directory: directory)
    var bench = try await ReleaseBench(store: store)
    let id = try await bench.releases.start(.reviewsCanary([25, 100])).id
    await bench.stop()
    await store.close()
    try editReleases(in: directory, "UPDATE releases SET body = X'00'")
    store = try SQLiteReleaseStore(directory: directory)
    bench = try await ReleaseBench(store: store, hasProblems: true)
    #expect(try bench.served() == ["v1": 7500, "v2": 2500])
    #expect(bench.problems.contains { $0.severity == .error && $0.message.contains(id) })
    try await bench.releases[id].setWeight(30)
    await bench.stop()
    await store.close()
    store = try SQLiteReleaseStore(directory: directory)
    #expect(try await store.load().problems.isEmpty)
    await store.close()
  }

  /// Of a damaged file that was moved aside, some records may not be among what could be saved.
  @Test func aRecordThatIsGoneServesWhatItServed() async throws {
    let store = MemoryReleaseStore()
    var bench = try await ReleaseBench(store: store)
    let id = try await bench.releases.start(.reviewsCanary([25, 100])).id
    await bench.stop()
    let record = try #require(store.load().records.first)
    _ = try store.commit(ReleaseCommit(writes: [.delete(id: id, revision: record.revision)]))
    bench = try await ReleaseBench(store: CrashingStore(store, problems: ["a page is damaged"]), hasProblems: true)
    #expect(try bench.served() == ["v1": 7500, "v2": 2500])
    try await bench.releases[id].rollback()
    await bench.stop()
    bench = try await ReleaseBench(store: store)
    #expect(try await bench.releases[id].status().state == .rolledBack)
    await bench.stop()
  }

  @Test func whatWasCutOffByACrashIsClosedWithTheRestart() async throws {
    let store = CrashingStore()
    var bench = try await ReleaseBench(store: store)
    let id = try await bench.releases.start(.reviewsCanary([50, 100])).id
    try await bench.status(bench.releases[id]) { $0.liveAt != nil }
    // The change is kept, and nothing after it.
    store.crashes(after: 1)
    try await bench.releases[id].setWeight(20)
    await bench.stop()
    store.crashes(after: .max)
    bench = try await ReleaseBench(store: store)
    try await bench.status(bench.releases[id]) { $0.liveAt != nil }
    let history = try await bench.releases[id].history()
    #expect(history.map(\.action) == ["start", "live-everywhere", "set-weight", "restarted", "live-everywhere"])
    let (restarted, live) = (history[3], history[4])
    #expect(restarted.refersTo == history[2].sequence && live.refersTo == history[2].sequence)
    #expect(restarted.outcome == "served anew after a restart; the generation before it is not known")
    let serving = try await bench.releases[id].status().generation
    #expect(restarted.generation == serving && live.generation == serving)
    #expect(try await bench.releases.verify().finding == nil)
    // It is said once.
    await bench.stop()
    bench = try await ReleaseBench(store: store)
    #expect(try await bench.releases[id].history().count == 5)
    await bench.stop()
  }

  /// So is what a guard rail served; the move before it has been closed by that, and is not closed again.
  @Test func aSpillThatARestartCutOffIsClosedOnce() async throws {
    let store = MemoryReleaseStore()
    var bench = try await ReleaseBench(store: store)
    let id = try await bench.releases.start(.reviewsCanary([50, 100], guardRails: GuardRails(onEmpty: .spill))).id
    try await bench.status(bench.releases[id]) { $0.liveAt != nil }
    try await bench.proxies.all[0].hold()
    try await bench.releases[id].setWeight(20)
    await bench.take(reviewsManifest(v1: 2, v2: 0))
    try await bench.entry("spill", of: bench.releases[id])
    await bench.stop()
    bench = try await ReleaseBench(reviewsManifest(v1: 2, v2: 0), store: store)
    await bench.take(reviewsManifest(v1: 2, v2: 2))
    try await bench.status(bench.releases[id]) { $0.liveAt != nil }
    let history = try await bench.releases[id].history()
    #expect(
      history.map(\.action) == [
        "start", "live-everywhere", "set-weight", "served", "spill", "restarted", "served", "unspill",
        "live-everywhere",
      ])
    #expect(history.map(\.refersTo) == [nil, 1, nil, 3, nil, 5, 5, nil, 8])
    await bench.stop()
  }
}

/// A store that takes so many commits more, as if its process were killed then.
private final class CrashingStore: ReleaseStore {
  private let inner: MemoryReleaseStore
  private let left = Mutex(Int.max)
  private let problems: [String]

  init(_ inner: MemoryReleaseStore = MemoryReleaseStore(), problems: [String] = []) {
    self.inner = inner
    self.problems = problems
  }

  func crashes(after commits: Int) { left.withLock { $0 = commits } }

  func load() async throws -> StoredReleases {
    var stored = inner.load()
    stored.problems = problems
    return stored
  }
  func commit(_ commit: ReleaseCommit) async throws -> CommitOutcome {
    let takes = left.withLock { left in
      left -= 1
      return left >= 0
    }
    guard takes else { throw ReleaseStoreError(.failed, "the process was killed") }
    return try inner.commit(commit)
  }
  func answer(to request: IdempotentRequest) async throws -> [UInt8]? { try inner.answer(to: request) }
  func ledger(after sequence: UInt64, limit: Int, of release: String?) async throws -> [LedgerEntry] {
    inner.ledger(after: sequence, limit: limit, of: release)
  }
  func ledgerHead() async throws -> LedgerMark { inner.ledgerHead() }
  func outbox(of webhook: String, limit: Int) async throws -> [OutboxItem] { inner.outbox(of: webhook, limit: limit) }
}
