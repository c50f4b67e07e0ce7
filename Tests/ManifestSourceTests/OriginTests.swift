import Foundation
import Testing
import TrafficModel

@testable import ManifestSource

/// A file is remembered under one name, however its directory was written, and told of as it was written.
@Suite struct OriginTests {
  /// A path from the working directory.
  private func relative(_ path: String) -> String {
    let depth = FileManager.default.currentDirectoryPath.split(separator: "/").count
    return String(repeating: "../", count: depth) + path.drop { $0 == "/" }
  }

  @Test func everyWayToWriteADirectoryGivesOneOrigin() throws {
    let directory = try TemporaryDirectory()
    try directory.makeDirectory("m/sub")
    try directory.write("m/sub/a.yaml", Sample.service("a", ports: "[{port: 0}]"))
    try directory.link("above", to: ".")
    let real = directory.at("m")
    for written in [
      real, real + "/", real + "/.", real + "//", directory.at("m/sub/.."), directory.at("above/m"), relative(real),
      relative(real) + "/",
    ] {
      let batch = ManifestSource.scanOnce(directories: [written])
      #expect(batch.updates.map(\.origin) == ["\(real)/sub/a.yaml"], "\(written)")
      guard case .documents(let documents, _, _) = batch.updates[0].content else { continue }
      let shown = written.hasSuffix("/") ? String(written.reversed().drop { $0 == "/" }.reversed()) : written
      #expect(documents.first?.location.file == "\(shown)/sub/a.yaml")
      #expect(documents.first?.problems.first?.location?.file == "\(shown)/sub/a.yaml")
    }
  }

  @Test func theSameDirectoryTwiceIsReadOnce() throws {
    let directory = try TemporaryDirectory()
    try directory.write("a.yaml", Sample.service("a"))
    let batch = ManifestSource.scanOnce(directories: [relative(directory.path), directory.path])
    #expect(batch.updates.map(\.origin) == [directory.at("a.yaml")])
  }

  @Test func aLinkedRootIsItsOwnPlaceForItMayBeTurned() throws {
    let directory = try TemporaryDirectory()
    try directory.makeDirectory("v1")
    try directory.write("v1/a.yaml", Sample.service("a"))
    try directory.link("current", to: "v1")
    let batch = ManifestSource.scanOnce(directories: [relative(directory.at("current"))])
    #expect(batch.updates.map(\.origin) == [directory.at("current/a.yaml")])
  }

  @Test func aDirectoryThatIsNotThereHasAnAbsoluteName() throws {
    let directory = try TemporaryDirectory()
    let batch = ManifestSource.scanOnce(directories: [relative(directory.at("no/where"))])
    #expect(batch.updates.map(\.origin) == [directory.at("no/where")])
    #expect(FileSystem.stablePath("/") == "/")
    #expect(FileSystem.stablePath(".") == FileManager.default.currentDirectoryPath)
    #expect(FileSystem.stablePath("nowhere/m") == FileManager.default.currentDirectoryPath + "/nowhere/m")
  }

  @Test func aReadFileCostsNothingForTheOthers() throws {
    func cost(_ count: Int) throws -> Duration {
      let directory = try TemporaryDirectory()
      for number in 0..<count { try directory.write("f\(number).yaml", "") }
      let now = ContinuousClock.now
      var reader = ManifestReader(tree: DirectoryTree(roots: [directory.path], inotify: nil))
      reader.tree.scanAll(at: now)
      #expect(reader.collect(at: now, isInitial: true).count == count)
      let path = directory.at("f7.yaml")
      return try (0..<50).map { round in
        try directory.write("f7.yaml", Sample.service("s\(round)"))
        reader.tree.toRead.insert(path)
        return ContinuousClock().measure { #expect(reader.collect(at: now).count == 1) }
      }.min()!
    }
    let small = try cost(20)
    let large = try cost(10_000)
    #expect(large < small * 2, "\(small) among 20, \(large) among 10000")
  }
}
