internal import Foundation
internal import GRDB
public import TrafficModel

/// The admitted set in an SQLite file, `admitted.sqlite`, in a directory that is this process's alone.
///
/// Each `apply` is one transaction in write-ahead mode with `synchronous=NORMAL`: a killed process loses nothing, and a
/// machine that loses power may lose the last changes, never the file's soundness. That is enough, because the manifests
/// remain the truth: the store answers only for documents that are broken at a restart. It spares a sync of the disk for
/// every change.
///
/// A file that is damaged, or of another schema, is moved aside under another name and reported; the store begins anew.
///
/// Safe from any thread; calls wait for one another.
public final class SQLiteStore: AdmittedStore {
  /// The version of the tables, in the file's `user_version`.
  private static let schemaVersion = 1
  /// How long a call waits for another process that has the file locked, in seconds.
  private static let busyTimeout = 0.1

  private let path: String
  private let lock: DirectoryLock
  private let queue: DatabaseQueue
  private let openingProblems: [Problem]

  /// Opens the store of a directory, and makes both if they are not there.
  ///
  /// - Throws: `StoreError`, with `inUse` if another process has it.
  public init(directory: String) throws {
    lock = try DirectoryLock(directory: directory)
    path = "\(directory)/admitted.sqlite"
    var problems: [Problem] = []
    do {
      queue = try Self.open(path)
    } catch let error as Unreadable {
      let aside = try Self.moveAside(path)
      problems.append(
        Problem(
          .warning, at: SourceLocation(file: path),
          "\(error.reason); it was moved to \(aside), and objects are admitted from the manifests alone"))
      do {
        queue = try Self.open(path)
      } catch {
        throw Self.explain(error, path)
      }
    } catch {
      throw Self.explain(error, path)
    }
    openingProblems = problems
  }

  public func load(
    decode: (_ text: String, _ location: SourceLocation) -> TrafficObject?
  ) throws -> StoredObjects {
    struct Kept {
      var key: String
      var location: SourceLocation
      var text: String
    }
    let rows: [Kept]
    do {
      rows = try queue.read { database in
        var rows: [Kept] = []
        let cursor = try Row.fetchCursor(
          database,
          sql: "SELECT kind, namespace, name, origin, position, line, text FROM admitted ORDER BY kind, namespace, name"
        )
        while let row = try cursor.next() {
          let id = NamespacedName(namespace: row[1], name: row[2])
          rows.append(
            Kept(
              key: "\(row[0] as String) \(id)",
              location: SourceLocation(file: row[3], position: row[4], line: row[5]), text: row[6]))
        }
        return rows
      }
    } catch {
      throw Self.explain(error, path)
    }
    var found = StoredObjects(problems: openingProblems)
    for row in rows {
      if let object = decode(row.text, row.location), object.key.description == row.key {
        found.objects.append(AdmittedObject(object: object, location: row.location, text: row.text))
      } else {
        found.problems.append(
          Problem(
            .warning, at: SourceLocation(file: path),
            "the kept \(row.key) (\(row.location.file)) cannot be read any longer, and is left out"))
      }
    }
    return found
  }

  public func apply(stored: [AdmittedObject], deleted: [ObjectKey]) throws {
    guard !stored.isEmpty || !deleted.isEmpty else { return }
    do {
      try queue.write { database in
        let insert = try database.cachedStatement(
          sql: """
            INSERT INTO admitted (kind, namespace, name, origin, position, line, text) VALUES (?, ?, ?, ?, ?, ?, ?)
            ON CONFLICT (kind, namespace, name) DO UPDATE SET
              origin = excluded.origin, position = excluded.position, line = excluded.line, text = excluded.text
            """)
        for object in stored {
          try insert.execute(arguments: [
            object.key.kind.rawValue, object.key.id.namespace, object.key.id.name, object.location.file,
            object.location.position, object.location.line, object.text,
          ])
        }
        let delete = try database.cachedStatement(
          sql: "DELETE FROM admitted WHERE kind = ? AND namespace = ? AND name = ?")
        for key in deleted {
          try delete.execute(arguments: [key.kind.rawValue, key.id.namespace, key.id.name])
        }
      }
    } catch {
      throw Self.explain(error, path)
    }
  }

  // MARK: Opening

  /// A file that is there and is no store of ours.
  private struct Unreadable: Error {
    var reason: String
  }

  private static func open(_ path: String) throws -> DatabaseQueue {
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
        _ = try String.fetchOne(database, sql: "PRAGMA journal_mode = WAL")
        let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        let tables = try Int.fetchOne(database, sql: "SELECT count(*) FROM sqlite_master") ?? 0
        guard version == schemaVersion || tables == 0 else {
          throw Unreadable(reason: "the state file has schema \(version), and not \(schemaVersion)")
        }
        if let finding = try String.fetchOne(database, sql: "PRAGMA quick_check(1)"), finding != "ok" {
          throw Unreadable(reason: "the state file is damaged (\(finding))")
        }
        try database.inTransaction {
          try database.execute(
            sql: """
              CREATE TABLE IF NOT EXISTS admitted (
                kind TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL,
                origin TEXT NOT NULL, position INTEGER NOT NULL, line INTEGER NOT NULL, text TEXT NOT NULL,
                PRIMARY KEY (kind, namespace, name)
              )
              """)
          try database.execute(sql: "PRAGMA user_version = \(schemaVersion)")
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

  private static func explain(_ error: any Error, _ path: String) -> StoreError {
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
