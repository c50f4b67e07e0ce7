import Foundation
import Testing

@testable import ReleaseStores

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

  @Test(.enabled(if: StoreDirectory.canMount, "a small file system needs the right to mount one"))
  func theReserveMakesRoomForTheWayBack() async throws {
    let directory = StoreDirectory()
    try FileManager.default.createDirectory(atPath: directory.path, withIntermediateDirectories: true)
    try run("mount", "-t", "tmpfs", "-o", "size=1m", "weir-test", directory.path)
    defer { _ = try? run("umount", "-l", directory.path) }
    let store = try SQLiteReleaseStore(directory: directory.path, reserve: 200_000)
    let reserve = directory.path + "/releases.reserve"
    #expect(FileManager.default.fileExists(atPath: reserve))
    let receipt = try #require(try await store.commit(create("a")).receipt)
    var failure: ReleaseStoreError?
    var kept = 0
    while failure == nil, kept < 1_000 {
      do {
        _ = try await store.commit(create("r\(kept)", size: 2_000))
        kept += 1
      } catch let error as ReleaseStoreError { failure = error }
    }
    #expect(failure?.code == .diskFull && kept > 10)
    #expect(FileManager.default.fileExists(atPath: reserve), "what goes forward does not take it")
    var back = ReleaseCommit(
      writes: [.update(id: "a", revision: receipt.revision, body: [UInt8](repeating: 9, count: 50_000))],
      statements: [statement(2)])
    #expect(
      await #expect(throws: ReleaseStoreError.self) {
        try await store.commit(ReleaseCommit(writes: back.writes, statements: back.statements))
      }?.code == .diskFull)
    back.mayUseReserve = true
    _ = try await store.commit(back)
    #expect(!FileManager.default.fileExists(atPath: reserve))
    // As the next start finds it.
    let copy = try directory.copy()
    let found = try SQLiteReleaseStore(directory: copy.path)
    #expect(try await found.load().records.first { $0.id == "a" }?.body.count == 50_000)
    #expect(try await found.verifyLedger() == nil)
  }

  @Test func theReserveIsTakenAgainWhenThereIsSpace() async throws {
    let directory = StoreDirectory()
    let store = try SQLiteReleaseStore(directory: directory.path, reserve: 100_000)
    let reserve = directory.path + "/releases.reserve"
    var space = SpaceReserve(path: reserve, size: 100_000)
    #expect(space.letGo() && !space.letGo() && !FileManager.default.fileExists(atPath: reserve))
    space.fill()
    #expect(try FileManager.default.attributesOfItem(atPath: reserve)[.size] as? Int == 100_000)
    _ = try await store.commit(create("a"))
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
  func whatIsDeletedWhileItIsInUseIsPutBack(_ name: String) async throws {
    let directory = StoreDirectory()
    let store = try SQLiteReleaseStore(directory: directory.path)
    _ = try await store.commit(create("a"))
    try FileManager.default.removeItem(atPath: directory.path + name)
    _ = try await store.commit(create("b"))
    _ = try await store.commit(create("c"))
    let copy = try directory.copy()
    let found = try SQLiteReleaseStore(directory: copy.path)
    #expect(try await found.load().records.map(\.id) == ["a", "b", "c"])
    #expect(try await found.verifyLedger() == nil)
    #expect(try await store.load().problems.count == (name == "/releases.lock" ? 0 : 1))
    #expect(throws: ReleaseStoreError.self, "the directory is ours") {
      try SQLiteReleaseStore(directory: directory.path)
    }
  }

  @Test func whatTakesItsPlaceIsMovedAside() async throws {
    let directory = StoreDirectory()
    let store = try SQLiteReleaseStore(directory: directory.path)
    _ = try await store.commit(create("a"))
    try FileManager.default.removeItem(atPath: directory.file)
    try Data("something else".utf8).write(to: URL(fileURLWithPath: directory.file))
    _ = try await store.commit(create("b"))
    #expect(try await store.load().records.map(\.id) == ["a", "b"])
    let aside = try Data(contentsOf: URL(fileURLWithPath: directory.file + ".damaged-1"))
    #expect(String(decoding: aside, as: UTF8.self) == "something else")
  }

  @Test func aClosedStoreLetsOthersIn() async throws {
    let directory = StoreDirectory()
    let store = try SQLiteReleaseStore(directory: directory.path)
    _ = try await store.commit(create("a"))
    await store.close()
    let error = await #expect(throws: ReleaseStoreError.self) { try await store.load() }
    #expect(error?.message == "the state file \(directory.file) is closed")
    #expect(try await SQLiteReleaseStore(directory: directory.path).load().records.count == 1)
  }

  // MARK: Damage

  private func fill(_ directory: StoreDirectory, _ count: Int) async throws {
    let store = try SQLiteReleaseStore(directory: directory.path)
    for number in 0..<count {
      var commit = create("r\(number)", size: 500)
      commit.notifications = [
        OutboxDraft(webhook: "w", body: [1], at: Timestamp(millisecondsSince1970: 0), statement: 0)
      ]
      _ = try await store.commit(commit)
    }
    await store.close()
  }

  @Test func aFileThatIsNoDatabaseIsMovedAsideAndReported() async throws {
    let directory = StoreDirectory()
    try await fill(directory, 3)
    let handle = try #require(FileHandle(forUpdatingAtPath: directory.file))
    try handle.write(contentsOf: Data("this is no database, and never was one".utf8))
    try handle.close()
    let store = try SQLiteReleaseStore(directory: directory.path)
    let found = try await store.load()
    #expect(found.records.isEmpty)
    #expect(found.problems.count == 1)
    #expect(
      found.problems.first?.contains("it was moved to \(directory.file).damaged-1, and there are no releases") == true)
    #expect(FileManager.default.fileExists(atPath: directory.file + ".damaged-1"))
    _ = try await store.commit(create("a"))
  }

  /// Each page in turn is overwritten: whatever it held, the store opens, says so, and has no record that is not as it was
  /// written; most of the times it still has most of them.
  @Test func whatCanBeReadOfADamagedFileIsKept() async throws {
    let original = StoreDirectory()
    try await fill(original, 40)
    let pages = (try FileManager.default.attributesOfItem(atPath: original.file)[.size] as? Int ?? 0) / 4_096
    #expect(pages > 15)
    var outcomes: [(records: Int, entries: Int)] = []
    for page in 0..<pages {
      let directory = try original.copy()
      let handle = try #require(FileHandle(forUpdatingAtPath: directory.file))
      try handle.seek(toOffset: UInt64(page * 4_096 + (page == 0 ? 100 : 0)))
      try handle.write(contentsOf: Data(repeating: 0xA5, count: page == 0 ? 3_996 : 4_096))
      try handle.close()
      let store = try SQLiteReleaseStore(directory: directory.path)
      let found = try await store.load()
      #expect(!found.problems.isEmpty, "page \(page)")
      #expect(found.records.allSatisfy { $0.body == [UInt8](repeating: 7, count: 500) }, "page \(page)")
      let entries = try await store.ledger(after: 0, limit: 1_000, of: nil)
      #expect(entries.allSatisfy { $0.isConsistent })
      let isWhole = entries.count == 40
      #expect(try await store.verifyLedger() == nil || !isWhole, "page \(page)")
      outcomes.append((found.records.count, entries.count))
      let receipt = try #require(try await store.commit(create("new")).receipt)
      #expect(found.records.allSatisfy { $0.revision < receipt.revision }, "page \(page)")
      await store.close()
    }
    print("damaged pages: records and entries kept of 40: \(outcomes)")
    #expect(outcomes.count { $0.records >= 20 && $0.entries >= 20 } > pages / 2)
    #expect(outcomes.contains { $0.entries > 20 && $0.entries < 40 })
    #expect(outcomes.contains { $0.records > 20 && $0.records < 40 })
  }
}
