internal import Foundation
package import GRDB

/// An SQLite file in write-ahead mode: made whole or not at all, looked at when it is opened, moved aside if it is damaged,
/// and asked before each use whether it is still the one that the next start will find.
package struct DatabaseFile: Sendable {
  /// What the file of one kind of store has in it.
  package struct Form: Sendable {
    /// The version of the tables, in the file's `user_version`; from 1.
    package var version: Int
    /// Whether a change is on the disk when `write` returns, and so outlives a loss of power (`synchronous=FULL`). Without
    /// it outlives a killed process, and the file stays sound.
    package var isDurable: Bool
    /// How long a call waits for another process that has the file locked, in seconds.
    package var busyTimeout: Double
    /// Makes the tables in an empty file.
    package var create: @Sendable (Database) throws -> Void
    /// Makes the tables of an older version those of this one, in a transaction.
    package var upgrade: @Sendable (_ database: Database, _ version: Int) throws -> Void

    package init(
      version: Int, isDurable: Bool, busyTimeout: Double, create: @escaping @Sendable (Database) throws -> Void,
      upgrade: @escaping @Sendable (_ database: Database, _ version: Int) throws -> Void
    ) {
      self.version = version
      self.isDurable = isDurable
      self.busyTimeout = busyTimeout
      self.create = create
      self.upgrade = upgrade
    }
  }

  /// A file that could not be used, and where it is now.
  package struct Damage: Sendable {
    package var reason: String
    package var movedTo: String
    /// Whether it is of this form as far as it can be told, so that a part of it may still be readable.
    package var isOfThisForm: Bool
  }

  /// A file that is there and is no store of ours.
  private struct Unreadable: Error {
    var reason: String
    var isOfThisForm = false
  }

  package let path: String
  private let form: Form
  private var queue: DatabaseQueue
  private var identity: FileIdentity?
  /// Of the write-ahead log, from the first change on: it stays until the file is closed.
  private var logIdentity: FileIdentity?

  private init(_ path: String, _ form: Form) throws {
    self.path = path
    self.form = form
    if FileIdentity(ofFileAt: path) == nil { try Self.create(path, form) }
    queue = try Self.openQueue(path, form)
    identity = FileIdentity(ofFileAt: path)
  }

  private var log: String { path + "-wal" }

  /// Whether the open file is the one that the next start will find.
  package var isCurrent: Bool {
    guard let identity, FileIdentity(ofFileAt: path) == identity else { return false }
    return logIdentity == nil || FileIdentity(ofFileAt: log) == logIdentity
  }

  package func read<Value>(_ body: (Database) throws -> Value) throws -> Value { try queue.read(body) }

  /// One transaction.
  package mutating func write<Value>(_ body: (Database) throws -> Value) throws -> Value {
    let value = try queue.write(body)
    if logIdentity == nil { logIdentity = FileIdentity(ofFileAt: log) }
    return value
  }

  // MARK: Opening

  /// Opens the file of a name, and makes it if it is not there. What is there and cannot be used is moved aside.
  ///
  /// - Throws: `StoreError`.
  package static func open(_ path: String, _ form: Form) throws -> (DatabaseFile, Damage?) {
    do {
      do {
        return (try DatabaseFile(path, form), nil)
      } catch let error as Unreadable {
        let damage = Damage(
          reason: error.reason, movedTo: try moveAside(path), isOfThisForm: error.isOfThisForm)
        return (try DatabaseFile(path, form), damage)
      }
    } catch {
      throw explain(error, path)
    }
  }

  /// A new file with what `fill` puts into it, and nothing else. What is there under its name is moved aside.
  package mutating func replace(_ fill: (Database) throws -> Void) throws {
    // First, for SQLite deletes the log of a name when it closes it.
    try? queue.close()
    if FileIdentity(ofFileAt: path) != nil { _ = try Self.moveAside(path) }
    var file = try DatabaseFile(path, form)
    try file.write(fill)
    self = file
  }

  /// Gives the open file, which has lost its name or its log, its name again. SQLite still has all of it. What is there under
  /// the name now is moved aside.
  package mutating func restore() throws {
    let new = path + ".new"
    try Self.removeLeftovers(of: path)
    let copy = try DatabaseQueue(path: new)
    try queue.backup(to: copy)
    try copy.close()
    try? queue.close()
    if FileIdentity(ofFileAt: path) != nil { _ = try Self.moveAside(path) }
    try Self.giveName(path, to: new, form)
    self = try DatabaseFile(path, form)
  }

  /// Made under another name, so that what is found under its own is whole: a process that is killed here leaves no file,
  /// and an empty file is one that has lost what it held.
  private static func create(_ path: String, _ form: Form) throws {
    let new = path + ".new"
    try removeLeftovers(of: path)
    let queue = try DatabaseQueue(path: new)
    try queue.write { database in
      try form.create(database)
      try database.execute(sql: "PRAGMA user_version = \(form.version)")
    }
    try queue.close()
    try giveName(path, to: new, form)
  }

  private static func removeLeftovers(of path: String) throws {
    let files = FileManager.default
    let new = path + ".new"
    for name in [new, new + "-wal", new + "-shm", new + "-journal"] where files.fileExists(atPath: name) {
      try files.removeItem(atPath: name)
    }
  }

  private static func giveName(_ path: String, to new: String, _ form: Form) throws {
    let files = FileManager.default
    // A log that another file left behind would be taken for this one's.
    for name in [path + "-wal", path + "-shm"] where files.fileExists(atPath: name) {
      try files.removeItem(atPath: name)
    }
    try files.moveItem(atPath: new, toPath: path)
    if form.isDurable { try DirectoryLock.sync(directory: (path as NSString).deletingLastPathComponent) }
  }

  private static func openQueue(_ path: String, _ form: Form) throws -> DatabaseQueue {
    var configuration = Configuration()
    configuration.label = (path as NSString).lastPathComponent
    configuration.busyMode = .timeout(form.busyTimeout)
    configuration.prepareDatabase { database in
      try database.execute(sql: "PRAGMA synchronous = \(form.isDurable ? "FULL" : "NORMAL")")
    }
    do {
      let queue = try DatabaseQueue(path: path, configuration: configuration)
      try queue.writeWithoutTransaction { database in
        let version = try Int.fetchOne(database, sql: "PRAGMA user_version") ?? 0
        guard version > 0 else { throw Unreadable(reason: "the state file is empty, or none of Weir's") }
        guard version <= form.version else {
          throw Unreadable(reason: "the state file has schema \(version), and not \(form.version)")
        }
        _ = try String.fetchOne(database, sql: "PRAGMA journal_mode = WAL")
        if let finding = try String.fetchOne(database, sql: "PRAGMA quick_check(1)"), finding != "ok" {
          throw Unreadable(reason: "the state file is damaged (\(finding))", isOfThisForm: version == form.version)
        }
        guard version < form.version else { return }
        try database.inTransaction {
          try form.upgrade(database, version)
          try database.execute(sql: "PRAGMA user_version = \(form.version)")
          return .commit
        }
      }
      return queue
    } catch let error as DatabaseError where isDamage(error) {
      throw Unreadable(
        reason: "the state file is damaged (\(error.message ?? "\(error.resultCode)"))",
        isOfThisForm: error.resultCode == .SQLITE_CORRUPT)
    }
  }

  private static func isDamage(_ error: DatabaseError) -> Bool {
    error.resultCode == .SQLITE_CORRUPT || error.resultCode == .SQLITE_NOTADB
  }

  /// Opens a file that was moved aside, as far as that goes, to read what can be read.
  package static func openDamaged(_ path: String) throws -> DatabaseQueue { try DatabaseQueue(path: path) }

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

  // MARK: Errors

  package static func explain(_ error: any Error, _ path: String) -> StoreError {
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
