internal import Synchronization

/// One object for each key, for as long as somebody has it. From any thread.
final class WeakPool<Key: Hashable & Sendable, Object: AnyObject & Sendable>: Sendable {
  private struct Entry {
    weak var object: Object?
  }

  private struct State {
    var entries: [Key: Entry] = [:]
    var sweepAt: Int
  }

  private let fewest: Int
  private let state: Mutex<State>

  /// - Parameter fewest: entries below which nobody looks for those whose object has gone.
  init(fewest: Int = 256) {
    self.fewest = fewest
    state = Mutex(State(sweepAt: fewest))
  }

  /// The object of this key, if somebody has it. O(1).
  func known(_ key: Key) -> Object? { state.withLock { $0.entries[key]?.object } }

  /// The object of this key, made if nobody has it. O(1), but for a look through all entries each time that they have doubled.
  func object(_ key: Key, make: () -> Object) -> Object {
    state.withLock { state in
      if let known = state.entries[key]?.object { return known }
      if state.entries.count >= state.sweepAt {
        state.entries = state.entries.filter { $0.value.object != nil }
        state.sweepAt = max(fewest, state.entries.count * 2)
      }
      let object = make()
      state.entries[key] = Entry(object: object)
      return object
    }
  }

  /// Those that somebody has.
  var objects: [Object] { state.withLock { $0.entries.values.compactMap(\.object) } }

  /// Keys that are remembered.
  var count: Int { state.withLock { $0.entries.count } }
}
