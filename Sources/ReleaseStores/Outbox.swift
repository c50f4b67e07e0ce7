/// A notification for one webhook, to be kept with the change that it tells of.
public struct OutboxDraft: Sendable, Hashable {
  public var webhook: String
  public var body: [UInt8]
  public var at: Timestamp
  /// Which of the commit's statements it tells of, as an index; the item then carries that entry's sequence and hash.
  public var statement: Int?

  public init(webhook: String, body: [UInt8], at: Timestamp, statement: Int? = nil) {
    self.webhook = webhook
    self.body = body
    self.at = at
    self.statement = statement
  }
}

/// A notification that waits for its webhook.
public struct OutboxItem: Sendable, Hashable {
  /// Grows, and is never used twice: the order of delivery, and by which a receiver knows one that comes again.
  public var sequence: UInt64
  public var webhook: String
  public var body: [UInt8]
  public var at: Timestamp
  /// The entry that it tells of: noted elsewhere, it shows later that the ledger was not rewritten.
  public var entry: LedgerMark?
  public var attempts: Int
  /// Not before this time is it tried again.
  public var notBefore: Timestamp?
  /// Why the last attempt failed; empty before it.
  public var reason: String

  public init(
    sequence: UInt64, webhook: String, body: [UInt8], at: Timestamp, entry: LedgerMark? = nil, attempts: Int = 0,
    notBefore: Timestamp? = nil, reason: String = ""
  ) {
    self.sequence = sequence
    self.webhook = webhook
    self.body = body
    self.at = at
    self.entry = entry
    self.attempts = attempts
    self.notBefore = notBefore
    self.reason = reason
  }
}

extension OutboxItem {
  /// - Parameter entries: the commit's, one for each statement.
  init(_ draft: OutboxDraft, sequence: UInt64, entries: [LedgerEntry]) {
    self.init(
      sequence: sequence, webhook: draft.webhook, body: draft.body, at: draft.at,
      entry: draft.statement.map { entries[$0].mark })
  }
}

/// An attempt that failed. Of an item that is not there, nothing is kept.
public struct OutboxPostponement: Sendable, Hashable {
  public var sequence: UInt64
  public var attempts: Int
  public var notBefore: Timestamp
  public var reason: String

  public init(sequence: UInt64, attempts: Int, notBefore: Timestamp, reason: String) {
    self.sequence = sequence
    self.attempts = attempts
    self.notBefore = notBefore
    self.reason = reason
  }
}
