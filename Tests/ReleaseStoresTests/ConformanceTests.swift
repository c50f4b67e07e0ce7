import Foundation
import ReleaseStoreConformance
import ReleaseStores
import Synchronization
import Testing

/// Every store is put through the same checks.
@Suite struct ConformanceTests {
  private struct Memory: ReleaseStoreConformance.Subject {
    func open() -> any ReleaseStore { MemoryReleaseStore() }
    func reopen() -> (any ReleaseStore)? { nil }
  }

  /// A process that ends leaves no time to close anything: what is opened again is a copy of the files as they are.
  private final class SQLite: ReleaseStoreConformance.Subject {
    let directories = Mutex([StoreDirectory()])

    func open() throws -> any ReleaseStore {
      try SQLiteReleaseStore(directory: directories.withLock { $0[$0.count - 1].path })
    }

    func reopen() throws -> (any ReleaseStore)? {
      try directories.withLock { $0.append(try $0[$0.count - 1].copy()) }
      return try open()
    }
  }

  @Test(arguments: ReleaseStoreConformance.checks)
  func inMemory(_ check: ReleaseStoreConformance.Check) async throws { try await check.run(on: Memory()) }

  @Test(arguments: ReleaseStoreConformance.checks)
  func inSQLite(_ check: ReleaseStoreConformance.Check) async throws { try await check.run(on: SQLite()) }

  @Test func aStoreThatLosesACommitDoesNotConform() async throws {
    let failed = await failures(of: Forgetful(losing: .records)) + failures(of: Forgetful(losing: .entries))
    #expect(failed.contains("what was committed is there, by id"))
    #expect(failed.contains("statements become a chain of entries"))
  }

  private func failures(of subject: Forgetful) async -> [String] {
    var names: [String] = []
    for check in ReleaseStoreConformance.checks {
      do { try await check.run(on: subject) } catch { names.append(check.name) }
    }
    return names
  }

  /// Takes commits and keeps only a part of each.
  private struct Forgetful: ReleaseStoreConformance.Subject {
    enum Part { case records, entries }
    var losing: Part
    func open() -> any ReleaseStore { Store(losing: losing) }
    func reopen() -> (any ReleaseStore)? { nil }

    struct Store: ReleaseStore {
      var losing: Part
      let inner = MemoryReleaseStore()
      func load() async throws -> StoredReleases {
        var found = inner.load()
        if losing == .records { found.records = [] }
        return found
      }
      func commit(_ commit: ReleaseCommit) async throws -> CommitOutcome { try inner.commit(commit) }
      func answer(to request: IdempotentRequest) async throws -> [UInt8]? { try inner.answer(to: request) }
      func ledger(after sequence: UInt64, limit: Int, of release: String?) async throws -> [LedgerEntry] {
        losing == .entries ? [] : inner.ledger(after: sequence, limit: limit, of: release)
      }
      func ledgerHead() async throws -> LedgerMark { inner.ledgerHead() }
      func outbox(of webhook: String, limit: Int) async throws -> [OutboxItem] {
        inner.outbox(of: webhook, limit: limit)
      }
    }
  }
}
