/// A derived collection with the keys of its source: one unit for each key, which yields a value or none.
public final class Map<Key: Hashable, SourceValue: Equatable, Value: Equatable>: Collection<Key, Value> {
  public typealias Compute = (_ key: Key, _ value: SourceValue, _ read: Reader) -> Value?
  private let source: Collection<Key, SourceValue>
  private let compute: Compute
  private let units = UnitTable()

  init(name: String, graph: Graph, source: Collection<Key, SourceValue>, reading: [Node], compute: @escaping Compute) {
    self.source = source
    self.compute = compute
    super.init(name: name, graph: graph, index: source.index, reading: reading)
    index.add(units)
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

  private func runUnit(_ slot: Int32) {
    guard let value = source.value(at: slot), let key = index.keys[Int(slot)] else {
      graph.forgetReads(from: units.firstEdge(slot))
      units.setFirstEdge(-1, slot)
      finish(nil, slot, kind: .removed)
      return
    }
    graph.beginRun(node: id, slot: slot, firstEdge: units.firstEdge(slot))
    let result = compute(key, value, Reader())
    units.setFirstEdge(graph.endRun(), slot)
    finish(result, slot, kind: .ran)
  }

  private func finish(_ result: Value?, _ slot: Int32, kind: EventLog.Kind) {
    let changed = write(result, at: slot)
    if graph.recordsEvents {
      graph.log.record(kind, self, slot, changed: changed, cell: changed ? CellID(node: id, slot: slot) : nil)
    }
  }
}

extension Graph {
  /// Declares a collection with a unit for each key of `source`.
  ///
  /// - Parameters:
  ///   - reading: every other collection that `compute` reads.
  ///   - compute: a pure function of the key, its value and what it reads; nil yields nothing for the key.
  public func map<Key, SourceValue, Value>(
    _ name: String, from source: Collection<Key, SourceValue>, reading: [Node] = [],
    _ compute: @escaping Map<Key, SourceValue, Value>.Compute
  ) -> Map<Key, SourceValue, Value> {
    Map(name: name, graph: self, source: source, reading: reading, compute: compute)
  }
}
