internal import StateStore
internal import TrafficModel

/// What the state store has still to be told. A write that fails is not lost: it goes with the next one, or alone when it
/// is tried again.
struct Keeper {
  private let store: any AdmittedStore
  private var stored: [ObjectKey: AdmittedObject] = [:]
  private var deleted: Set<ObjectKey> = []
  /// Nil while all is kept.
  private(set) var problem: Problem?

  init(_ store: any AdmittedStore) { self.store = store }

  /// Whether something has still to be written.
  var isBehind: Bool { !stored.isEmpty || !deleted.isEmpty }

  /// Keeps a change, and what could not be kept before. In proportion to these.
  ///
  /// - Throws: the store's error; everything stays to be written.
  mutating func keep(stored newlyStored: [AdmittedObject] = [], deleted newlyDeleted: [ObjectKey] = []) throws {
    for object in newlyStored {
      stored[object.key] = object
      deleted.remove(object.key)
    }
    for key in newlyDeleted {
      stored[key] = nil
      deleted.insert(key)
    }
    guard isBehind else { return }
    do {
      try store.apply(stored: stored.values.sorted { $0.key < $1.key }, deleted: deleted.sorted())
      stored = [:]
      deleted = []
      problem = nil
    } catch {
      problem = Problem(
        .warning, at: nil,
        "\(stored.count + deleted.count) changes could not be kept across a restart, and are tried again: \(error)")
      throw error
    }
  }
}
