import EnvoyHarness
import Foundation
import ReleaseStoreConformance
import ReleaseStores
import Testing

/// A process that commits to a release store is killed, again and again: after each kill the store has every commit that was
/// acknowledged, at most one more, each of them whole, and the ledger verifies. `WEIR_SEED` repeats the choice of instants,
/// `WEIR_RELEASE_KILLS` changes their number. (A kill shows that nothing is lost with the process, not with the power: for
/// that, each commit is synced.)
@Suite("Release store kills", .serialized) struct ReleaseStoreKillTests {
  @Test func whatWasAcknowledgedIsThere() async throws {
    var random = SeededRandom()
    print("release store kills: WEIR_SEED=\(random.seed)")
    let kills = ProcessInfo.processInfo.environment["WEIR_RELEASE_KILLS"].flatMap { Int($0) } ?? 25
    let directory = TemporaryDirectory(prefix: "weir-release-kills")
    defer { directory.remove() }
    let state = directory.path + "/state"
    var (acknowledged, unheard, early) = (0, 0, 0)
    for kill in 1...kills {
      let process = try await ChildProcess.spawn(
        ProgramFile.ownDirectory + "/ReleaseCommits", [state], logPath: directory.path + "/log", readsLines: true)
      // At some commit's acknowledgement, or at some instant: nothing tells of those in between.
      let target = Bool.random(using: &random) ? Int.random(in: 1...40, using: &random) : nil
      let instant = Duration.milliseconds(Int.random(in: 0...80, using: &random))
      let killing = Task {
        guard target == nil else { return }
        try await Task.sleep(for: instant)
        await process.kill()
      }
      var heard = 0
      for await line in process.lines {
        acknowledged = try #require(Int(line))
        heard += 1
        if heard == target { await process.kill() }
      }
      try await killing.value
      #expect(await process.waitForExit() == .signal(9), "\(process.logTail())")

      let store = try SQLiteReleaseStore(directory: state)
      let count = try await CommitSequence.check(store, acknowledged: acknowledged)
      await store.close()
      early += heard == 0 ? 1 : 0
      unheard += count - acknowledged
      acknowledged = count
      let files = try FileManager.default.contentsOfDirectory(atPath: state).sorted()
      #expect(
        files.filter { $0 != "releases.sqlite-shm" && $0 != "releases.sqlite-wal" }
          == ["releases.lock", "releases.reserve", "releases.sqlite"], "after kill \(kill): \(files)")
    }
    print(
      "release store kills: \(kills), \(early) of them before the first commit; \(acknowledged) commits are there, "
        + "\(unheard) of which were durable and not acknowledged")
    #expect(acknowledged > kills)
  }

  /// The check itself is of no use if it finds nothing.
  @Test func aLostCommitIsFound() async throws {
    let directory = TemporaryDirectory(prefix: "weir-release-kills")
    defer { directory.remove() }
    let store = try SQLiteReleaseStore(directory: directory.path + "/state")
    var sequence = try await CommitSequence(on: store)
    for _ in 1...12 { _ = try await sequence.next() }
    try await CommitSequence.check(store, acknowledged: 12)
    try await CommitSequence.check(store, acknowledged: 11)
    for wrong in [10, 13] {
      await #expect(throws: ReleaseStoreConformance.Failure.self) {
        try await CommitSequence.check(store, acknowledged: wrong)
      }
    }
    let item = try #require(try await store.outbox(of: "hook", limit: 1).first)
    _ = try await store.commit(ReleaseCommit(delivered: [item.sequence]))
    await #expect(throws: ReleaseStoreConformance.Failure.self) {
      try await CommitSequence.check(store, acknowledged: 12)
    }
  }
}
