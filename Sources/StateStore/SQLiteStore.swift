internal import Foundation
internal import GRDB
internal import Synchronization
public import TrafficModel

/// The admitted set in an SQLite file, `admitted.sqlite`, in a directory that is this process's alone.
///
/// Each `apply` is one transaction in write-ahead mode with `synchronous=NORMAL`: a killed process loses nothing, and a
/// machine that loses power may lose the last changes, never the file's soundness. That is enough, because the manifests
/// remain the truth: the store answers only for documents that are broken at a restart. It spares a sync of the disk for
/// every change.
///
/// A file that is damaged, or of a newer schema, is moved aside under another name and reported; the store begins anew. A
/// file that is deleted or replaced while it is in use shows with the next `apply`.
///
/// Safe from any thread; calls wait for one another.
public final class SQLiteStore: AdmittedStore {
  private struct Opened {
    var lock: DirectoryLock
    var file: StateFile
    var problems: [Problem]
  }

  private let directory: String
  private let path: String
  private let opened: Mutex<Opened>

  /// Opens the store of a directory, and makes both if they are not there.
  ///
  /// - Throws: `StoreError`, with `inUse` if another process has it.
  public init(directory: String) throws {
    self.directory = directory
    path = "\(directory)/admitted.sqlite"
    let lock = try DirectoryLock(directory: directory)
    let (file, problems) = try StateFile.open(path)
    opened = Mutex(Opened(lock: lock, file: file, problems: problems))
  }

  public func load(
    decode: (_ text: String, _ location: SourceLocation) -> TrafficObject?
  ) throws -> StoredObjects {
    let (kept, classes, problems) = try opened.withLock { opened in
      do {
        let (kept, classes) = try opened.file.read()
        return (kept, classes, opened.problems)
      } catch {
        throw DatabaseFile.explain(error, path)
      }
    }
    var found = StoredObjects(classes: classes, problems: problems)
    for row in kept {
      if let object = decode(row.text, row.location), object.key.description == row.key {
        found.objects.append(
          AdmittedObject(
            object: object, location: row.location, text: row.text, otherOrigins: row.otherOrigins))
      } else {
        found.problems.append(
          Problem(
            .warning, at: SourceLocation(file: path),
            "the kept \(row.key) (\(row.location.file)) cannot be read any longer, and is left out"))
      }
    }
    return found
  }

  public func apply(_ change: StoreChange) throws {
    guard !change.isEmpty else { return }
    try opened.withLock { opened in
      guard opened.lock.isCurrent, opened.file.isCurrent else {
        throw StoreError(.lost, "the state file \(path) was deleted or replaced while it was in use")
      }
      do {
        try opened.file.write(change)
      } catch {
        throw DatabaseFile.explain(error, path)
      }
    }
  }

  public func beginAnew(_ everything: StoreChange) throws {
    try opened.withLock { opened in
      if !opened.lock.isCurrent { opened.lock = try DirectoryLock(directory: directory) }
      do {
        try opened.file.replace(with: everything)
      } catch {
        throw DatabaseFile.explain(error, path)
      }
    }
  }
}
