internal import StateStore
internal import TrafficModel

/// What the state store has still to be told. A write that fails is not lost: it goes with the next one, or alone when it
/// is tried again. If the store has lost what it had, it is given everything.
struct Keeper {
  private let store: any AdmittedStore
  private var stored: [ObjectKey: AdmittedObject] = [:]
  private var deleted: Set<ObjectKey> = []
  private var classes: [StoredProxyClass: Bool] = [:]
  private var hasLostAll = false
  /// Nil while all is kept.
  private(set) var problem: Problem?

  init(_ store: any AdmittedStore) { self.store = store }

  /// Whether something has still to be written.
  var isBehind: Bool { hasLostAll || !stored.isEmpty || !deleted.isEmpty || !classes.isEmpty }

  /// Keeps a change, and what could not be kept before. In proportion to these.
  ///
  /// - Parameter everything: all that is to be kept now, this change included.
  /// - Returns: whether the store had lost what it had, and was given everything.
  /// - Throws: the store's error; everything stays to be written.
  @discardableResult
  mutating func keep(_ change: StoreChange = StoreChange(), everything: () -> StoreChange) throws -> Bool {
    add(change)
    guard isBehind else { return false }
    do {
      if !hasLostAll {
        do {
          try store.apply(pending)
        } catch let error as StoreError where error.code == .lost || error.code == .corrupt {
          hasLostAll = true
        }
      }
      let wasLost = hasLostAll
      if wasLost { try store.beginAnew(everything()) }
      stored = [:]
      deleted = []
      classes = [:]
      hasLostAll = false
      problem = nil
      return wasLost
    } catch {
      problem = Problem(
        .warning, at: nil,
        "\(hasLostAll ? "the admitted objects" : "\(pending.count) changes") could not be kept across a restart, and are "
          + "tried again: \(error)")
      throw error
    }
  }

  private mutating func add(_ change: StoreChange) {
    for object in change.stored {
      stored[object.key] = object
      deleted.remove(object.key)
    }
    for key in change.deleted {
      stored[key] = nil
      deleted.insert(key)
    }
    for known in change.arrived { classes[known] = true }
    for known in change.departed { classes[known] = false }
  }

  private var pending: StoreChange {
    StoreChange(
      stored: stored.values.sorted { $0.key < $1.key }, deleted: deleted.sorted(),
      arrived: classes.filter(\.value).keys.sorted(), departed: classes.filter { !$0.value }.keys.sorted())
  }
}
