internal import Crypto
internal import Foundation
internal import GRDB

/// The rows of the releases.
enum Records {
  static let all = "SELECT id, revision, body, digest FROM releases"

  /// - Returns: with the record, whether it is as it was written.
  static func record(_ row: Row) -> (ReleaseRecord, isSound: Bool) {
    let record = ReleaseRecord(id: row[0], revision: UInt64(stored: row[1]), body: [UInt8](blob: row[2]))
    return (record, digest(record) == [UInt8](blob: row[3]))
  }

  static func write(_ record: ReleaseRecord, to database: Database) throws {
    try database.execute(
      sql: "INSERT OR REPLACE INTO releases (id, revision, body, digest) VALUES (?, ?, ?, ?)",
      arguments: [record.id, Int64(bitPattern: record.revision), record.body.blob, digest(record).blob])
  }

  /// So that a damaged or edited record does not decide where traffic goes.
  private static func digest(_ record: ReleaseRecord) -> [UInt8] {
    var hash = SHA256()
    hash.update(data: Array("\(record.id.utf8.count) \(record.id) \(record.revision) ".utf8))
    hash.update(data: record.body)
    return Array(hash.finalize())
  }
}

/// The rows of the answers.
enum Answers {
  static let all = "SELECT key, requester, digest, result, at FROM answers"

  static func fetch(_ database: Database, _ key: String) throws -> KeptAnswer? {
    try Row.fetchOne(database, sql: all + " WHERE key = ?", arguments: [key]).map(answer)
  }

  static func answer(_ row: Row) -> KeptAnswer {
    let request = IdempotentRequest(key: row[0], requester: row[1], digest: [UInt8](blob: row[2]))
    return KeptAnswer(request: request, result: [UInt8](blob: row[3]), at: Timestamp(millisecondsSince1970: row[4]))
  }

  static func insert(_ answer: KeptAnswer, into database: Database) throws {
    try database.execute(
      sql: "INSERT INTO answers (key, requester, digest, result, at) VALUES (?, ?, ?, ?, ?)",
      arguments: [
        answer.request.key, answer.request.requester, answer.request.digest.blob, answer.result.blob,
        answer.at.millisecondsSince1970,
      ])
  }
}

/// The rows of the ledger.
enum Entries {
  static let all = """
    SELECT sequence, release, host, actor, action, reason, from_weight, to_weight, generation, at, live_everywhere_at,
      refers_to, outcome, attributes, previous_hash, hash FROM ledger
    """

  static func fetch(
    _ database: Database, _ condition: String, _ arguments: StatementArguments
  ) throws -> [LedgerEntry] {
    try Row.fetchAll(database, sql: "\(all) \(condition)", arguments: arguments).map(entry)
  }

  /// Whatever somebody has written there becomes an entry, and its hash says that it is none. (The tables are strict: each
  /// column has values of its type.)
  static func entry(_ row: Row) -> LedgerEntry {
    func number(_ column: Int) -> UInt64? { (row[column] as Int64?).map(UInt64.init(stored:)) }
    func hash(_ column: Int) -> LedgerHash { LedgerHash([UInt8](blob: row[column])) ?? .none }
    let attributes = try? JSONDecoder().decode([String: String].self, from: row[13] as Data)
    let statement = LedgerStatement(
      release: row[1], host: row[2], actor: row[3], action: row[4], reason: row[5],
      fromWeight: number(6).map(UInt32.init(clamping:)),
      toWeight: number(7).map(UInt32.init(clamping:)), generation: number(8),
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
      database, sql: all + " WHERE webhook = ? ORDER BY sequence LIMIT ?", arguments: [webhook, limit]
    ).map(item)
  }

  static let all =
    "SELECT sequence, webhook, body, at, entry, entry_hash, attempts, not_before, reason FROM outbox"

  static func item(_ row: Row) -> OutboxItem {
    let hash = (row[5] as Data?).flatMap { LedgerHash([UInt8]($0)) }
    let sequence = (row[4] as Int64?).map(UInt64.init(stored:))
    return OutboxItem(
      sequence: UInt64(stored: row[0]), webhook: row[1], body: [UInt8](blob: row[2]),
      at: Timestamp(millisecondsSince1970: row[3]),
      entry: sequence.flatMap { sequence in hash.map { LedgerMark(sequence: sequence, hash: $0) } }, attempts: row[6],
      notBefore: (row[7] as Int64?).map(Timestamp.init(millisecondsSince1970:)), reason: row[8])
  }

  static func insert(_ draft: OutboxDraft, _ entries: [LedgerEntry], into database: Database) throws -> OutboxItem {
    var item = OutboxItem(draft, sequence: 0, entries: entries)
    try insert(item, as: nil, into: database)
    item.sequence = UInt64(stored: database.lastInsertedRowID)
    return item
  }

  /// - Parameter sequence: the next one if nil.
  static func insert(_ item: OutboxItem, as sequence: UInt64?, into database: Database) throws {
    try database.execute(
      sql: """
        INSERT INTO outbox (sequence, webhook, body, at, entry, entry_hash, attempts, not_before, reason)
        VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
        """,
      arguments: [
        sequence.map { Int64(bitPattern: $0) }, item.webhook, item.body.blob, item.at.millisecondsSince1970,
        item.entry.map { Int64(bitPattern: $0.sequence) }, item.entry?.hash.bytes.blob, item.attempts,
        item.notBefore?.millisecondsSince1970, item.reason,
      ])
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
