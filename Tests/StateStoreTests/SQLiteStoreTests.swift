import Foundation
import ManifestSource
import StateStore
import Testing
import TrafficModel

@Suite struct SQLiteStoreTests {
  private final class Directory {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("weir-\(UUID().uuidString)/state").path
    var file: String { "\(path)/admitted.sqlite" }
    deinit { try? FileManager.default.removeItem(atPath: (path as NSString).deletingLastPathComponent) }
  }

  private func admitted(_ name: String, port: Int = 80, file: String = "d/a.yaml") throws -> AdmittedObject {
    let text = "apiVersion: v1\nkind: Service\nmetadata: {name: \(name)}\nspec: {ports: [{port: \(port)}]}\n"
    let location = SourceLocation(file: file, position: 3, line: 17)
    let object = try #require(ManifestDecoder.decodeStored(text: text, location: location))
    return AdmittedObject(object: object, location: location, text: text)
  }

  private func load(_ store: SQLiteStore) throws -> StoredObjects {
    try store.load { ManifestDecoder.decodeStored(text: $0, location: $1) }
  }

  @Test func whatWasKeptIsThereAfterReopening() throws {
    let directory = Directory()
    let objects = try ["a", "b", "c"].map { try admitted($0) }
    do {
      let store = try SQLiteStore(directory: directory.path)
      #expect(try load(store).objects.isEmpty)
      try store.apply(StoreChange(stored: objects, deleted: []))
      let changed = try admitted("b", port: 81, file: "d/b.yaml")
      try store.apply(StoreChange(stored: [changed], deleted: [objects[0].key]))
      #expect(try load(store).objects == [changed, objects[2]])
    }
    let found = try load(SQLiteStore(directory: directory.path))
    #expect(found.objects.map(\.key.id.name) == ["b", "c"])
    #expect(found.problems.isEmpty)
  }

  @Test func aDirectoryIsForOneStore() throws {
    let directory = Directory()
    let store = try SQLiteStore(directory: directory.path)
    let error = try #require(throws: StoreError.self) { try SQLiteStore(directory: directory.path) }
    #expect(error.code == .inUse)
    #expect(error.message.contains(directory.path))
    try withExtendedLifetime(store) { try store.apply(StoreChange(stored: [try admitted("a")], deleted: [])) }
  }

  /// Another process that writes to the file, which it has no business to.
  private final class Intruder {
    private let process = Process()
    private let input = Pipe()

    init(_ file: String) throws {
      let output = Pipe()
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      process.arguments = [
        "python3", "-c",
        "import sqlite3, sys; c = sqlite3.connect(sys.argv[1], isolation_level=None); c.execute('BEGIN IMMEDIATE'); "
          + "print('locked', flush=True); sys.stdin.read()", file,
      ]
      process.standardInput = input
      process.standardOutput = output
      try process.run()
      #expect(String(decoding: output.fileHandleForReading.availableData, as: UTF8.self).hasPrefix("locked"))
    }

    func leave() throws {
      try input.fileHandleForWriting.close()
      process.waitUntilExit()
    }
  }

  @Test func aLockedFileFailsSoonAndWorksAgainWhenItIsFree() throws {
    let directory = Directory()
    let store = try SQLiteStore(directory: directory.path)
    try store.apply(StoreChange(stored: [try admitted("a")], deleted: []))
    let intruder = try Intruder(directory.file)
    let object = try admitted("b")
    var error: StoreError?
    let waited = ContinuousClock().measure {
      do {
        try store.apply(StoreChange(stored: [object], deleted: []))
      } catch let failure as StoreError {
        error = failure
      } catch {}
    }
    #expect(error?.code == .inUse)
    #expect(waited < .seconds(1), "\(waited)")
    #expect(try load(store).objects.count == 1, "reading goes on")
    try intruder.leave()
    try store.apply(StoreChange(stored: [object], deleted: []))
    #expect(try load(store).objects.count == 2)
  }

  @Test func aDamagedFileIsMovedAsideAndReported() throws {
    let directory = Directory()
    do {
      let store = try SQLiteStore(directory: directory.path)
      try store.apply(StoreChange(stored: try (0..<500).map { try admitted("s\($0)") }, deleted: []))
    }
    for damage in 1...3 {
      let handle = try #require(FileHandle(forUpdatingAtPath: directory.file))
      switch damage {
      case 1: try handle.write(contentsOf: Data("this is no database, and never was one".utf8))
      case 2:
        let length = try handle.seekToEnd()
        for offset in stride(from: 4_096, to: length, by: 4_096) {
          try handle.seek(toOffset: offset)
          try handle.write(contentsOf: Data(repeating: 0xA5, count: 2_048))
        }
      default: try handle.truncate(atOffset: try handle.seekToEnd() / 2)
      }
      try handle.close()
      try? FileManager.default.removeItem(atPath: directory.file + "-wal")
      let store = try SQLiteStore(directory: directory.path)
      let found = try load(store)
      #expect(found.objects.isEmpty)
      #expect(found.problems.map(\.severity) == [.warning])
      #expect(found.problems.first?.location?.file == directory.file)
      #expect(found.problems.first?.message.contains("damaged-\(damage)") == true, "\(found.problems)")
      #expect(FileManager.default.fileExists(atPath: "\(directory.file).damaged-\(damage)"))
      try store.apply(StoreChange(stored: try (0..<500).map { try admitted("s\($0)") }, deleted: []))
      #expect(try load(store).objects.count == 500)
    }
  }

