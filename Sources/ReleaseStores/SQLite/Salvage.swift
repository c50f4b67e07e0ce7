internal import GRDB
internal import StateStore

/// What can still be read of a damaged file: of each table the rows from its beginning to the damage, and of the ledger those
/// behind it, too. A record whose checksum is wrong is not kept, and neither is an entry whose hash is.
struct Salvage {
  private var head: ReleaseFile.Head?
  private var records: [ReleaseRecord] = []
  private var answers: [KeptAnswer] = []
  private var entries: [LedgerEntry] = []
  private var items: [OutboxItem] = []

  /// - Parameter path: where the file is now.
  init(of path: String) {
    guard let queue = try? DatabaseFile.openDamaged(path) else { return }
    defer { try? queue.close() }
    head = try? queue.read { try ReleaseFile.Head($0) }
    records = Self.rows(queue, Records.all, Records.record).filter(\.isSound).map(\.0)
    answers = Self.rows(queue, Answers.all, Answers.answer)
    entries = Self.rows(queue, Entries.all + " ORDER BY sequence", Entries.entry)
    let last = entries.last?.sequence ?? 0
    let behind = Self.rows(queue, Entries.all + " ORDER BY sequence DESC", Entries.entry).filter { $0.sequence > last }
    entries = (entries + behind.reversed()).filter(\.isConsistent)
    items = Self.rows(queue, Outbox.all, Outbox.item)
  }

  /// Rows until there are no more, or the next one cannot be read.
  private static func rows<Value>(_ queue: DatabaseQueue, _ sql: String, _ value: (Row) -> Value) -> [Value] {
    var values: [Value] = []
    try? queue.read { database in
      let rows = try Row.fetchCursor(database, sql: sql)
      while let row = try rows.next() { values.append(value(row)) }
    }
    return values
  }

  /// - Returns: for people, what was kept.
  func put(into file: inout DatabaseFile) throws -> String {
    let head = head ?? guessed
    try file.write { database in
      try head.write(to: database)
      for record in records { try Records.write(record, to: database) }
      for answer in answers { try Answers.insert(answer, into: database) }
      for entry in entries { try Entries.insert(entry, into: database) }
      for item in items { try Outbox.insert(item, as: item.sequence, into: database) }
    }
    return "what could be read of it was kept: \(records.count) releases, \(entries.count) of \(head.mark.sequence) "
      + "entries of the ledger, \(answers.count) answers, \(items.count) notifications"
  }

  /// Where what was counted is lost. A revision must not be used again.
  private var guessed: ReleaseFile.Head {
    ReleaseFile.Head(
      revision: (records.map(\.revision).max() ?? 0) + 1 << 32, mark: entries.last?.mark ?? .start)
  }
}
