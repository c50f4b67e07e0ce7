import Foundation
import StateStore
import Testing

@Suite struct ContinuityStoreTests {
  private final class Directory {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("weir-\(UUID().uuidString)/state").path
    var file: String { "\(path)/continuity.sqlite" }
    deinit { try? FileManager.default.removeItem(atPath: (path as NSString).deletingLastPathComponent) }
  }

  private func proxy(_ node: String, type: String = "", slices: [String] = []) -> StoredProxy {
    StoredProxy(
      key: .init(nodeID: node, onlyType: type),
      proxyClass: StoredProxyClass(
        kind: "sidecar", namespace: "shop", listenHost: "::1", listenPort: 65_535, takesVirtualHosts: true),
      variant: "delta", remoteAddress: "[fd00::1]:5", slices: slices)
  }

  @Test func whatWasKeptIsThereAfterReopening() throws {
    let directory = Directory()
    do {
      let store = try ContinuityStore(directory: directory.path)
      #expect(try store.load() == Continuity())
      try store.apply(
        known: [proxy("a"), proxy("a", type: "route"), proxy("b"), proxy("c\u{1}é")], generations: 1000)
      try store.apply(
        known: [proxy("b", slices: ["shop/b-1", "shop/b-2"])], forgotten: [.init(nodeID: "a", onlyType: "")],
        generations: 500)
    }
    let found = try ContinuityStore(directory: directory.path).load()
    #expect(
      found
        == Continuity(
          proxies: [proxy("a", type: "route"), proxy("b", slices: ["shop/b-1", "shop/b-2"]), proxy("c\u{1}é")],
          generations: 1000), "and the mark never goes back")
  }

  @Test func aDirectoryIsForOneProcess() throws {
    let directory = Directory()
    let store = try ContinuityStore(directory: directory.path)
    let error = try #require(throws: StoreError.self) { try ContinuityStore(directory: directory.path) }
    #expect(error.code == .inUse)
    try withExtendedLifetime(store) { try store.apply() }
  }

  @Test func whatIsDamagedIsMovedAsideAndSaid() throws {
    let directory = Directory()
    do { try ContinuityStore(directory: directory.path).apply(known: [proxy("a")], generations: 1000) }
    try Data(repeating: 0x5a, count: 8192).write(to: URL(fileURLWithPath: directory.file))
    let store = try ContinuityStore(directory: directory.path)
    let found = try store.load()
    #expect(found.isLost && found.proxies.isEmpty && found.problems.count == 1)
    try store.apply(known: [proxy("b")])
    #expect(try store.load().proxies == [proxy("b")])
  }

  @Test func aFileThatWasDeletedIsGivenItsNameAgain() throws {
    let directory = Directory()
    let store = try ContinuityStore(directory: directory.path)
    try store.apply(known: [proxy("a")], generations: 7)
    for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: directory.file + suffix) }
    try store.apply(known: [proxy("b")])
    let found = try store.load()
    #expect(found.proxies == [proxy("a"), proxy("b")] && found.generations == 7)
    #expect(FileManager.default.fileExists(atPath: directory.file))
  }
}
