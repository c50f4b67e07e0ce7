/// What the graph knows of a collection, whatever its types.
public class Node {
  public let name: String
  let id: Int
  /// A graph owns its nodes, and they are used only while it lives.
  @usableFromInline let owner: Unmanaged<Graph>
  /// By node: whether units of this collection may read it.
  private var declaredReads: [Bool]

  /// Runs the units that must run, then tells of what changed. Made where the collection is declared: see `Graph`.
  @usableFromInline var settle: () -> Void = {}
  /// Says that the unit of a slot is about to run. In a large graph most of an edit is the wait for memory, one place after the
  /// other, for each names the next. What is known to be needed soon is asked for here, and arrives while other work goes on.
  /// Nothing but time depends on it. Made where the collection is declared, for the same reason.
  @usableFromInline var expectUnit: (Int32) -> Void = { _ in }
  /// The same of a key's value, and what is known of it.
  @usableFromInline var expectValue: (Int32) -> Void = { _ in }
  /// Whether a unit is marked or a value changed in this transaction.
  @usableFromInline @exclusivity(unchecked) var hasWork = false

  @exclusivity(unchecked) var cells = SlotArray<Cell>()
  /// The slots of the cells.
  @usableFromInline let slots: SlotTable
  /// In a derived collection: a unit for each slot of its source.
  @usableFromInline let units: UnitTable?
  /// The same, to be lent.
  private let lentUnits: Unmanaged<UnitTable>?
  /// Derived collections with a unit for each key of this one.
  @exclusivity(unchecked) private var derived = SlotArray<Unmanaged<Node>>()

  @exclusivity(unchecked) private(set) var valueCount = 0

  struct Cell {
    /// The readers' list; -1 if nobody reads it.
    var firstReader: Int32 = -1
    /// The run that read the cell last.
    var lastRead: UInt32 = 0
    /// The position among the collection's changes; -1 while unchanged in this transaction.
    var change: Int32 = -1
    /// In a `FlatMap`: the unit that put out the value.
    var owner: Int32 = -1
    var hasValue = false
  }

  /// - Parameters:
  ///   - slots: nil for a collection with keys of its own.
  ///   - unitSlots: the source's slots, for a derived collection.
  init(name: String, graph: Graph, slots: SlotTable, units: UnitTable? = nil, reading: [Node]) {
    self.name = name
    owner = .passUnretained(graph)
    self.slots = slots
    self.units = units
    lentUnits = units.map { .passUnretained($0) }
    id = graph.nodes.count
    declaredReads = Array(repeating: false, count: id)
    for node in reading { declaredReads[node.id] = true }
    graph.add(self)
    slots.add(self)
  }

  /// Lends the graph without counting a reference to it. Each use of a plain reference would count one up and down, which costs
  /// more than most of what is asked of the graph.
  @inlinable @inline(__always) final func onGraph<Result>(_ body: (Graph) -> Result) -> Result {
    owner._withUnsafeGuaranteedRef(body)
  }

  @usableFromInline var graph: Graph { owner.takeUnretainedValue() }

  /// Whether events are recorded.
  @inlinable @inline(__always) final var recordsEvents: Bool { onGraph { $0.recordsEvents } }

  func mayRead(_ node: Int) -> Bool { node < declaredReads.count && declaredReads[node] }

  func withdrawRead(of node: Int) {
    if node < declaredReads.count { declaredReads[node] = false }
  }

  func addDerived(_ node: Node) { derived.append(.passUnretained(node)) }

  /// A unit of this collection must run in this transaction.
  func mark(_ slot: Int32) {
    guard let lentUnits, lentUnits._withUnsafeGuaranteedRef({ $0.mark(slot) }) else { return }
    hasWork = true
    if lentUnits._withUnsafeGuaranteedRef({ $0.isSmallTransaction }) { expectUnit(slot) }
    if recordsEvents { graph.events.noteCause(of: cellID(slot)) }
  }

  /// Everybody who depends on the cell must look at it again.
  @usableFromInline func announce(_ slot: Int32) {
    onGraph { graph in
      graph.statistics.changes += 1
      if graph.recordsEvents { graph.events.setCause(cellID(slot)) }
      for index in 0..<Int32(derived.count) { derived[index]._withUnsafeGuaranteedRef { $0.mark(slot) } }
      graph.markReaders(from: cells[slot].firstReader)
    }
  }

