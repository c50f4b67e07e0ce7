internal import GRDB
internal import StateStore

/// The SQLite file of a release store: its tables, and what is in them.
struct ReleaseFile: Sendable {
  private var file: DatabaseFile

  var isCurrent: Bool { file.isCurrent }

  /// - Returns: with the file, what is to be said of it.
  static func open(_ path: String) throws -> (ReleaseFile, [String]) {
    let (file, damage) = try DatabaseFile.open(path, form)
    var opened = ReleaseFile(file: file)
    guard let damage else { return (opened, []) }
    let saved = damage.isOfThisForm ? try Salvage(of: damage.movedTo).put(into: &opened.file) : nil
    let rest = saved ?? "there are no releases and no history of before"
    return (opened, ["\(path): \(damage.reason); it was moved to \(damage.movedTo), and \(rest)"])
  }

  /// Gives the file its name again, after somebody has taken it away.
  mutating func restore() throws { try file.restore() }

  /// Another process that holds the file locked (a backup) is waited for: what is asked for here is not in a hurry, and
  /// ought not to fail.
  private static let form = DatabaseFile.Form(
    version: 1, isDurable: true, busyTimeout: 2,
    create: { database in
      try database.execute(
        sql: """
          CREATE TABLE store (
            id INTEGER PRIMARY KEY CHECK (id = 1), revision INTEGER NOT NULL,
            entries INTEGER NOT NULL, hash BLOB NOT NULL
          ) STRICT;
          CREATE TABLE releases (
            id TEXT PRIMARY KEY NOT NULL, revision INTEGER NOT NULL, body BLOB NOT NULL, digest BLOB NOT NULL
          ) STRICT;
          CREATE TABLE answers (
            key TEXT PRIMARY KEY NOT NULL, requester TEXT NOT NULL, digest BLOB NOT NULL, result BLOB NOT NULL,
            at INTEGER NOT NULL
          ) STRICT;
          CREATE INDEX answers_by_time ON answers (at);
          CREATE TABLE ledger (
            sequence INTEGER PRIMARY KEY NOT NULL, release TEXT NOT NULL, host TEXT NOT NULL, actor TEXT NOT NULL,
            action TEXT NOT NULL, reason TEXT NOT NULL, from_weight INTEGER, to_weight INTEGER, generation INTEGER,
            at INTEGER NOT NULL, live_everywhere_at INTEGER, refers_to INTEGER, outcome TEXT NOT NULL,
            attributes BLOB NOT NULL, previous_hash BLOB NOT NULL, hash BLOB NOT NULL
          ) STRICT;
          CREATE INDEX ledger_by_release ON ledger (release, sequence);
          CREATE TABLE outbox (
            sequence INTEGER PRIMARY KEY AUTOINCREMENT NOT NULL, webhook TEXT NOT NULL, body BLOB NOT NULL,
            at INTEGER NOT NULL, entry INTEGER, entry_hash BLOB, attempts INTEGER NOT NULL DEFAULT 0,
            not_before INTEGER, reason TEXT NOT NULL DEFAULT ''
          ) STRICT;
          CREATE INDEX outbox_by_webhook ON outbox (webhook, sequence);
          """)
      try database.execute(
        sql: "INSERT INTO store VALUES (1, 0, 0, ?)", arguments: [LedgerMark.start.hash.bytes.blob])
    },
    upgrade: { _, _ in })

  // MARK: Reading

  func load() throws -> StoredReleases {
    try file.read { database in
      var found = StoredReleases(head: try Head(database).mark)
      let rows = try Row.fetchCursor(database, sql: Records.all)
      while let row = try rows.next() {
        let (record, isSound) = Records.record(row)
        if isSound {
          found.records.append(record)
        } else {
          found.unreadable.append(record)
          found.problems.append("\(file.path): \(record.id) was changed by somebody else, or damaged, and is left out")
        }
      }
      found.records.sort { $0.id < $1.id }
      for row in try Row.fetchAll(database, sql: "SELECT webhook, count(*) FROM outbox GROUP BY webhook") {
        found.waiting[row[0]] = row[1]
      }
      let last = try Entries.fetch(database, "ORDER BY sequence DESC LIMIT 1", []).first?.mark ?? .start
      if last != found.head {
        found.problems.append(
          "\(file.path): the ledger ends with entry \(last.sequence), and not as it was written: `weir release verify`")
      }
      return found
    }
  }

