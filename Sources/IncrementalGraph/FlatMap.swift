/// A derived collection with keys of its own: one unit for each key of the source, which puts out any number of keyed
/// values. Each key must be put out by one unit only; a key may pass from one unit to another within a transaction.
public final class FlatMap<SourceKey: Hashable, SourceValue: Equatable, Key: Hashable, Value: Equatable>:
  Collection<Key, Value>
{
  public typealias Emit = (_ key: Key, _ value: Value) -> Void
  public typealias Compute = (_ key: SourceKey, _ value: SourceValue, _ read: Reader, _ emit: Emit) -> Void
  private let source: Collection<SourceKey, SourceValue>
  private let compute: Compute
  private let units = UnitTable()
  private var emitted: [(key: Key, value: Value)] = []

  init(
    name: String, graph: Graph, source: Collection<SourceKey, SourceValue>, reading: [Node],
    compute: @escaping Compute
  ) {
    self.source = source
    self.compute = compute
    super.init(name: name, graph: graph, index: nil, reading: reading)
    source.index.add(units)
    source.addDerived(self)
  }

  override func mark(_ slot: Int32) {
    if units.mark(slot), graph.recordsEvents { graph.log.noteCause(of: CellID(node: id, slot: slot)) }
  }

  override func settle() {
    for slot in units.marked {
      units.unmark(slot)
      runUnit(slot)
    }
    units.unmarkedAll()
    announceChanges()
  }

  private func runUnit(_ unit: Int32) {
    var kind = EventLog.Kind.ran
    if let value = source.value(at: unit), let key = source.index.keys[Int(unit)] {
      graph.beginRun(node: id, slot: unit, firstEdge: units.firstEdge(unit))
      compute(key, value, Reader()) { emitted.append(($0, $1)) }
      units.setFirstEdge(graph.endRun(), unit)
    } else {
      kind = .removed
      graph.forgetReads(from: units.firstEdge(unit))
      units.setFirstEdge(-1, unit)
    }
    var changed: [Int32] = []
    var outputs: [Int32] = []
    outputs.reserveCapacity(emitted.count)
    for (key, value) in emitted {
      let slot = index.intern(key)
      let owner = owner(at: slot)
      if owner != -1, owner != unit, !units.isMarked(owner) {
        graph.onViolation(.outputOfTwoUnits(collection: name, key: String(describing: key)))
      }
      setOwner(unit, at: slot)
      if write(value, at: slot) { changed.append(slot) }
      outputs.append(slot)
    }
    emitted.removeAll(keepingCapacity: true)
    units.outputs(unit) { slot in
      // Few outputs as a rule; the linear search is the faster one up to some dozens.
      guard owner(at: slot) == unit, !outputs.contains(slot) else { return }
      setOwner(-1, at: slot)
      if write(nil, at: slot) { changed.append(slot) }
    }
    units.setOutputs(outputs, unit)
    if graph.recordsEvents {
      graph.log.record(kind, self, unit, changed: !changed.isEmpty, cell: nil)
      for slot in changed { graph.log.attribute(CellID(node: id, slot: slot)) }
    }
  }

  /// A unit is named by its source's key.
  override func describeKey(of unit: Int32) -> String {
    source.index.keys[Int(unit)].map { String(describing: $0) } ?? ""
  }
}

extension Graph {
  /// Declares a collection whose units, one for each key of `source`, put out values under keys of their choice.
  public func flatMap<SourceKey, SourceValue, Key, Value>(
    _ name: String, from source: Collection<SourceKey, SourceValue>, reading: [Node] = [],
    _ compute: @escaping FlatMap<SourceKey, SourceValue, Key, Value>.Compute
  ) -> FlatMap<SourceKey, SourceValue, Key, Value> {
    FlatMap(name: name, graph: self, source: source, reading: reading, compute: compute)
  }
}
