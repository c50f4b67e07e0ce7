/// One change of a store: all of it, or nothing.
public struct ReleaseCommit: Sendable, Hashable {
  /// Each id at most once.
  public var writes: [ReleaseWrite]
  /// What the ledger is to say of it, in order.
  public var statements: [LedgerStatement]
  /// The request that this carries out, if it may be repeated.
  public var answer: KeptAnswer?
  public var notifications: [OutboxDraft]
  /// Items of the outbox that are done with.
  public var delivered: [UInt64]
  public var postponed: [OutboxPostponement]
  /// Answers of before this time are forgotten.
  public var forgetAnswersBefore: Timestamp?
  /// Whether space that a store keeps for emergencies may be used, if there is no other: for the way back.
  public var mayUseReserve: Bool

  public init(
    writes: [ReleaseWrite] = [], statements: [LedgerStatement] = [], answer: KeptAnswer? = nil,
    notifications: [OutboxDraft] = [], delivered: [UInt64] = [], postponed: [OutboxPostponement] = [],
    forgetAnswersBefore: Timestamp? = nil, mayUseReserve: Bool = false
  ) {
    self.writes = writes
    self.statements = statements
    self.answer = answer
    self.notifications = notifications
    self.delivered = delivered
    self.postponed = postponed
    self.forgetAnswersBefore = forgetAnswersBefore
    self.mayUseReserve = mayUseReserve
  }

  /// What no store takes: an id twice, a NUL in a text (C libraries end it there), an index that is none.
  ///
  /// - Throws: `ReleaseStoreError` with code `invalid`, which names the field.
  func validate(head: LedgerMark) throws(ReleaseStoreError) {
    func reject(_ field: String, _ reason: String) -> ReleaseStoreError { .init(.invalid, "\(field) \(reason)") }
    func check(_ text: String, _ field: String, mayBeEmpty: Bool = true) throws(ReleaseStoreError) {
      guard !text.utf8.contains(0) else { throw reject(field, "has a NUL character in it") }
      guard mayBeEmpty || !text.isEmpty else { throw reject(field, "is empty") }
    }
    var seen: Set<String> = []
    for write in writes {
      try check(write.id, "the id", mayBeEmpty: false)
      guard seen.insert(write.id).inserted else { throw reject("the id \(write.id)", "is there twice in one commit") }
    }
    for (index, statement) in statements.enumerated() {
      for (name, text) in statement.texts { try check(text, "the ledger's \(name)") }
      guard statement.at.isWritable, statement.liveEverywhereAt?.isWritable ?? true else {
        throw reject("the ledger's time", "is in no year from 1 to 9999")
      }
      if let subject = statement.refersTo, subject == 0 || subject > head.sequence + UInt64(index) {
        throw reject("the ledger's reference", "is to entry \(subject), which is not there")
      }
    }
    if let request = answer?.request {
      try check(request.key, "the idempotency key", mayBeEmpty: false)
      try check(request.requester, "the requester")
    }
    for draft in notifications {
      try check(draft.webhook, "the webhook", mayBeEmpty: false)
      if let index = draft.statement, !statements.indices.contains(index) {
        throw reject("a notification's statement", "\(index) is none of the commit's")
      }
    }
    for item in postponed { try check(item.reason, "the reason for a postponement") }
  }
}

/// What became of a commit.
public enum CommitOutcome: Sendable, Hashable {
  case committed(CommitReceipt)
  /// The same request had been carried out already: nothing was changed, and this was answered then.
  case repeated([UInt8])

  public var receipt: CommitReceipt? { if case .committed(let receipt) = self { receipt } else { nil } }
}

/// What a store has made of a commit.
public struct CommitReceipt: Sendable, Hashable {
  /// Of every record that was written.
  public var revision: UInt64
  /// One for each statement.
  public var entries: [LedgerEntry]
  /// One for each notification.
  public var notifications: [OutboxItem]

  public init(revision: UInt64, entries: [LedgerEntry], notifications: [OutboxItem]) {
    self.revision = revision
    self.entries = entries
    self.notifications = notifications
  }
}
