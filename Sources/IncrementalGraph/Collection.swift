/// A keyed collection of the graph: an input, or derived from others.
public class Collection<Key: SlotKey, Value: Equatable>: Node {
  @usableFromInline let index: KeyIndex<Key>
  @usableFromInline @exclusivity(unchecked) final var values = SlotArray<Value?>()
  @usableFromInline @exclusivity(unchecked) final var changes = SlotArray<PendingChange>()
  @usableFromInline final var observers: [(CollectionChange<Key, Value>) -> Void] = []

  /// The number of keys with a value.
  public final var count: Int { valueCount }

  @usableFromInline struct PendingChange {
    @usableFromInline var slot: Int32
    @usableFromInline var old: Value?
    /// Written more than once, so that it may have come back to where it was.
    @usableFromInline var isRewritten = false

    @inlinable init(slot: Int32, old: consuming Value?) {
      self.slot = slot
      self.old = old
    }
  }

  init(name: String, graph: Graph, index: KeyIndex<Key>? = nil, units: UnitTable? = nil, reading: [Node] = []) {
    self.index = index ?? KeyIndex(graph: graph)
    super.init(name: name, graph: graph, slots: self.index.slots, units: units, reading: reading)
  }

  // MARK: Reading

  /// The value of a key, for the graph's owner. A unit must use its `Reader`. O(1).
  @inlinable public final subscript(key: Key) -> Value? {
    checkOutsideRead()
    return index.slot(of: key).flatMap { value(at: $0) }
  }

  /// What `expectValue` does, to be specialised.
  @inlinable final func expectInMemory(_ slot: Int32) {
    index.keys.expect(slot)
    values.expect(slot)
    expectCell(slot)
  }

  /// As the subscript, where the value is about to be set: what else that takes is asked for meanwhile.
  @inlinable public final func value(toBeChanged key: Key) -> Value? {
    checkOutsideRead()
    let slot = index.table.find(index.hash(key)) { slot in
      expectInMemory(slot)
      expectChange(slot)
      return index.keys[slot] == key
    }
    guard slot != -1 else { return nil }
    index.latest = slot
    return value(at: slot)
  }

  /// The position in the graph's log of the event that gave a key its value in the running transaction, for an observer.
  public final func event(thatChanged key: Key) -> Int? {
    index.slot(of: key).flatMap { graph.events.event(thatChanged: cellID($0)) }
  }

  @inlinable final func trackedRead(_ key: Key) -> Value? {
    let slot = index.intern(key, guess: onGraph { $0.expectedSlot(in: self) })
    onGraph { $0.noteRead(self, slot: slot) }
    return value(at: slot)
  }

  /// As `trackedRead`, but the value is lent. It stays where it is while a unit of a later collection runs.
  @inlinable final func trackedPointer(_ key: Key) -> UnsafePointer<Value?>? {
    let slot = index.intern(key, guess: onGraph { $0.expectedSlot(in: self) })
    onGraph { $0.noteRead(self, slot: slot) }
    return values.has(slot) ? values.pointer(to: slot) : nil
  }

  @inlinable final func value(at slot: Int32) -> Value? {
    values.has(slot) ? values[slot] : nil
  }

  /// Calls the closure for each change, once in a transaction, when the collection has settled. Declared before there are
  /// values.
  @inlinable public final func onChange(_ observer: @escaping (CollectionChange<Key, Value>) -> Void) {
    observers.append(observer)
  }

  // MARK: Writing

  /// Makes room where a large transaction is about to write: the tables then grow once, not in a dozen steps.
  @inlinable final func reserve(values count: Int, changes: Int) {
    guard changes >= 1024 else { return }
    values.reserveCapacity(count)
    reserveCells(count)
    self.changes.reserveCapacity(changes)
  }

  /// Puts a value in place, or takes it away. Returns whether it differs from what was there.
  @inlinable @discardableResult
  final func write(_ value: consuming Value?, at slot: Int32) -> Bool {
    values.reserve(slot, nil)
    if values[slot] == value { return false }
    store(value, at: slot)
    return true
  }

  /// Changes a value in place. What is changed must be persistent: its old state is kept until the transaction ends.
  @inlinable final func update(at slot: Int32, _ body: (inout Value?) -> Void) {
    values.reserve(slot, nil)
    let old = values[slot]
    var value = old
    body(&value)
    if value == old { return }
    store(value, at: slot)
    if recordsEvents { record(.regrouped, slot, changed: true, changesCell: true) }
  }

  @inlinable final func store(_ value: consuming Value?, at slot: Int32) {
    setHasValue(value != nil, slot)
    let old = values.exchange(slot, value)
    let change = beginChange(slot, next: changes.count)
    if change == -1 {
      changes.append(PendingChange(slot: slot, old: old))
    } else {
      changes[change].isRewritten = true
    }
  }

  /// Tells everybody who depends on what changed.
  @inlinable final func announceChanges() {
    guard changes.count > 0 else { return }
    let indices = 0..<Int32(changes.count)
    for index in indices {
      let slot = changes[index].slot
      endChange(slot)
      if changes[index].isRewritten, changes[index].old == values[slot] {
        changes[index].slot = -1
      } else {
        announce(slot)
      }
    }
    for observer in observers {
      for change in indices {
        let slot = changes[change].slot
        guard slot != -1 else { continue }
        if recordsEvents { setCause(slot) }
        observer(
          CollectionChange(
            key: index.keys.pointer(to: slot), before: changes.pointer(to: change), after: values.pointer(to: slot)))
      }
    }
    changes.removeAll()
  }

