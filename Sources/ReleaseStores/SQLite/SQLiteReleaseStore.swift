internal import Dispatch
internal import StateStore
internal import Synchronization

/// Releases in an SQLite file, `releases.sqlite`, in a directory that is this process's alone.
///
/// Each `commit` is one transaction in write-ahead mode with `synchronous=FULL`: when it returns, the change is on the disk,
/// and outlives a kill and a loss of power. It costs one sync of the disk. A transaction that was cut off is not there at all
/// at the next start.
///
/// - A damaged file, or one of a newer schema, is moved aside and reported by `load`, with what could be saved out of it and
///   what is lost.
/// - A full disk fails the commit with `diskFull`, and changes nothing. The same commit works once there is space.
/// - A second process is refused with `inUse`. The lock is the kernel's, and goes with its process.
/// - A file that is deleted or replaced while it is in use shows with the next commit, as `lost`; it changes nothing.
///
/// Safe from any thread; calls wait for one another, on a thread of their own.
public final class SQLiteReleaseStore: ReleaseStore {
  private struct Opened {
    var lock: DirectoryLock
    var file: ReleaseFile
    var problems: [String]
  }

  private let path: String
  private let opened: Mutex<Opened>
  /// Waits for the disk, so that no thread of Swift's pool does.
  private let queue = DispatchQueue(label: "weir.releases")

  /// Opens the store of a directory, and makes both if they are not there. Waits for the disk.
  ///
  /// - Throws: `ReleaseStoreError`, with `inUse` if another process has it.
  public init(directory: String) throws {
    let path = "\(directory)/releases.sqlite"
    self.path = path
    opened = try Self.explained(path) {
      let lock = try DirectoryLock(directory: directory, file: "releases.lock")
      let (file, problems) = try ReleaseFile.open(path)
      return Mutex(Opened(lock: lock, file: file, problems: problems))
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
    let path = path
    return try await onQueue { opened in
      guard opened.lock.isCurrent, opened.file.isCurrent else {
        throw ReleaseStoreError(.lost, "the state file \(path) was deleted or replaced while it was in use")
      }
      return try opened.file.commit(commit)
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
        continuation.resume(
          with: Result { try Self.explained(self.path) { try self.opened.withLock { try body(&$0) } } })
      }
    }
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
