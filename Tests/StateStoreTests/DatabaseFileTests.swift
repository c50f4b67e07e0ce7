import Foundation
import GRDB
import StateStore
import Testing

@Suite struct DatabaseFileTests {
  /// `PRAGMA synchronous`: 1 is NORMAL, 2 is FULL, which syncs the log before a transaction ends.
  @Test(arguments: [(true, 2), (false, 1)]) func aDurableFileSyncsEachChange(_ isDurable: Bool, _ mode: Int) throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("weir-\(UUID().uuidString)").path
    defer { try? FileManager.default.removeItem(atPath: directory) }
    let lock = try DirectoryLock(directory: directory)
    defer { withExtendedLifetime(lock) {} }
    let form = DatabaseFile.Form(
      version: 1, isDurable: isDurable, busyTimeout: 0.1,
      create: { try $0.execute(sql: "CREATE TABLE things (name TEXT)") }, upgrade: { _, _ in })
    var (file, damage) = try DatabaseFile.open(directory + "/things.sqlite", form)
    #expect(damage == nil)
    #expect(try file.read { try Int.fetchOne($0, sql: "PRAGMA synchronous") } == mode)
    try file.write { try $0.execute(sql: "INSERT INTO things VALUES ('a')") }
    #expect(try file.read { try String.fetchOne($0, sql: "PRAGMA journal_mode") } == "wal")
    #expect(file.isCurrent)
  }
}
