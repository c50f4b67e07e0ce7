/// Keeps releases, what was done to them (the ledger), what was answered to requests that may be repeated, and the
/// notifications that are still to be delivered, across restarts.
///
/// All of a change is kept in one `commit`, or none of it. When `commit` returns, the change is durable: it is there after
/// the process was killed, and, where the store says so, after a loss of power. What a store must do is written as checks
/// that any store can be put through, in the library `ReleaseStoreConformance`.
///
/// Safe to be called from anywhere; commits take place one after another. Cancelling the calling task does not take back
/// a commit that has begun. All functions throw `ReleaseStoreError`.
public protocol ReleaseStore: Sendable {
  /// What there is to go on with after a start. Costs O(releases), and not O(ledger).
  func load() async throws -> StoredReleases

  /// Keeps all of this or nothing.
  ///
  /// - Throws: with code `stale` if a record has another revision than the one that was expected; `keyReused` if the
  ///   request's key stands for another request; `invalid` for a commit that no store takes; with any other, what was wrong
  ///   with the store itself: nothing is changed, and the same commit may be tried again.
  func commit(_ commit: ReleaseCommit) async throws -> CommitOutcome

  /// What was answered when this request was first carried out, or nil if it was not.
  ///
  /// - Throws: with code `keyReused` if the key stands for another request.
  func answer(to request: IdempotentRequest) async throws -> [UInt8]?

  /// Entries of the ledger in their order, `limit` at most.
  ///
  /// - Parameter after: only those with a higher sequence; 0 for all.
  /// - Parameter release: only those of this release, if given.
  func ledger(after sequence: UInt64, limit: Int, of release: String?) async throws -> [LedgerEntry]

  /// The last entry's sequence and hash, which are kept beside the entries, in the same transactions.
  func ledgerHead() async throws -> LedgerMark

  /// What waits for this webhook, the oldest first, `limit` at most.
  func outbox(of webhook: String, limit: Int) async throws -> [OutboxItem]
}

extension ReleaseStore {
  /// The first thing that is wrong with the whole ledger, or nil if it is as it was written.
  ///
  /// - Parameter marks: entries that were noted somewhere else, see ``LedgerVerifier``.
  /// - Parameter pageSize: how many entries are read at a time. Costs O(entries).
  public func verifyLedger(against marks: [LedgerMark] = [], pageSize: Int = 1_000) async throws -> LedgerFinding? {
    var verifier = LedgerVerifier(marks: marks)
    var last: UInt64 = 0
    var head = try await ledgerHead()
    while true {
      var page = try await ledger(after: last, limit: pageSize, of: nil)
      while let end = page.last {
        for entry in page { if let finding = verifier.check(entry) { return finding } }
        last = end.sequence
        page = try await ledger(after: last, limit: pageSize, of: nil)
      }
      // What comes meanwhile is no tampering.
      let now = try await ledgerHead()
      if now == head { break }
      head = now
    }
    return verifier.finish(head: head)
  }
}

/// What a store had kept.
public struct StoredReleases: Sendable, Hashable {
  /// In the order of their ids.
  public var records: [ReleaseRecord]
  /// Those that are there and are not as they were written. What is left of the body says nothing; the revision is what an update
  /// of the record has to expect.
  public var unreadable: [ReleaseRecord]
  public var head: LedgerMark
  /// How many notifications wait, by webhook. Webhooks without any are not in it.
  public var waiting: [String: Int]
  /// For people: what was damaged and moved aside, and what of it is lost.
  public var problems: [String]

  public init(
    records: [ReleaseRecord] = [], unreadable: [ReleaseRecord] = [], head: LedgerMark = .start,
    waiting: [String: Int] = [:], problems: [String] = []
  ) {
    self.records = records
    self.unreadable = unreadable
    self.head = head
    self.waiting = waiting
    self.problems = problems
  }
}