  @Test func anObjectThatNoLongerDecodesIsLeftOutAndReported() throws {
    let directory = Directory()
    let store = try SQLiteStore(directory: directory.path)
    var broken = try admitted("a")
    broken.text = "kind: [x"
    try store.apply(StoreChange(stored: [broken, try admitted("b")], deleted: []))
    let found = try load(store)
    #expect(found.objects.map(\.key.id.name) == ["b"])
    #expect(found.problems.count == 1)
    #expect(found.problems.first?.message.contains("Service default/a") == true)
  }

  @Test func aDirectoryThatCannotBeMadeIsNamed() throws {
    let directory = Directory()
    _ = try SQLiteStore(directory: directory.path)
    let error = try #require(throws: StoreError.self) { try SQLiteStore(directory: directory.file + "/below") }
    #expect(error.code == .directoryUnusable)
    #expect(error.message.contains(directory.file + "/below"))
  }

  @Test func aCopyTakenInTheMiddleOfAChangeHoldsTheLastWholeOne() throws {
    let directory = Directory()
    let copy = Directory()
    try FileManager.default.createDirectory(atPath: copy.path, withIntermediateDirectories: true)
    let store = try SQLiteStore(directory: directory.path)
    try store.apply(StoreChange(stored: [try admitted("a", port: 1)], deleted: []))
    try store.apply(StoreChange(stored: [try admitted("a", port: 2), try admitted("b")], deleted: []))
    // What a killed process leaves behind: the file and its log, not folded into one.
    for suffix in ["", "-wal"] {
      try FileManager.default.copyItem(atPath: directory.file + suffix, toPath: copy.file + suffix)
    }
    let handle = try #require(FileHandle(forUpdatingAtPath: copy.file + "-wal"))
    try handle.truncate(atOffset: try handle.seekToEnd() - 100)
    try handle.close()
    let found = try load(SQLiteStore(directory: copy.path))
    #expect(found.objects == [try admitted("a", port: 1)], "the last transaction is torn, so it is not there at all")
    #expect(found.problems.isEmpty)
  }

  // MARK: What may happen to the file

  private func store(_ directory: Directory, _ count: Int) throws {
    let store = try SQLiteStore(directory: directory.path)
    try store.apply(StoreChange(stored: try (0..<count).map { try admitted("s\($0)") }))
  }

  private func query(_ file: String, _ statements: String) throws {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = [
      "python3", "-c", "import sqlite3, sys; c = sqlite3.connect(sys.argv[1]); c.executescript(sys.argv[2])", file,
      statements,
    ]
    try process.run()
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
  }

  @Test(arguments: [
    ("is empty, or none of Weir's", ""), ("is empty, or none of Weir's", "PRAGMA user_version = 0"),
    ("has schema 99", "PRAGMA user_version = 99"),
  ]) func aFileThatIsNoneOfOursIsMovedAsideAndReported(_ reason: String, _ statements: String) throws {
    let directory = Directory()
    try store(directory, 3)
    if statements.isEmpty {
      try FileHandle(forUpdating: URL(fileURLWithPath: directory.file)).truncate(atOffset: 0)
    } else {
      try query(directory.file, statements)
    }
    let store = try SQLiteStore(directory: directory.path)
    let found = try load(store)
    #expect(found.objects.isEmpty)
    #expect(found.problems.first?.message.contains(reason) == true, "\(found.problems)")
    #expect(found.problems.first?.message.contains("moved to \(directory.file).damaged-1") == true)
    try store.apply(StoreChange(stored: [try admitted("a")]))
    #expect(try load(store).objects.count == 1)
  }

  @Test func theOtherOriginsOfAnObjectAreKeptWithIt() throws {
    let directory = Directory()
    var object = try admitted("a")
    object.otherOrigins = ["d/b.yaml", "d/\"c\nd\".yaml"]
    do { try SQLiteStore(directory: directory.path).apply(StoreChange(stored: [object, try admitted("b")])) }
    do {
      let store = try SQLiteStore(directory: directory.path)
      #expect(try load(store).objects == [object, try admitted("b")])
      object.otherOrigins = []
      try store.apply(StoreChange(stored: [object]))
    }
    #expect(try load(SQLiteStore(directory: directory.path)).objects == [object, try admitted("b")])
  }