  /// What an observer does happens because this cell changed.
  @usableFromInline func setCause(_ slot: Int32) { graph.events.setCause(cellID(slot)) }

  // MARK: Cells

  @usableFromInline func expectCell(_ slot: Int32) { cells.expect(slot) }

  /// Says that a key is about to change, perhaps, and with it the units that depend on it.
  @usableFromInline func expectChange(_ slot: Int32) {
    for index in 0..<Int32(derived.count) { derived[index]._withUnsafeGuaranteedRef { $0.expectUnitRecord(slot) } }
  }

  private func expectUnitRecord(_ slot: Int32) { lentUnits?._withUnsafeGuaranteedRef { $0.expect(slot) } }

  /// The readers of a cell that is near.
  @usableFromInline func expectReaders(_ slot: Int32) {
    guard cells.has(slot) else { return }
    let reader = cells[slot].firstReader
    if reader != -1 { onGraph { $0.edges.expect(reader) } }
  }

  @usableFromInline func reserveCells(_ count: Int) { cells.reserveCapacity(count) }

  @usableFromInline func reserveCell(_ slot: Int32) {
    cells.reserve(slot, Cell())
  }

  /// Notes that the cell changes. Returns the position of its change in this transaction, or -1 if this is the first and
  /// `next` is its position.
  @usableFromInline func beginChange(_ slot: Int32, next: Int) -> Int32 {
    reserveCell(slot)
    hasWork = true
    let change = cells[slot].change
    if change == -1 {
      cells[slot].change = Int32(next)
      // Who reads it is likely to run next.
      let reader = cells[slot].firstReader
      if reader != -1, UnitTable.isSmallTransaction(next + 1) {
        onGraph { graph in
          let edge = graph.edges[reader]
          graph.node(edge.readerNode) { $0.expectUnitRecord(edge.readerSlot) }
        }
      }
    }
    return change
  }

  /// The change is about to be told of.
  @usableFromInline func endChange(_ slot: Int32) {
    cells[slot].change = -1
    if !cells[slot].hasValue { slots.mayRelease(slot) }
  }

  @usableFromInline func setHasValue(_ hasValue: Bool, _ slot: Int32) {
    reserveCell(slot)
    guard cells[slot].hasValue != hasValue else { return }
    cells[slot].hasValue = hasValue
    valueCount += hasValue ? 1 : -1
  }

  @usableFromInline func owner(_ slot: Int32) -> Int32 { cells.has(slot) ? cells[slot].owner : -1 }

  @usableFromInline func setOwner(_ owner: Int32, _ slot: Int32) {
    reserveCell(slot)
    cells[slot].owner = owner
  }

  func setFirstReader(_ edge: Int32, of slot: Int32) {
    cells[slot].firstReader = edge
    if edge == -1, !cells[slot].hasValue { slots.mayRelease(slot) }
  }

  func forgetStamps() {
    for slot in 0..<Int32(cells.count) { cells[slot].lastRead = 0 }
  }

  // MARK: Events

  /// Names a cell, or the unit of a slot, in the log.
  func cellID(_ slot: Int32) -> CellID { CellID(node: onGraph { $0.firstCellID } + id, slot: slot) }

  /// How a unit, or a cell of what has no units, is named in events.
  func describeKey(_ slot: Int32) -> String { "" }

  @usableFromInline func record(_ kind: EventLog.Kind, _ slot: Int32, changed: Bool, changesCell: Bool) {
    graph.events.record(
      kind, self, slot, changed: changed, cell: changesCell ? cellID(slot) : nil)
  }

  /// The event just recorded changed this cell.
  @usableFromInline func attribute(_ slot: Int32) { graph.events.attribute(cellID(slot)) }

  /// An event changed this cell.
  @usableFromInline func attribute(_ slot: Int32, to event: Int?) { graph.events.attribute(cellID(slot), to: event) }
}

extension Node: SlotColumn {
  func isVacant(_ slot: Int32) -> Bool {
    guard cells.has(slot) else { return true }
    return !cells[slot].hasValue && cells[slot].firstReader == -1
  }
}
