/// A derived collection with keys of its own: one unit for each key of the source, which puts out any number of keyed
/// values. Each key must be put out by one unit only; a key may pass from one unit to another within a transaction.
public final class FlatMap<SourceKey: SlotKey, SourceValue: Equatable, Key: SlotKey, Value: Equatable>:
  Collection<Key, Value>
{
  public typealias Emit = (_ key: Key, _ value: Value) -> Void
  public typealias Compute = (_ key: SourceKey, _ value: SourceValue, _ read: Reader, _ emit: Emit) -> Void
  @usableFromInline let source: Collection<SourceKey, SourceValue>
  @usableFromInline let compute: Compute
  /// What the running unit puts out goes through here. Made once, for a closure of each run would have to be allocated.
  @usableFromInline @exclusivity(unchecked) var emitter: Emit = { _, _ in }
  @usableFromInline @exclusivity(unchecked) var emission = Emission()

  @usableFromInline init(
    name: String, graph: Graph, source: Collection<SourceKey, SourceValue>, reading: [Node],
    compute: @escaping Compute
  ) {
    self.source = source
    self.compute = compute
    super.init(name: name, graph: graph, units: UnitTable(slots: source.index.slots), reading: reading)
    source.addDerived(self)
  }

  @inlinable func settleUnits() {
    guard let units else { return }
    // Each is likely to put out one value at least.
    index.reserve(adding: units.markedCount)
    reserve(values: count + units.markedCount, changes: units.markedCount)
    if units.isSmallTransaction { expectRuns(units) }
    for unit in units.marked {
      units.unmark(unit)
      run(unit, units)
    }
    units.unmarkedAll()
    announceChanges()
  }

  /// Asks for what is one step further than what each unit's mark has asked for.
  @inlinable func expectRuns(_ units: UnitTable) {
    for unit in units.marked {
      forEachOutput(of: unit, units) { expectInMemory($0) }
      source.values.expectObject(at: unit)
      onGraph { $0.expectReads(from: units.firstEdge(unit)) }
    }
    for unit in units.marked {
      forEachOutput(of: unit, units) {
        values.expectObject(at: $0)
        expectReaders($0)
      }
    }
  }

  /// Of the last run; no more than the first 32.
  @inlinable @inline(__always) func forEachOutput(of unit: Int32, _ units: UnitTable, _ body: (Int32) -> Void) {
    var place = units.firstOutput(unit)
    var count = 0
    while place != -1, count < 32 {
      body(units.output(at: place))
      place = units.output(after: place)
      count += 1
    }
  }

  @inlinable func run(_ unit: Int32, _ units: UnitTable) {
    emission.unit = unit
    emission.hasChanged = false
    emission.expected = units.firstOutput(unit)
    let value = source.value(at: unit)
    if let value {
      let key = source.index.keys[unit]
      onGraph { $0.beginRun(self, slot: unit, firstEdge: units.firstEdge(unit)) }
      compute(key, value, Reader(), emitter)
      units.setFirstEdge(onGraph { $0.endRun() }, unit)
    } else {
      onGraph { $0.forgetReads(from: units.firstEdge(unit)) }
      units.setFirstEdge(-1, unit)
    }
    // Few outputs as a rule; the linear search is the faster one up to some dozens.
    let manyOutputs = emission.outputs.count > 32 ? Set(emission.outputs) : nil
    var former = units.firstOutput(unit)
    while former != -1 {
      let slot = units.output(at: former)
      former = units.output(after: former)
      guard owner(slot) == unit, !(manyOutputs?.contains(slot) ?? emission.outputs.contains(slot)) else { continue }
      setOwner(-1, slot)
      put(nil, at: slot)
    }
    units.setOutputs(emission.outputs, unit)
    emission.outputs.removeAll(keepingCapacity: emission.outputs.count < 1024)
    guard recordsEvents else { return }
    record(value == nil ? .removed : .ran, unit, changed: emission.hasChanged, changesCell: false)
    for slot in emission.changed { attribute(slot) }
    emission.changed = []
  }

  @inlinable func emit(_ key: Key, _ value: Value) {
    guard let units else { return }
    let expected = emission.expected
    let slot = index.intern(key, guess: expected == -1 ? -1 : units.output(at: expected))
    if expected != -1 { emission.expected = units.output(after: expected) }
    claim(slot, key, emission.unit, units)
    emission.outputs.append(slot)
    put(value, at: slot)
  }

  @inlinable func put(_ value: consuming Value?, at slot: Int32) {
    guard write(value, at: slot) else { return }
    emission.hasChanged = true
    if recordsEvents { emission.changed.append(slot) }
  }

  /// Makes the unit the owner of a key.
  @inlinable func claim(_ slot: Int32, _ key: Key, _ unit: Int32, _ units: UnitTable) {
    let owner = owner(slot)
    if owner != unit {
      if owner != -1, !units.isMarked(owner) {
        graph.onViolation(.outputOfTwoUnits(collection: name, key: key.eventName))
      }
      setOwner(unit, slot)
    }
  }

  /// A unit is named by its source's key.
  override func describeKey(_ slot: Int32) -> String { source.describeKey(slot) }
}

/// What the running unit of a `FlatMap` has put out.
@frozen @usableFromInline struct Emission {
  @usableFromInline var unit: Int32 = -1
  /// Where the next output was in the last run; -1 if nowhere.
  @usableFromInline var expected: Int32 = -1
  /// The slots, in their order. Its memory is lent by the last run, so that there is nothing to allocate.
  @usableFromInline var outputs: [Int32] = []
  @usableFromInline var hasChanged = false
  /// While events are recorded: the slots that have changed.
  @usableFromInline var changed: [Int32] = []

  @inlinable init() {}
}

extension Graph {
  /// Declares a collection whose units, one for each key of `source`, put out values under keys of their choice.
  @inlinable public func flatMap<SourceKey, SourceValue, Key, Value>(
    _ name: String, from source: Collection<SourceKey, SourceValue>, reading: [Node] = [],
    _ compute: @escaping FlatMap<SourceKey, SourceValue, Key, Value>.Compute
  ) -> FlatMap<SourceKey, SourceValue, Key, Value> {
    let map = FlatMap<SourceKey, SourceValue, Key, Value>(
      name: name, graph: self, source: source, reading: reading, compute: compute)
    map.settle = { [unowned(unsafe) map] in map.settleUnits() }
    map.expectUnit = { [unowned(unsafe) map] slot in
      map.onGraph { map.units?.expectRecords(slot, in: $0) }
      map.source.values.expect(slot)
    }
    map.expectValue = { [unowned(unsafe) map] in map.expectInMemory($0) }
    map.emitter = { [unowned(unsafe) map] key, value in map.emit(key, value) }
    return map
  }
}