  @Test func theObjectsOfTheThirdSchemaHaveOneOrigin() throws {
    let directory = Directory()
    try store(directory, 3)
    try query(directory.file, "ALTER TABLE admitted DROP COLUMN others; PRAGMA user_version = 3")
    let store = try SQLiteStore(directory: directory.path)
    #expect(try load(store).problems.isEmpty)
    var object = try #require(try load(store).objects.first)
    object.otherOrigins = ["d/b.yaml"]
    try store.apply(StoreChange(stored: [object]))
    #expect(try load(store).objects.map(\.otherOrigins) == [["d/b.yaml"], [], []])
  }

  @Test func aFileOfTheFirstSchemaIsTakenOver() throws {
    let directory = Directory()
    try store(directory, 3)
    try query(directory.file, "DROP TABLE classes; ALTER TABLE admitted DROP COLUMN others; PRAGMA user_version = 1")
    let store = try SQLiteStore(directory: directory.path)
    #expect(try load(store).objects.count == 3)
    #expect(try load(store).problems.isEmpty)
    try store.apply(StoreChange(arrived: [known("a")]))
    #expect(try load(store).classes == [known("a")])
  }

  @Test func theClassesOfTheSecondSchemaTookNoHostsOneByOne() throws {
    let directory = Directory()
    try store(directory, 3)
    try query(
      directory.file,
      """
      DROP TABLE classes;
      ALTER TABLE admitted DROP COLUMN others;
      CREATE TABLE classes (
        kind TEXT NOT NULL, namespace TEXT NOT NULL, host TEXT NOT NULL, port INTEGER NOT NULL,
        PRIMARY KEY (kind, namespace, host, port));
      INSERT INTO classes VALUES ('sidecar', 'a', '127.0.0.1', 15001), ('sidecar', 'b', '127.0.0.1', 15001);
      PRAGMA user_version = 2
      """)
    let store = try SQLiteStore(directory: directory.path)
    #expect(try load(store).objects.count == 3)
    #expect(try load(store).problems.isEmpty)
    #expect(try load(store).classes == [known("a"), known("b")])
    try store.apply(StoreChange(arrived: [known("a", takesVirtualHosts: true)], departed: [known("b")]))
    #expect(try load(store).classes == [known("a"), known("a", takesVirtualHosts: true)])
  }

  private func known(_ namespace: String, takesVirtualHosts: Bool = false) -> StoredProxyClass {
    StoredProxyClass(
      kind: "sidecar", namespace: namespace, listenHost: "127.0.0.1", listenPort: 15_001,
      takesVirtualHosts: takesVirtualHosts)
  }

  @Test func classesComeAndGo() throws {
    let directory = Directory()
    do {
      let store = try SQLiteStore(directory: directory.path)
      try store.apply(StoreChange(arrived: [known("b"), known("a")]))
      try store.apply(StoreChange(arrived: [known("a"), known("c")], departed: [known("b")]))
    }
    #expect(try load(SQLiteStore(directory: directory.path)).classes == [known("a"), known("c")])
  }

  /// A process that was killed while it made its first file, and a log without its file.
  @Test func leftoversDoNotMatter() throws {
    let directory = Directory()
    try FileManager.default.createDirectory(atPath: directory.path, withIntermediateDirectories: true)
    for name in [".new", ".new-journal", "-wal", "-shm"] {
      try Data(repeating: 0xA5, count: 5_000).write(to: URL(fileURLWithPath: directory.file + name))
    }
    let store = try SQLiteStore(directory: directory.path)
    #expect(try load(store).problems.isEmpty)
    try store.apply(StoreChange(stored: [try admitted("a")]))
    let files = try FileManager.default.contentsOfDirectory(atPath: directory.path).sorted()
    #expect(files == ["admitted.sqlite", "admitted.sqlite-shm", "admitted.sqlite-wal", "lock"])
  }

  @Test(arguments: ["/admitted.sqlite", "/admitted.sqlite-wal", "/lock", ""])
  func whatIsDeletedWhileItIsInUseShowsAndIsWrittenAnew(_ name: String) throws {
    let directory = Directory()
    let store = try SQLiteStore(directory: directory.path)
    let objects = try ["a", "b"].map { try admitted($0) }
    try store.apply(StoreChange(stored: [objects[0]]))
    try FileManager.default.removeItem(atPath: directory.path + name)
    let error = try #require(throws: StoreError.self) { try store.apply(StoreChange(stored: [objects[1]])) }
    #expect(error.code == .lost)
    #expect(error.message.contains(directory.file))
    try store.beginAnew(StoreChange(stored: objects, arrived: [known("a")]))
    try store.apply(StoreChange(stored: [try admitted("c")]))
    // As another process would find it.
    let copy = Directory()
    try FileManager.default.copyItem(
      atPath: directory.path,
      toPath: try {
        try FileManager.default.createDirectory(
          atPath: (copy.path as NSString).deletingLastPathComponent, withIntermediateDirectories: true);
        return copy.path
      }())
    let found = try load(SQLiteStore(directory: copy.path))
    #expect(found.objects.map(\.key.id.name) == ["a", "b", "c"])
    #expect(found.classes == [known("a")])
    #expect(throws: StoreError.self, "the directory is ours again") { try SQLiteStore(directory: directory.path) }
  }
}
