/// What is wrong with a ledger: the first thing, for after it nothing follows from what is there.
public struct LedgerFinding: Sendable, Hashable, CustomStringConvertible {
  public enum Kind: String, Sendable, Hashable, CaseIterable {
    case changed
    case removed
    case reordered
    case inserted
  }

  public var kind: Kind
  /// Of the first entry that was changed, is missing, stands in the wrong place, or does not belong there.
  public var sequence: UInt64
  public var message: String

  init(_ kind: Kind, _ sequence: UInt64, _ message: String) {
    self.kind = kind
    self.sequence = sequence
    self.message = message
  }

  public var description: String { message }
}

/// Reads a ledger from its first entry to its last, and finds the first that was changed, removed, reordered or inserted.
///
/// Each entry holds the hash of the one before, and the store keeps the last one's hash and their number beside them. So
/// whoever can write to the store can hide nothing but by computing the whole rest of the ledger anew, the head with it; and
/// nobody can who has no access to where marks were noted: every notification carries one. Against no mark, a ledger that was
/// cut short together with its head, or computed anew from some entry on, looks like a good one.
///
/// Costs one SHA-256 an entry, and up to 4,000 more for a finding.
public struct LedgerVerifier: Sendable {
  private let marks: [UInt64: LedgerHash]
  private let lastMark: UInt64
  /// The last entry that is found good, and the one before.
  private var good = LedgerMark.start
  private var beforeGood: LedgerMark?
  /// The entry that waits for the next one, which helps to say what is wrong with it.
  private var pending: LedgerEntry?

  /// - Parameter marks: entries that were noted elsewhere.
  public init(marks: [LedgerMark] = []) {
    self.marks = Dictionary(marks.map { ($0.sequence, $0.hash) }, uniquingKeysWith: { first, _ in first })
    lastMark = marks.map(\.sequence).max() ?? 0
  }

  /// The entries in the order in which they stand.
  ///
  /// - Parameter head: what the store keeps beside them, if it is known.
  public static func verify(
    _ entries: some Sequence<LedgerEntry>, head: LedgerMark? = nil, marks: [LedgerMark] = []
  ) -> LedgerFinding? {
    var verifier = LedgerVerifier(marks: marks)
    for entry in entries {
      if let finding = verifier.check(entry) { return finding }
    }
    return verifier.finish(head: head)
  }

  /// The next entry as it stands there.
  public mutating func check(_ entry: LedgerEntry) -> LedgerFinding? {
    defer { pending = entry }
    return pending.flatMap { judge($0, next: entry) }
  }

  /// There are no more.
  public mutating func finish(head: LedgerMark?) -> LedgerFinding? {
    if let last = pending.take(), let finding = judge(last, next: nil) { return finding }
    if let head {
      if head.sequence > good.sequence {
        return removedAtTheEnd(head.sequence, "the store has counted \(head.sequence)")
      }
      if head.sequence < good.sequence {
        let extra = head.sequence + 1
        return LedgerFinding(
          .inserted, extra, "entry \(extra) was inserted at the end: the store has counted \(head.sequence)")
      }
      if head.hash != good.hash { return rewritten(good.sequence, "the hash that the store keeps is another") }
    }
    return lastMark > good.sequence ? removedAtTheEnd(lastMark, "entry \(lastMark) was noted elsewhere") : nil
  }

  // MARK: One entry

  private mutating func judge(_ entry: LedgerEntry, next: LedgerEntry?) -> LedgerFinding? {
    let place = good.sequence + 1
    if entry.sequence != place { return misplaced(entry, place, next) }
    if !entry.isConsistent { return inconsistent(entry, next) }
    if entry.previousHash != good.hash {
      guard let beforeGood else {
        return LedgerFinding(.removed, place, "what stood before entry \(place) was removed")
      }
      return entry.previousHash == beforeGood.hash
        ? LedgerFinding(
          .inserted, good.sequence, "entry \(good.sequence) was inserted: entry \(place) follows the one before it")
        : rewritten(good.sequence, "entry \(place) does not follow it")
    }
    if let mark = marks[place], mark != entry.hash {
      return rewritten(place, "it, or an entry before it: elsewhere another hash was noted for it")
    }
    (beforeGood, good) = (good, entry.mark)
    return nil
  }

  private func misplaced(_ entry: LedgerEntry, _ place: UInt64, _ next: LedgerEntry?) -> LedgerFinding {
    if entry.sequence < place {
      return LedgerFinding(.inserted, entry.sequence, "entry \(entry.sequence) is there twice: one was inserted")
    }
    if let next, (place..<entry.sequence).contains(next.sequence) {
      return LedgerFinding(.reordered, entry.sequence, "entry \(entry.sequence) stands before entry \(next.sequence)")
    }
    return removed(place, entry.sequence - 1, "")
  }

  /// The hash is not that of what the entry says.
  private func inconsistent(_ entry: LedgerEntry, _ next: LedgerEntry?) -> LedgerFinding {
    guard let original = entry.originalSequence else {
      return LedgerFinding(
        .changed, entry.sequence, "entry \(entry.sequence) was changed: its hash is not that of what it says")
    }
    if original < entry.sequence {
      return LedgerFinding(
        .inserted, original,
        "entry \(original) was inserted: what was entry \(original) stands as entry \(entry.sequence)")
    }
    if next?.originalSequence == entry.sequence {
      return LedgerFinding(
        .reordered, entry.sequence, "what was entry \(original) stands as entry \(entry.sequence)")
    }
    return removed(
      entry.sequence, original - 1, ": what was entry \(original) stands as entry \(entry.sequence)")
  }

  private func rewritten(_ sequence: UInt64, _ reason: String) -> LedgerFinding {
    LedgerFinding(.changed, sequence, "entry \(sequence) was changed together with its hash: \(reason)")
  }

  private func removed(_ first: UInt64, _ last: UInt64, _ reason: String) -> LedgerFinding {
    let message =
      first == last ? "entry \(first) was removed\(reason)" : "entries \(first) to \(last) were removed\(reason)"
    return LedgerFinding(.removed, first, message)
  }

  private func removedAtTheEnd(_ last: UInt64, _ reason: String) -> LedgerFinding {
    removed(good.sequence + 1, last, " from the end: \(reason)")
  }
}

extension LedgerEntry {
  /// Whether its hash is that of what it says.
  public var isConsistent: Bool {
    LedgerEncoding.hash(statement, sequence: sequence, previousHash: previousHash) == hash
  }

  /// The sequence that it was written with, if its hash is that of what it says with another one. It is searched for up to
  /// a thousand places away; what comes from farther counts as changed.
  fileprivate var originalSequence: UInt64? {
    let reach: UInt64 = 1_000
    let lowest = sequence > reach ? sequence - reach : 1
    return (lowest...sequence + reach).first { candidate in
      candidate != sequence
        && LedgerEncoding.hash(statement, sequence: candidate, previousHash: previousHash) == hash
    }
  }
}