  override func describeKey(_ slot: Int32) -> String {
    index.key(slot)?.eventName ?? ""
  }
}

/// A change as an observer sees it, lent for the call: what the observer does not ask for is not copied.
@frozen public struct CollectionChange<Key: SlotKey, Value: Equatable> {
  @usableFromInline let lentKey: UnsafePointer<Key>
  @usableFromInline let before: UnsafePointer<Collection<Key, Value>.PendingChange>
  @usableFromInline let after: UnsafePointer<Value?>

  @inlinable init(
    key: UnsafePointer<Key>, before: UnsafePointer<Collection<Key, Value>.PendingChange>, after: UnsafePointer<Value?>
  ) {
    lentKey = key
    self.before = before
    self.after = after
  }

  @inlinable public var key: Key { lentKey.pointee }
  /// The value before the transaction.
  @inlinable public var old: Value? { before.pointee.old }
  @inlinable public var new: Value? { after.pointee }
}

extension Node {
  @usableFromInline func checkOutsideRead() {
    if graph.checksReads, graph.run.isActive {
      graph.onViolation(.readAroundReader(of: name, in: graph.name(of: graph.run.node)))
    }
  }
}

/// How a unit reads: every read is recorded, and the unit runs again when what it read changes (its absence included).
@frozen
public struct Reader {
  @inlinable init() {}

  /// The value of a key, nil if there is none. O(1).
  @inlinable public func callAsFunction<Key, Value>(_ collection: Collection<Key, Value>, _ key: Key) -> Value? {
    collection.trackedRead(key)
  }

  /// Lends the value of a key where a copy would cost more than what is asked of it. It is valid until the unit returns. O(1).
  @inlinable public func lent<Key, Value>(
    _ collection: Collection<Key, Value>, _ key: Key
  ) -> UnsafePointer<Value?>? {
    collection.trackedPointer(key)
  }
}

/// A collection that is edited from outside, in transactions.
public final class Input<Key: SlotKey, Value: Equatable>: Collection<Key, Value> {
  @usableFromInline init(name: String, graph: Graph) {
    super.init(name: name, graph: graph)
  }

  /// Sets a value, or removes it with nil. Setting what is there already is no change. O(1).
  @inlinable public func set(_ value: consuming Value?, for key: Key) {
    guard onGraph({ $0.isInTransaction && !$0.isRunning }) else { return graph.onViolation(.editWhileComputing) }
    if value == nil, index.slot(of: key) == nil { return }
    set(value, at: index.intern(key))
  }

  /// As `set`, where the key's hash is known already.
  @inlinable public func set(_ value: consuming Value, for key: Key, hash: KeyHash) {
    guard onGraph({ $0.isInTransaction && !$0.isRunning }) else { return graph.onViolation(.editWhileComputing) }
    set(value, at: index.intern(key, hash: hash.bits))
  }

  @inlinable func set(_ value: consuming Value?, at slot: Int32) {
    let changed = write(value, at: slot)
    if changed, recordsEvents { record(.edited, slot, changed: true, changesCell: true) }
  }

  /// Sets what another graph has said, or been told: as `set`, but it is no edit of its own.
  ///
  /// - Parameter event: the event in the log of both that made it so.
  @inlinable public func mirror(_ value: consuming Value?, for key: Key, because event: @autoclosure () -> Int?) {
    guard onGraph({ $0.isInTransaction && !$0.isRunning }) else { return graph.onViolation(.editWhileComputing) }
    if value == nil, index.slot(of: key) == nil { return }
    let slot = index.intern(key)
    if write(value, at: slot), recordsEvents { attribute(slot, to: event()) }
  }
}

extension Input {
  /// Makes the hashes by which keys are looked for in this input, on any thread.
  @inlinable public var hasher: KeyHasher<Key> { KeyHasher(seed: index.seed) }

  /// Says that a key of this hash is about to be set. In a large transaction most of the time of an edit is the wait for its place
  /// in a table; this lets other edits' work go on meanwhile.
  @inlinable public func prefetch(_ hash: KeyHash) { index.table.prefetch(hash.bits) }

  /// Makes room for so many keys more, before a large transaction.
  @inlinable public func reserve(adding count: Int) {
    index.reserve(adding: count)
    reserve(values: self.count + count, changes: count)
  }
}

/// The hash of a key in one input.
@frozen public struct KeyHash: Sendable {
  @usableFromInline let bits: UInt32

  @inlinable init(bits: UInt32) { self.bits = bits }
}

/// Makes the hashes of one input's keys.
@frozen public struct KeyHasher<Key: SlotKey>: Sendable {
  @usableFromInline let seed: UInt64

  @inlinable init(seed: UInt64) { self.seed = seed }

  @inlinable public func callAsFunction(_ key: Key) -> KeyHash {
    KeyHash(bits: UInt32(truncatingIfNeeded: key.slotHash(seed: seed)))
  }
}

extension Graph {
  /// Declares an input.
  @inlinable public func input<Key, Value>(
    _ name: String, _: Key.Type = Key.self, _: Value.Type = Value.self
  ) -> Input<Key, Value> {
    let input = Input<Key, Value>(name: name, graph: self)
    input.settle = { [unowned(unsafe) input] in input.announceChanges() }
    input.expectValue = { [unowned(unsafe) input] in input.expectInMemory($0) }
    return input
  }
}
