internal import Foundation
internal import GRDB
internal import TrafficModel

/// The SQLite file of a store: its tables, what is in them, and whether it is still there.
struct StateFile: Sendable {
  /// The version of the tables, in the file's `user_version`. 1 had no classes, and 2 not what they take.
  static let schemaVersion = 3
  /// How long a call waits for another process that has the file locked, in seconds.
  private static let busyTimeout = 0.1

  private let path: String
  private var queue: DatabaseQueue
  private var identity: FileIdentity?
  /// Of the write-ahead log, from the first change on: it stays until the file is closed.
  private var logIdentity: FileIdentity?

  private init(_ path: String, _ queue: DatabaseQueue) {
    self.path = path
    self.queue = queue
    identity = FileIdentity(ofFileAt: path)
  }

  private var log: String { path + "-wal" }

  /// Whether the open file is the one that the next start will find.
  var isCurrent: Bool {
    guard let identity, FileIdentity(ofFileAt: path) == identity else { return false }
    return logIdentity == nil || FileIdentity(ofFileAt: log) == logIdentity
  }

  // MARK: Rows

  /// A kept object, not decoded.
  struct Kept: Sendable {
    /// As `ObjectKey` describes itself.
    var key: String
    var location: SourceLocation
    var text: String
  }

  func read() throws -> ([Kept], [StoredProxyClass]) {
    try queue.read { database in
      var rows: [Kept] = []
      let objects = try Row.fetchCursor(
        database,
        sql: "SELECT kind, namespace, name, origin, position, line, text FROM admitted ORDER BY kind, namespace, name")
      while let row = try objects.next() {
        let id = NamespacedName(namespace: row[1], name: row[2])
        rows.append(
          Kept(
            key: "\(row[0] as String) \(id)",
            location: SourceLocation(file: row[3], position: row[4], line: row[5]), text: row[6]))
      }
      let classes = try Row.fetchAll(database, sql: "SELECT kind, namespace, host, port, hosts, on_demand FROM classes")
        .map {
          StoredProxyClass(
            kind: $0[0], namespace: $0[1], listenHost: $0[2], listenPort: $0[3], takesVirtualHosts: $0[4],
            fetchesClusters: $0[5])
        }
      return (rows, classes.sorted())
    }
  }

  mutating func write(_ change: StoreChange) throws {
    try queue.write { try Self.write(change, to: $0) }
    if logIdentity == nil { logIdentity = FileIdentity(ofFileAt: log) }
  }

  private static func write(_ change: StoreChange, to database: Database) throws {
    let insert = try database.cachedStatement(
      sql: """
        INSERT INTO admitted (kind, namespace, name, origin, position, line, text) VALUES (?, ?, ?, ?, ?, ?, ?)
        ON CONFLICT (kind, namespace, name) DO UPDATE SET
          origin = excluded.origin, position = excluded.position, line = excluded.line, text = excluded.text
        """)
    for object in change.stored {
      try insert.execute(arguments: [
        object.key.kind.rawValue, object.key.id.namespace, object.key.id.name, object.location.file,
        object.location.position, object.location.line, object.text,
      ])
    }
    let delete = try database.cachedStatement(
      sql: "DELETE FROM admitted WHERE kind = ? AND namespace = ? AND name = ?")
    for key in change.deleted {
      try delete.execute(arguments: [key.kind.rawValue, key.id.namespace, key.id.name])
    }
    let arrive = try database.cachedStatement(
      sql: "INSERT OR IGNORE INTO classes (kind, namespace, host, port, hosts, on_demand) VALUES (?, ?, ?, ?, ?, ?)")
    for known in change.arrived { try arrive.execute(arguments: known.row) }
    let depart = try database.cachedStatement(
      sql:
        "DELETE FROM classes WHERE kind = ? AND namespace = ? AND host = ? AND port = ? AND hosts = ? AND on_demand = ?"
    )
    for known in change.departed { try depart.execute(arguments: known.row) }
  }

  // MARK: Opening

  /// A file that is there and is no store of ours.
  private struct Unreadable: Error {
    var reason: String
  }

  /// - Returns: with the file, what had to be moved aside.
  static func open(_ path: String) throws -> (StateFile, [Problem]) {
    do {
      do {
        return (try openOrCreate(path), [])
      } catch let error as Unreadable {
        let aside = try moveAside(path)
        let problem = Problem(
          .warning, at: SourceLocation(file: path),
          "\(error.reason); it was moved to \(aside), and objects are admitted from the manifests alone")
        return (try openOrCreate(path), [problem])
      }
    } catch {
      throw explain(error, path)
    }
  }

  /// A new file with this and nothing else. What is there under its name is moved aside.
  mutating func replace(with everything: StoreChange) throws {
    // First, for SQLite deletes the log of a name when it closes it.
    try? queue.close()
    if FileIdentity(ofFileAt: path) != nil { _ = try Self.moveAside(path) }
    var file = try Self.openOrCreate(path)
    try file.write(everything)
    self = file
  }

  private static func openOrCreate(_ path: String) throws -> StateFile {
    if FileIdentity(ofFileAt: path) == nil { try create(path) }
    return StateFile(path, try openQueue(path))
  }

