/// A keyed collection of the graph: an input, or derived from others.
public class Collection<Key: Hashable, Value: Equatable>: Node, SlotColumn, StampedNode {
  let index: KeyIndex<Key>
  private var values: [Value?] = []
  private var cells: [Cell] = []
  private var changes: [Change] = []
  /// Derived collections with a unit for each key of this one.
  private var derived: [Node] = []
  private var observers: [(_ key: Key, _ old: Value?, _ new: Value?) -> Void] = []

  /// The number of keys with a value.
  public private(set) var count = 0

  private struct Cell {
    /// The readers' list; -1 if nobody read it.
    var firstReader: Int32 = -1
    /// The run that read the cell last.
    var lastRead: UInt32 = 0
    /// The position in `changes`; -1 while unchanged in this transaction.
    var change: Int32 = -1
    /// In a `FlatMap`: the unit that put out the value.
    var owner: Int32 = -1
  }

  private struct Change {
    var slot: Int32
    var old: Value?
    /// Written more than once, so that it may have come back to where it was.
    var isRewritten = false
  }

  init(name: String, graph: Graph, index: KeyIndex<Key>?, reading: [Node]) {
    self.index = index ?? KeyIndex()
    super.init(name: name, graph: graph, reading: reading)
    self.index.add(self)
    if index == nil { graph.add(self.index) }
  }

  // MARK: Reading

  /// The value of a key, for the graph's owner. A unit must use its `Reader`.
  public subscript(key: Key) -> Value? {
    if graph.checksReads, graph.run.isActive {
      graph.onViolation(.readAroundReader(of: name, in: graph.nodes[graph.run.node].name))
    }
    guard let slot = index.slot(of: key) else { return nil }
    return values[Int(slot)]
  }

  func trackedRead(_ key: Key) -> Value? {
    if graph.checksReads, !graph.run.isActive || !graph.nodes[graph.run.node].mayRead(id) {
      graph.onViolation(.undeclaredRead(of: name, in: graph.nodes[graph.run.node].name))
    }
    let slot = index.intern(key)
    let position = Int(slot)
    if cells[position].lastRead != graph.run.id {
      cells[position].lastRead = graph.run.id
      cells[position].firstReader = graph.recordRead(
        node: id, slot: slot, firstReader: cells[position].firstReader)
    }
    return values[position]
  }

  func value(at slot: Int32) -> Value? { values[Int(slot)] }

  /// Calls the closure for each change, once in a transaction, when the collection has settled. Declared before there are
  /// values.
  public func onChange(_ observer: @escaping (_ key: Key, _ old: Value?, _ new: Value?) -> Void) {
    observers.append(observer)
  }

  func addDerived(_ node: Node) { derived.append(node) }

  // MARK: Writing

  /// Puts a value in place, or takes it away. Returns whether it differs from what was there.
  @discardableResult
  func write(_ value: Value?, at slot: Int32) -> Bool {
    let position = Int(slot)
    if values[position] == value { return false }
    noteChange(at: slot)
    if values[position] == nil { count += 1 } else if value == nil { count -= 1 }
    values[position] = value
    return true
  }

  /// Changes a value in place. What is changed must be persistent: its old state is kept until the transaction ends.
  func update(at slot: Int32, _ body: (inout Value?) -> Void) {
    noteChange(at: slot)
    let position = Int(slot)
    let existed = values[position] != nil
    body(&values[position])
    count += (values[position] != nil ? 1 : 0) - (existed ? 1 : 0)
    if graph.recordsEvents {
      graph.log.record(.regrouped, self, slot, changed: true, cell: CellID(node: id, slot: slot))
    }
  }

  private func noteChange(at slot: Int32) {
    let position = Int(slot)
    let change = cells[position].change
    if change == -1 {
      cells[position].change = Int32(changes.count)
      changes.append(Change(slot: slot, old: values[position]))
    } else {
      changes[Int(change)].isRewritten = true
    }
  }

  func owner(at slot: Int32) -> Int32 { cells[Int(slot)].owner }
  func setOwner(_ owner: Int32, at slot: Int32) { cells[Int(slot)].owner = owner }

  /// Tells everybody who depends on what changed.
  func announceChanges() {
    guard !changes.isEmpty else { return }
    for change in changes {
      let position = Int(change.slot)
      cells[position].change = -1
      let new = values[position]
      if new == nil { index.mayRelease(change.slot) }
      if change.isRewritten, change.old == new { continue }
      graph.statistics.changes += 1
      if graph.recordsEvents { graph.log.setCause(CellID(node: id, slot: change.slot)) }
      for node in derived { node.mark(change.slot) }
      graph.markReaders(from: cells[position].firstReader)
      if !observers.isEmpty, let key = index.keys[position] {
        for observer in observers { observer(key, change.old, new) }
      }
    }
    changes.removeAll(keepingCapacity: changes.count < 1024)
  }

  override func settle() { announceChanges() }

  override func setFirstReader(_ edge: Int32, of slot: Int32) {
    cells[Int(slot)].firstReader = edge
    if edge == -1, values[Int(slot)] == nil { index.mayRelease(slot) }
  }

  override func describeKey(of unit: Int32) -> String {
    index.keys[Int(unit)].map { String(describing: $0) } ?? ""
  }

  // MARK: Slots

  func grow() {
    values.append(nil)
    cells.append(Cell())
  }

  func isVacant(_ slot: Int32) -> Bool {
    values[Int(slot)] == nil && cells[Int(slot)].firstReader == -1
  }

  func forgetStamps() {
    for position in cells.indices { cells[position].lastRead = 0 }
  }
}

/// How a unit reads: every read is recorded, and the unit runs again when what it read changes (its absence included).
public struct Reader {
  init() {}

  /// The value of a key, nil if there is none. O(1).
  public func callAsFunction<Key, Value>(_ collection: Collection<Key, Value>, _ key: Key) -> Value? {
    collection.trackedRead(key)
  }
}

/// A collection that is edited from outside, in transactions.
public final class Input<Key: Hashable, Value: Equatable>: Collection<Key, Value> {
  /// Sets a value, or removes it with nil. Setting what is there already is no change. O(1).
  public func set(_ value: Value?, for key: Key) {
    guard graph.isInTransaction, !graph.run.isActive else { return graph.onViolation(.editWhileComputing) }
    if value == nil, index.slot(of: key) == nil { return }
    let slot = index.intern(key)
    let changed = write(value, at: slot)
    if changed, graph.recordsEvents {
      graph.log.record(.edited, self, slot, changed: true, cell: CellID(node: id, slot: slot))
    }
  }
}

extension Graph {
  /// Declares an input.
  public func input<Key, Value>(_ name: String, _: Key.Type = Key.self, _: Value.Type = Value.self) -> Input<Key, Value>
  {
    Input(name: name, graph: self, index: nil, reading: [])
  }
}
