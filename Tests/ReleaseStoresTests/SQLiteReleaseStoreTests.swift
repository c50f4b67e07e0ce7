import Foundation
import ReleaseStores
import Testing

@Suite struct SQLiteReleaseStoreTests {
  private func statement(_ number: Int) -> LedgerStatement {
    LedgerStatement(
      release: "r", host: "reviews.shop", actor: "ci", action: "set-weight", toWeight: UInt32(number),
      at: Timestamp(millisecondsSince1970: Int64(number)))
  }

  private func create(_ id: String, size: Int = 3) -> ReleaseCommit {
    ReleaseCommit(writes: [.create(id: id, body: [UInt8](repeating: 7, count: size))], statements: [statement(1)])
  }

  @Test func aDirectoryIsForOneStore() async throws {
    let directory = StoreDirectory()
    let store = try SQLiteReleaseStore(directory: directory.path)
    let error = try #require(throws: ReleaseStoreError.self) { try SQLiteReleaseStore(directory: directory.path) }
    #expect(error.code == .inUse)
    #expect(error.message.contains(directory.path))
    _ = try await store.commit(create("a"))
  }

  @Test func aDirectoryThatCannotBeMadeIsNamed() throws {
    let directory = StoreDirectory()
    _ = try SQLiteReleaseStore(directory: directory.path)
    let below = directory.file + "/below"
    let error = try #require(throws: ReleaseStoreError.self) { try SQLiteReleaseStore(directory: below) }
    #expect(error.code == .directoryUnusable)
    #expect(error.message.contains(below))
  }

  @Test(arguments: [1, 100, 4_000]) func aTornTailIsNoCommit(_ cut: UInt64) async throws {
    let directory = StoreDirectory()
    let store = try SQLiteReleaseStore(directory: directory.path)
    let first = try #require(try await store.commit(create("a")).receipt)
    _ = try await store.commit(
      ReleaseCommit(
        writes: [.update(id: "a", revision: first.revision, body: [2]), .create(id: "b", body: [2])],
        statements: [statement(2)]))
    let copy = try directory.copy()
    let handle = try #require(FileHandle(forUpdatingAtPath: copy.file + "-wal"))
    try handle.truncate(atOffset: try handle.seekToEnd() - cut)
    try handle.close()
    let found = try SQLiteReleaseStore(directory: copy.path)
    let loaded = try await found.load()
    #expect(loaded.records == [ReleaseRecord(id: "a", revision: first.revision, body: [7, 7, 7])])
    #expect(loaded.problems.isEmpty)
    #expect(loaded.head == first.entries[0].mark)
    #expect(try await found.verifyLedger() == nil)
  }

  /// A file system of half a megabyte, which is full before long.
  @Test(.enabled(if: StoreDirectory.canMount, "a small file system needs the right to mount one"))
  func aFullDiskChangesNothingAndTheNextCommitWorksOnceThereIsSpace() async throws {
    let directory = StoreDirectory()
    try FileManager.default.createDirectory(atPath: directory.path, withIntermediateDirectories: true)
    try run("mount", "-t", "tmpfs", "-o", "size=512k", "weir-test", directory.path)
    defer { _ = try? run("umount", "-l", directory.path) }
    let store = try SQLiteReleaseStore(directory: directory.path)
    let ballast = directory.path + "/ballast"
    try Data(count: 100_000).write(to: URL(fileURLWithPath: ballast))
    var kept = 0
    var failure: ReleaseStoreError?
    while failure == nil, kept < 1_000 {
      do {
        _ = try await store.commit(create("r\(kept)", size: 5_000))
        kept += 1
      } catch let error as ReleaseStoreError { failure = error }
    }
    #expect(failure?.code == .diskFull)
    #expect(failure?.message.contains(directory.file) == true, "\(failure as Any)")
    #expect(kept > 10)
    // Nothing half-done, and still no space.
    #expect(try await store.load().records.count == kept)
    #expect(try await store.ledgerHead().sequence == UInt64(kept))
    await #expect(throws: ReleaseStoreError.self) { try await store.commit(self.create("x", size: 50_000)) }
    // A copy as the next start would find it.
    let copy = try directory.copy()
    let found = try SQLiteReleaseStore(directory: copy.path)
    #expect(try await found.load().records.count == kept)
    #expect(try await found.verifyLedger() == nil)
    try FileManager.default.removeItem(atPath: ballast)
    _ = try await store.commit(create("r\(kept)", size: 5_000))
    #expect(try await store.load().records.count == kept + 1)
    #expect(try await store.verifyLedger() == nil)
  }

  @Test func aRecordThatSomebodyEditsIsLeftOutAndReported() async throws {
    let directory = StoreDirectory()
    do {
      let store = try SQLiteReleaseStore(directory: directory.path)
      _ = try await store.commit(create("a"))
      _ = try await store.commit(create("b"))
    }
    try directory.execute("UPDATE releases SET body = X'00' WHERE id = 'a'")
    let found = try await SQLiteReleaseStore(directory: directory.path).load()
    #expect(found.records.map(\.id) == ["b"])
    #expect(found.problems.count == 1)
    #expect(found.problems.first?.contains("a was changed by somebody else") == true, "\(found.problems)")
  }

  @Test(arguments: ["/releases.sqlite", "/releases.sqlite-wal", "/releases.lock", ""])
  func whatIsDeletedWhileItIsInUseShows(_ name: String) async throws {
    let directory = StoreDirectory()
    let store = try SQLiteReleaseStore(directory: directory.path)
    _ = try await store.commit(create("a"))
    try FileManager.default.removeItem(atPath: directory.path + name)
    let error = await #expect(throws: ReleaseStoreError.self) { try await store.commit(self.create("b")) }
    #expect(error?.code == .lost)
    #expect(error?.message.contains(directory.file) == true)
  }
}