  func head() throws -> LedgerMark { try file.read { try Head($0).mark } }

  func answer(to request: IdempotentRequest) throws -> [UInt8]? {
    try file.read { try Self.answer(to: request, in: $0) }
  }

  func ledger(after sequence: UInt64, limit: Int, of release: String?) throws -> [LedgerEntry] {
    try file.read { database in
      let start = Int64(clamping: sequence)
      guard let release else {
        return try Entries.fetch(database, "WHERE sequence > ? ORDER BY sequence LIMIT ?", [start, limit])
      }
      return try Entries.fetch(
        database, "WHERE release = ? AND sequence > ? ORDER BY sequence LIMIT ?", [release, start, limit])
    }
  }

  func outbox(of webhook: String, limit: Int) throws -> [OutboxItem] {
    try file.read { try Outbox.fetch($0, webhook, limit) }
  }

  // MARK: Writing

  mutating func commit(_ commit: ReleaseCommit) throws -> CommitOutcome {
    try file.write { database in
      var head = try Head(database)
      try commit.validate(head: head.mark)
      if let answer = commit.answer, let earlier = try Self.answer(to: answer.request, in: database) {
        return .repeated(earlier)
      }
      head.revision += 1
      for write in commit.writes { try Self.apply(write, head.revision, to: database) }
      let entries = LedgerEntry.chain(commit.statements, after: head.mark)
      for entry in entries { try Entries.insert(entry, into: database) }
      if let last = entries.last { head.mark = last.mark }
      try head.write(to: database)
      if let time = commit.forgetAnswersBefore {
        try database.execute(sql: "DELETE FROM answers WHERE at < ?", arguments: [time.millisecondsSince1970])
      }
      if let answer = commit.answer { try Answers.insert(answer, into: database) }
      let items = try commit.notifications.map { try Outbox.insert($0, entries, into: database) }
      for sequence in commit.delivered { try Outbox.delete(sequence, from: database) }
      for postponement in commit.postponed { try Outbox.apply(postponement, to: database) }
      return .committed(CommitReceipt(revision: head.revision, entries: entries, notifications: items))
    }
  }

  private static func apply(_ write: ReleaseWrite, _ revision: UInt64, to database: Database) throws {
    let found = try Int64.fetchOne(database, sql: "SELECT revision FROM releases WHERE id = ?", arguments: [write.id])
      .map(UInt64.init(stored:))
    guard found == write.expected else { throw ReleaseStoreError.stale(write, found: found) }
    switch write {
    case .create(let id, let body), .update(let id, _, let body):
      try Records.write(ReleaseRecord(id: id, revision: revision, body: body), to: database)
    case .delete(let id, _):
      try database.execute(sql: "DELETE FROM releases WHERE id = ?", arguments: [id])
    case .require: break
    }
  }

  private static func answer(to request: IdempotentRequest, in database: Database) throws -> [UInt8]? {
    guard let kept = try Answers.fetch(database, request.key) else { return nil }
    try request.check(kept: kept.request.requester, kept.request.digest)
    return kept.result
  }
}

extension ReleaseFile {
  /// The one row of what the store counts.
  struct Head {
    var revision: UInt64
    var mark: LedgerMark

    init(revision: UInt64, mark: LedgerMark) {
      self.revision = revision
      self.mark = mark
    }

    init(_ database: Database) throws {
      guard let row = try Row.fetchOne(database, sql: "SELECT revision, entries, hash FROM store"),
        let hash = LedgerHash([UInt8](blob: row[2]))
      else { throw DatabaseError(resultCode: .SQLITE_CORRUPT, message: "the count of revisions is gone") }
      revision = UInt64(stored: row[0])
      mark = LedgerMark(sequence: UInt64(stored: row[1]), hash: hash)
    }

    func write(to database: Database) throws {
      try database.execute(
        sql: "UPDATE store SET revision = ?, entries = ?, hash = ?",
        arguments: [Int64(bitPattern: revision), Int64(bitPattern: mark.sequence), mark.hash.bytes.blob])
    }
  }
}
