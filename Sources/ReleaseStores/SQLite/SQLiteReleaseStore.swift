internal import Dispatch
internal import StateStore
internal import Synchronization

/// Releases in an SQLite file, `releases.sqlite`, in a directory that is this process's alone.
///
/// Each `commit` is one transaction in write-ahead mode with `synchronous=FULL`: when it returns, the change is on the disk,
/// and outlives a kill and a loss of power. It costs one sync of the disk. A transaction that was cut off is not there at all
/// at the next start.
///
/// - A damaged file is moved aside and reported by `load`. What can still be read of it is kept: records whose checksum is
///   right, and entries, so that a damaged page does not take a release off its weight; the ledger then shows the gap. A
///   file of a newer schema is moved aside, and nothing is taken from it.
/// - A full disk fails the commit with `diskFull`, and changes nothing. The same commit works once there is space. One that may use
///   the reserve (`releases.reserve`, 1 MiB) works at once: the reserve is let go for it, and taken again when there is space.
/// - A second process is refused with `inUse`. The lock is the kernel's, and goes with its process.
/// - A file that is deleted or replaced while it is in use is given its name again before the next commit, with all that is in
///   it; what has taken its place is moved aside. `load` tells.
///
/// Safe from any thread; calls wait for one another, on a thread of their own.
public final class SQLiteReleaseStore: ReleaseStore {
  private struct Opened {
    var lock: DirectoryLock
    var file: ReleaseFile
    var reserve: SpaceReserve
    var problems: [String]

    /// One transaction; with the reserve's space if there is no other and it may have it.
    mutating func commit(_ commit: ReleaseCommit, _ path: String) throws -> CommitOutcome {
      do {
        let outcome = try file.commit(commit)
        reserve.fill()
        return outcome
      } catch {
        guard commit.mayUseReserve, DatabaseFile.explain(error, path).code == .diskFull, reserve.letGo() else {
          throw error
        }
        return try file.commit(commit)
      }
    }
  }

  private static let lockName = "releases.lock"
  private let directory: String
  private let path: String
  /// Nil once it is closed.
  private let opened: Mutex<Opened?>
  /// Waits for the disk, so that no thread of Swift's pool does.
  private let queue = DispatchQueue(label: "weir.releases")

  /// Opens the store of a directory, and makes both if they are not there. Waits for the disk.
  ///
  /// - Throws: `ReleaseStoreError`, with `inUse` if another process has it.
  public convenience init(directory: String) throws { try self.init(directory: directory, reserve: 1 << 20) }

  /// - Parameter reserve: in bytes.
  init(directory: String, reserve: Int) throws {
    let path = "\(directory)/releases.sqlite"
    (self.directory, self.path) = (directory, path)
    opened = try Self.explained(path) {
      let lock = try DirectoryLock(directory: directory, file: Self.lockName)
      let (file, problems) = try ReleaseFile.open(path)
      return Mutex<Opened?>(
        Opened(
          lock: lock, file: file, reserve: SpaceReserve(path: "\(directory)/releases.reserve", size: reserve),
          problems: problems))
    }
  }

  public func load() async throws -> StoredReleases {
    try await onQueue { opened in
      var found = try opened.file.load()
      found.problems = opened.problems + found.problems
      return found
    }
  }

  public func commit(_ commit: ReleaseCommit) async throws -> CommitOutcome {
    let (directory, path) = (directory, path)
    return try await onQueue { opened in
      if !opened.lock.isCurrent { opened.lock = try DirectoryLock(directory: directory, file: Self.lockName) }
      if !opened.file.isCurrent {
        try opened.file.restore()
        opened.problems.append(
          "\(path) was deleted or replaced while it was in use; it is there again, with all that was in it")
      }
      return try opened.commit(commit, path)
    }
  }

  /// Lets others have the directory. Whatever is asked afterwards fails.
  public func close() async {
    await withCheckedContinuation { continuation in
      queue.async {
        self.opened.withLock { $0 = nil }
        continuation.resume()
      }
    }
  }

  public func answer(to request: IdempotentRequest) async throws -> [UInt8]? {
    try await onQueue { try $0.file.answer(to: request) }
  }

  public func ledger(after sequence: UInt64, limit: Int, of release: String?) async throws -> [LedgerEntry] {
    try await onQueue { try $0.file.ledger(after: sequence, limit: limit, of: release) }
  }

  public func ledgerHead() async throws -> LedgerMark { try await onQueue { try $0.file.head() } }

  public func outbox(of webhook: String, limit: Int) async throws -> [OutboxItem] {
    try await onQueue { try $0.file.outbox(of: webhook, limit: limit) }
  }

  private func onQueue<Value: Sendable>(
    _ body: @escaping @Sendable (inout Opened) throws -> Value
  ) async throws -> Value {
    try await withCheckedThrowingContinuation { continuation in
      queue.async {
        continuation.resume(with: Result { try self.opened.withLock { try self.use(&$0, body) } })
      }
    }
  }

  private func use<Value>(_ opened: inout Opened?, _ body: (inout Opened) throws -> Value) throws -> Value {
    guard var current = opened.take() else { throw ReleaseStoreError(.failed, "the state file \(path) is closed") }
    defer { opened = current }
    return try Self.explained(path) { try body(&current) }
  }

  /// Errors of the file as this store's.
  private static func explained<Value: ~Copyable>(_ path: String, _ body: () throws -> Value) throws -> Value {
    do {
      return try body()
    } catch let error as ReleaseStoreError {
      throw error
    } catch {
      let known = DatabaseFile.explain(error, path)
      let code: ReleaseStoreError.Code =
        switch known.code {
        case .directoryUnusable: .directoryUnusable
        case .inUse: .inUse
        case .diskFull: .diskFull
        case .corrupt: .corrupt
        case .lost: .lost
        case .failed: .failed
        }
      throw ReleaseStoreError(code, known.message, cause: known.cause)
    }
  }
}
