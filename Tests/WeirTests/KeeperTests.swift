import StateStore
import Synchronization
import Testing
import TrafficModel

@testable import Weir

/// A store in memory that fails on demand.
final class FakeStore: AdmittedStore {
  struct State {
    var objects: [ObjectKey: AdmittedObject] = [:]
    var failures = 0
    var writes = 0
  }
  let state = Mutex(State())

  func load(decode: (String, TrafficModel.SourceLocation) -> TrafficObject?) throws -> StoredObjects {
    StoredObjects(objects: state.withLock { $0.objects.values.sorted { $0.key < $1.key } })
  }

  func apply(stored: [AdmittedObject], deleted: [ObjectKey]) throws {
    try state.withLock { state in
      state.writes += 1
      if state.failures > 0 {
        state.failures -= 1
        throw StoreError(.diskFull, "no space")
      }
      for object in stored { state.objects[object.key] = object }
      for key in deleted { state.objects[key] = nil }
    }
  }
}

func admitted(_ name: String, labels: [String: String] = [:]) -> AdmittedObject {
  AdmittedObject(
    object: .namespace(KubernetesNamespace(name: name, labels: labels)),
    location: TrafficModel.SourceLocation(file: "\(name).yaml"),
    text: "text of \(name)")
}

@Suite struct KeeperTests {
  @Test func whatCouldNotBeKeptGoesWithTheNextChange() throws {
    let store = FakeStore()
    var keeper = Keeper(store)
    try keeper.keep(stored: [admitted("a"), admitted("b")])
    store.state.withLock { $0.failures = 1 }
    #expect(throws: StoreError.self) { try keeper.keep(stored: [admitted("c")], deleted: [admitted("a").key]) }
    #expect(keeper.isBehind)
    #expect(keeper.problem?.message.hasPrefix("2 changes could not be kept") == true)
    try keeper.keep(stored: [admitted("d")])
    #expect(!keeper.isBehind && keeper.problem == nil)
    #expect(Set(store.state.withLock { $0.objects.keys.map(\.id.name) }) == ["b", "c", "d"])
  }

  @Test func theLastWordOnAnObjectIsKept() throws {
    let store = FakeStore()
    var keeper = Keeper(store)
    store.state.withLock { $0.failures = 2 }
    #expect(throws: StoreError.self) { try keeper.keep(stored: [admitted("a"), admitted("b")]) }
    #expect(throws: StoreError.self) { try keeper.keep(stored: [admitted("c")], deleted: [admitted("a").key]) }
    try keeper.keep(stored: [admitted("b", labels: ["x": "y"])], deleted: [admitted("c").key])
    let objects = store.state.withLock { $0.objects }
    #expect(objects.keys.map(\.id.name) == ["b"])
    #expect(objects[admitted("b").key] == admitted("b", labels: ["x": "y"]))
  }

  @Test func nothingToKeepIsNotWritten() throws {
    let store = FakeStore()
    var keeper = Keeper(store)
    try keeper.keep()
    #expect(store.state.withLock { $0.writes } == 0)
  }
}
