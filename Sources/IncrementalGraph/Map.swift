/// A derived collection with the keys of its source: one unit for each key, which yields a value or none.
public final class Map<Key: SlotKey, SourceValue: Equatable, Value: Equatable>: Collection<Key, Value> {
  public typealias Compute = (_ key: Key, _ value: SourceValue, _ read: Reader) -> Value?
  @usableFromInline let source: Collection<Key, SourceValue>
  @usableFromInline let compute: Compute

  @usableFromInline init(
    name: String, graph: Graph, source: Collection<Key, SourceValue>, reading: [Node], compute: @escaping Compute
  ) {
    self.source = source
    self.compute = compute
    super.init(
      name: name, graph: graph, index: source.index, units: UnitTable(slots: source.index.slots), reading: reading)
    source.addDerived(self)
  }

  @inlinable func settleUnits() {
    guard let units else { return }
    reserve(values: index.keys.count, changes: units.markedCount)
    if units.isSmallTransaction { expectRuns(units) }
    for slot in units.marked {
      units.unmark(slot)
      run(slot, units)
    }
    units.unmarkedAll()
    announceChanges()
  }

  /// Asks for what is one step further than what each unit's mark has asked for.
  @inlinable func expectRuns(_ units: UnitTable) {
    for slot in units.marked {
      source.values.expectObject(at: slot)
      values.expectObject(at: slot)
      onGraph { $0.expectReads(from: units.firstEdge(slot)) }
    }
  }

  @inlinable func run(_ slot: Int32, _ units: UnitTable) {
    var result: Value?
    let value = source.value(at: slot)
    if let value {
      let key = index.keys[slot]
      onGraph { $0.beginRun(self, slot: slot, firstEdge: units.firstEdge(slot)) }
      result = compute(key, value, Reader())
      units.setFirstEdge(onGraph { $0.endRun() }, slot)
    } else {
      onGraph { $0.forgetReads(from: units.firstEdge(slot)) }
      units.setFirstEdge(-1, slot)
    }
    let changed = write(result, at: slot)
    if recordsEvents { record(value == nil ? .removed : .ran, slot, changed: changed, changesCell: changed) }
  }
}

extension Graph {
  /// Declares a collection with a unit for each key of `source`.
  ///
  /// - Parameters:
  ///   - reading: every other collection that `compute` reads.
  ///   - compute: a pure function of the key, its value and what it reads; nil yields nothing for the key.
  @inlinable public func map<Key, SourceValue, Value>(
    _ name: String, from source: Collection<Key, SourceValue>, reading: [Node] = [],
    _ compute: @escaping Map<Key, SourceValue, Value>.Compute
  ) -> Map<Key, SourceValue, Value> {
    let map = Map<Key, SourceValue, Value>(
      name: name, graph: self, source: source, reading: reading, compute: compute)
    map.settle = { [unowned(unsafe) map] in map.settleUnits() }
    map.expectUnit = { [unowned(unsafe) map] slot in
      map.onGraph { map.units?.expectRecords(slot, in: $0) }
      map.source.values.expect(slot)
      map.expectInMemory(slot)
    }
    map.expectValue = { [unowned(unsafe) map] in map.expectInMemory($0) }
    return map
  }
}
