internal import Foundation
internal import GRDB

/// The rows of the ledger.
enum Entries {
  static func fetch(
    _ database: Database, _ condition: String, _ arguments: StatementArguments
  ) throws -> [LedgerEntry] {
    let columns =
      "sequence, release, host, actor, action, reason, from_weight, to_weight, generation, at, live_everywhere_at, "
      + "refers_to, outcome, attributes, previous_hash, hash"
    let rows = try Row.fetchAll(database, sql: "SELECT \(columns) FROM ledger \(condition)", arguments: arguments)
    return rows.map(entry)
  }

  /// Total: whatever somebody has written there becomes an entry, and the hash says that it is none.
  private static func entry(_ row: Row) -> LedgerEntry {
    func number(_ column: Int) -> UInt64? { (row[column] as Int64?).map(UInt64.init(stored:)) }
    func hash(_ column: Int) -> LedgerHash { LedgerHash([UInt8](blob: row[column])) ?? .none }
    let attributes = try? JSONDecoder().decode([String: String].self, from: row[13] as Data)
    let statement = LedgerStatement(
      release: row[1], host: row[2], actor: row[3], action: row[4], reason: row[5],
      fromWeight: number(6).map(UInt32.init(truncatingIfNeeded:)),
      toWeight: number(7).map(UInt32.init(truncatingIfNeeded:)), generation: number(8),
      at: Timestamp(millisecondsSince1970: row[9]),
      liveEverywhereAt: (row[10] as Int64?).map(Timestamp.init(millisecondsSince1970:)), refersTo: number(11),
      outcome: row[12], attributes: attributes ?? [:])
    return LedgerEntry(
      sequence: number(0) ?? 0, statement: statement, previousHash: hash(14), hash: hash(15))
  }

  static func insert(_ entry: LedgerEntry, into database: Database) throws {
    let statement = entry.statement
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    try database.cachedStatement(
      sql: "INSERT INTO ledger VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
    ).execute(arguments: [
      Int64(bitPattern: entry.sequence), statement.release, statement.host, statement.actor, statement.action,
      statement.reason, statement.fromWeight, statement.toWeight, statement.generation.map { Int64(bitPattern: $0) },
      statement.at.millisecondsSince1970, statement.liveEverywhereAt?.millisecondsSince1970,
      statement.refersTo.map { Int64(bitPattern: $0) }, statement.outcome,
      try encoder.encode(statement.attributes), entry.previousHash.bytes.blob, entry.hash.bytes.blob,
    ])
  }
}

/// The rows of the outbox.
enum Outbox {
  static func fetch(_ database: Database, _ webhook: String, _ limit: Int) throws -> [OutboxItem] {
    try Row.fetchAll(
      database,
      sql: """
        SELECT sequence, webhook, body, at, entry, entry_hash, attempts, not_before, reason
        FROM outbox WHERE webhook = ? ORDER BY sequence LIMIT ?
        """, arguments: [webhook, limit]
    ).map { row in
      let hash = (row[5] as Data?).flatMap { LedgerHash([UInt8]($0)) }
      let sequence = (row[4] as Int64?).map(UInt64.init(stored:))
      return OutboxItem(
        sequence: UInt64(stored: row[0]), webhook: row[1], body: [UInt8](blob: row[2]),
        at: Timestamp(millisecondsSince1970: row[3]),
        entry: sequence.flatMap { sequence in hash.map { LedgerMark(sequence: sequence, hash: $0) } }, attempts: row[6],
        notBefore: (row[7] as Int64?).map(Timestamp.init(millisecondsSince1970:)), reason: row[8])
    }
  }

  static func insert(_ draft: OutboxDraft, _ entries: [LedgerEntry], into database: Database) throws -> OutboxItem {
    var item = OutboxItem(draft, sequence: 0, entries: entries)
    try database.execute(
      sql: "INSERT INTO outbox (webhook, body, at, entry, entry_hash) VALUES (?, ?, ?, ?, ?)",
      arguments: [
        item.webhook, item.body.blob, item.at.millisecondsSince1970,
        item.entry.map { Int64(bitPattern: $0.sequence) }, item.entry?.hash.bytes.blob,
      ])
    item.sequence = UInt64(stored: database.lastInsertedRowID)
    return item
  }

  static func delete(_ sequence: UInt64, from database: Database) throws {
    try database.execute(sql: "DELETE FROM outbox WHERE sequence = ?", arguments: [Int64(bitPattern: sequence)])
  }

  static func apply(_ postponement: OutboxPostponement, to database: Database) throws {
    try database.execute(
      sql: "UPDATE outbox SET attempts = ?, not_before = ?, reason = ? WHERE sequence = ?",
      arguments: [
        postponement.attempts, postponement.notBefore.millisecondsSince1970, postponement.reason,
        Int64(bitPattern: postponement.sequence),
      ])
  }
}

extension [UInt8] {
  var blob: Data { Data(self) }
  init(blob: Data) { self.init(blob) }
}

extension UInt64 {
  /// SQLite's integers have a sign.
  init(stored: Int64) { self.init(bitPattern: stored) }
}
