import StateStore
import Synchronization
import Testing
import TrafficModel

@testable import Weir

/// A store in memory that fails on demand.
final class FakeStore: AdmittedStore {
  struct State {
    var objects: [ObjectKey: AdmittedObject] = [:]
    var classes: Set<StoredProxyClass> = []
    /// As if the file had been deleted.
    var isLost = false
    var failures = 0
    var writes = 0
  }
  let state = Mutex(State())

  func load(decode: (String, TrafficModel.SourceLocation) -> TrafficObject?) throws -> StoredObjects {
    state.withLock { state in
      StoredObjects(objects: state.objects.values.sorted { $0.key < $1.key }, classes: state.classes.sorted())
    }
  }

  func apply(_ change: StoreChange) throws {
    try write { state in
      guard !state.isLost else { throw StoreError(.lost, "is gone") }
      for object in change.stored { state.objects[object.key] = object }
      for key in change.deleted { state.objects[key] = nil }
      state.classes.formUnion(change.arrived)
      state.classes.subtract(change.departed)
    }
  }

  func beginAnew(_ everything: StoreChange) throws {
    try write { state in
      state.isLost = false
      state.objects = Dictionary(uniqueKeysWithValues: everything.stored.map { ($0.key, $0) })
      state.classes = Set(everything.arrived)
    }
  }

  private func write(_ change: (inout State) throws -> Void) throws {
    try state.withLock { state in
      state.writes += 1
      if state.failures > 0 {
        state.failures -= 1
        throw StoreError(.diskFull, "no space")
      }
      try change(&state)
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
  private func nothing() -> StoreChange { StoreChange() }

  @Test func whatCouldNotBeKeptGoesWithTheNextChange() throws {
    let store = FakeStore()
    var keeper = Keeper(store)
    try keeper.keep(StoreChange(stored: [admitted("a"), admitted("b")]), everything: nothing)
    store.state.withLock { $0.failures = 1 }
    #expect(throws: StoreError.self) {
      try keeper.keep(StoreChange(stored: [admitted("c")], deleted: [admitted("a").key]), everything: nothing)
    }
    #expect(keeper.isBehind)
    #expect(keeper.problem?.message.hasPrefix("2 changes could not be kept") == true)
    try keeper.keep(StoreChange(stored: [admitted("d")]), everything: nothing)
    #expect(!keeper.isBehind && keeper.problem == nil)
    #expect(Set(store.state.withLock { $0.objects.keys.map(\.id.name) }) == ["b", "c", "d"])
  }

  @Test func theLastWordOnAnObjectIsKept() throws {
    let store = FakeStore()
    var keeper = Keeper(store)
    store.state.withLock { $0.failures = 2 }
    #expect(throws: StoreError.self) {
      try keeper.keep(StoreChange(stored: [admitted("a"), admitted("b")]), everything: nothing)
    }
    #expect(throws: StoreError.self) {
      try keeper.keep(StoreChange(stored: [admitted("c")], deleted: [admitted("a").key]), everything: nothing)
    }
    try keeper.keep(
      StoreChange(stored: [admitted("b", labels: ["x": "y"])], deleted: [admitted("c").key]), everything: nothing)
    let objects = store.state.withLock { $0.objects }
    #expect(objects.keys.map(\.id.name) == ["b"])
    #expect(objects[admitted("b").key] == admitted("b", labels: ["x": "y"]))
  }

  @Test func nothingToKeepIsNotWritten() throws {
    let store = FakeStore()
    var keeper = Keeper(store)
    try keeper.keep(everything: nothing)
    #expect(store.state.withLock { $0.writes } == 0)
  }
}
