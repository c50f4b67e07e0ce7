internal import Synchronization

/// A store that ends with its process: for tests, and for a control plane that is to forget its releases.
public final class MemoryReleaseStore: ReleaseStore {
  fileprivate struct Kept {
    var revision: UInt64 = 0
    var records: [String: ReleaseRecord] = [:]
    var ledger: [LedgerEntry] = []
    var answers: [String: KeptAnswer] = [:]
    /// In order.
    var outbox: [OutboxItem] = []
    var lastItem: UInt64 = 0

    var head: LedgerMark { ledger.last?.mark ?? .start }
  }

  private let kept = Mutex(Kept())

  public init() {}

  public func load() -> StoredReleases {
    kept.withLock { kept in
      StoredReleases(
        records: kept.records.values.sorted { $0.id < $1.id }, head: kept.head,
        waiting: Dictionary(kept.outbox.map { ($0.webhook, 1) }, uniquingKeysWith: +))
    }
  }

  public func commit(_ commit: ReleaseCommit) throws -> CommitOutcome {
    try kept.withLock { kept in
      try commit.validate(head: kept.head)
      if let answer = commit.answer, let earlier = kept.answers[answer.request.key] {
        try answer.request.check(kept: earlier.request.requester, earlier.request.digest)
        return .repeated(earlier.result)
      }
      for write in commit.writes {
        let found = kept.records[write.id]?.revision
        guard found == write.expected else { throw ReleaseStoreError.stale(write, found: found) }
      }
      return .committed(kept.apply(commit))
    }
  }

  public func answer(to request: IdempotentRequest) throws -> [UInt8]? {
    try kept.withLock { kept in
      guard let answer = kept.answers[request.key] else { return nil }
      try request.check(kept: answer.request.requester, answer.request.digest)
      return answer.result
    }
  }

  public func ledger(after sequence: UInt64, limit: Int, of release: String?) -> [LedgerEntry] {
    kept.withLock { kept in
      let later = kept.ledger.dropFirst(Int(clamping: sequence))
      guard let release else { return Array(later.prefix(limit)) }
      return Array(later.lazy.filter { $0.statement.release == release }.prefix(limit))
    }
  }

  public func ledgerHead() -> LedgerMark { kept.withLock { $0.head } }

  public func outbox(of webhook: String, limit: Int) -> [OutboxItem] {
    kept.withLock { Array($0.outbox.lazy.filter { $0.webhook == webhook }.prefix(limit)) }
  }
}

extension MemoryReleaseStore.Kept {
  /// Everything has been checked.
  fileprivate mutating func apply(_ commit: ReleaseCommit) -> CommitReceipt {
    revision += 1
    for write in commit.writes {
      switch write {
      case .create(let id, let body), .update(let id, _, let body):
        records[id] = ReleaseRecord(id: id, revision: revision, body: body)
      case .delete(let id, _): records[id] = nil
      case .require: break
      }
    }
    let entries = LedgerEntry.chain(commit.statements, after: head)
    ledger += entries
    if let time = commit.forgetAnswersBefore { answers = answers.filter { $0.value.at >= time } }
    if let answer = commit.answer { answers[answer.request.key] = answer }
    let items = commit.notifications.map { draft in
      lastItem += 1
      return OutboxItem(draft, sequence: lastItem, entries: entries)
    }
    outbox += items
    if !commit.delivered.isEmpty {
      let delivered = Set(commit.delivered)
      outbox.removeAll { delivered.contains($0.sequence) }
    }
    for postponement in commit.postponed {
      guard let index = outbox.firstIndex(where: { $0.sequence == postponement.sequence }) else { continue }
      outbox[index].attempts = postponement.attempts
      outbox[index].notBefore = postponement.notBefore
      outbox[index].reason = postponement.reason
    }
    return CommitReceipt(revision: revision, entries: entries, notifications: items)
  }
}