  /// Made under another name, so that what is found under its own is whole: a process that is killed here leaves no file,
  /// and an empty file is one that has lost what it held.
  private static func create(_ path: String) throws {
    let new = path + ".new"
    let files = FileManager.default
    // A log that another file left behind would be taken for this one's.
    for name in [new, new + "-wal", new + "-shm", new + "-journal", path + "-wal", path + "-shm"]
    where files.fileExists(atPath: name) {
      try files.removeItem(atPath: name)
    }
    let queue = try DatabaseQueue(path: new)
    try queue.write { database in
      try database.execute(
        sql: """
          CREATE TABLE admitted (
            kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
            origin TEXT NOT NULL, position INTEGER NOT NULL, line INTEGER NOT NULL, text TEXT NOT NULL,
            PRIMARY KEY (kind, namespace, name)
          )
          """)
      try addClasses(to: database)
    }
    try queue.close()
    try files.moveItem(atPath: new, toPath: path)
  }

  private static func addClasses(to database: Database) throws {
    try database.execute(
      sql: """
        CREATE TABLE classes (
          kind TEXT NOT NULL, namespace TEXT NOT NULL, host TEXT NOT NULL, port INTEGER NOT NULL,
          hosts INTEGER NOT NULL, on_demand INTEGER NOT NULL,
          PRIMARY KEY (kind, namespace, host, port, hosts, on_demand)
        )
        """)
    try database.execute(sql: "PRAGMA user_version = \(schemaVersion)")
  }

  private static func openQueue(_ path: String) throws -> DatabaseQueue {
    var configuration = Configuration()
    configuration.label = "state"
    // Short, for whoever waits here holds up the traffic: another process that reads the file (a backup) makes a change
    // fail, and the caller keeps it for later.
    configuration.busyMode = .timeout(busyTimeout)
    configuration.prepareDatabase { database in
      try database.execute(sql: "PRAGMA synchronous = NORMAL")
    }
    do {
      let queue = try DatabaseQueue(path: path, configuration: configuration)
      try queue.writeWithoutTransaction { database in
        let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        guard version > 0 else { throw Unreadable(reason: "the state file is empty, or none of Weir's") }
        guard version <= schemaVersion else {
          throw Unreadable(reason: "the state file has schema \(version), and not \(schemaVersion)")
        }
        _ = try String.fetchOne(database, sql: "PRAGMA journal_mode = WAL")
        if let finding = try String.fetchOne(database, sql: "PRAGMA quick_check(1)"), finding != "ok" {
          throw Unreadable(reason: "the state file is damaged (\(finding))")
        }
        guard version < schemaVersion else { return }
        try database.inTransaction {
          if version == 2 { try database.execute(sql: "ALTER TABLE classes RENAME TO classes2") }
          try addClasses(to: database)
          if version == 2 {
            try database.execute(
              sql: """
                INSERT INTO classes SELECT kind, namespace, host, port, 0, 0 FROM classes2;
                DROP TABLE classes2
                """)
          }
          return .commit
        }
      }
      return queue
    } catch let error as DatabaseError where isDamage(error) {
      throw Unreadable(reason: "the state file is damaged (\(error.message ?? "\(error.resultCode)"))")
    }
  }

  private static func isDamage(_ error: DatabaseError) -> Bool {
    error.resultCode == .SQLITE_CORRUPT || error.resultCode == .SQLITE_NOTADB
  }

  /// - Returns: the new name.
  private static func moveAside(_ path: String) throws -> String {
    let files = FileManager.default
    var number = 1
    while files.fileExists(atPath: "\(path).damaged-\(number)") { number += 1 }
    let aside = "\(path).damaged-\(number)"
    do {
      try files.moveItem(atPath: path, toPath: aside)
      for suffix in ["-wal", "-shm"] where files.fileExists(atPath: path + suffix) {
        try files.moveItem(atPath: path + suffix, toPath: aside + suffix)
      }
    } catch {
      throw StoreError(.directoryUnusable, "the damaged state file \(path) cannot be moved aside", cause: error)
    }
    return aside
  }

  static func explain(_ error: any Error, _ path: String) -> StoreError {
    guard let error = error as? DatabaseError else {
      return error as? StoreError ?? StoreError(.failed, "the state file \(path) cannot be used", cause: error)
    }
    return switch error.resultCode {
    case .SQLITE_FULL: StoreError(.diskFull, "the state file \(path) cannot be written: the disk is full", cause: error)
    case .SQLITE_READONLY, .SQLITE_CANTOPEN, .SQLITE_PERM, .SQLITE_AUTH:
      StoreError(.directoryUnusable, "the state file \(path) cannot be written", cause: error)
    case .SQLITE_CORRUPT, .SQLITE_NOTADB: StoreError(.corrupt, "the state file \(path) is damaged", cause: error)
    case .SQLITE_BUSY, .SQLITE_LOCKED:
      StoreError(.inUse, "the state file \(path) is in use by another process", cause: error)
    default: StoreError(.failed, "the state file \(path) cannot be used", cause: error)
    }
  }
}

extension StoredProxyClass {
  fileprivate var row: StatementArguments {
    [kind, namespace, listenHost, listenPort, takesVirtualHosts, fetchesClusters]
  }
}
