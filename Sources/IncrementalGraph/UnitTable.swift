/// The units of a derived collection, by the slot of their source's key.
@usableFromInline final class UnitTable: SlotColumn {
  @exclusivity(unchecked) private var units = SlotArray<Unit>()
  @usableFromInline @exclusivity(unchecked) private(set) var marked: [Int32] = []
  /// How many units must run.
  @usableFromInline var markedCount: Int { marked.count }
  /// What units put out, each unit's in a list of its own.
  @exclusivity(unchecked) private var outputs = SlotArray<Output>()
  @exclusivity(unchecked) private var firstFreeOutput: Int32 = -1

  init(slots: SlotTable) { slots.add(self) }

  private struct Unit {
    var firstEdge: Int32 = -1
    var firstOutput: Int32 = -1
    var isMarked = false
  }

  private struct Output {
    var slot: Int32
    /// Links the free ones, too; -1 at the end.
    var next: Int32
  }

  /// So many units at most are asked for what they need: with the reads that each may ask for (`Graph.readsExpected`) that is 400 kB,
  /// which a core's second cache holds. With many more the first would be gone again before it runs.
  private static let unitsExpected = 32
  /// Whether so many units, or changes, are few.
  static func isSmallTransaction(_ count: Int) -> Bool { count <= unitsExpected }
  /// Whether few units must run so far.
  @usableFromInline var isSmallTransaction: Bool { Self.isSmallTransaction(marked.count) }

  func expect(_ slot: Int32) { units.expect(slot) }

  /// Where the unit keeps what it read and put out. The unit itself should be near.
  @usableFromInline func expectRecords(_ slot: Int32, in graph: Graph) {
    let unit = units[slot]
    if unit.firstEdge != -1 { graph.edges.expect(unit.firstEdge) }
    if unit.firstOutput != -1 { outputs.expect(unit.firstOutput) }
  }

  /// Returns whether the unit was not marked before.
  func mark(_ slot: Int32) -> Bool {
    units.reserve(slot, Unit())
    guard !units[slot].isMarked else { return false }
    units[slot].isMarked = true
    marked.append(slot)
    return true
  }

  @usableFromInline func isMarked(_ slot: Int32) -> Bool {
    units.has(slot) && units[slot].isMarked
  }
  @usableFromInline func unmark(_ slot: Int32) { units[slot].isMarked = false }
  @usableFromInline func unmarkedAll() { marked.removeAll(keepingCapacity: marked.count < 1024) }

  @usableFromInline func firstEdge(_ slot: Int32) -> Int32 { units[slot].firstEdge }
  @usableFromInline func setFirstEdge(_ edge: Int32, _ slot: Int32) { units[slot].firstEdge = edge }

  /// The place of a unit's first output; -1 if there is none.
  @usableFromInline func firstOutput(_ unit: Int32) -> Int32 { units[unit].firstOutput }
  /// The place of the output after that one; -1 at the end.
  @usableFromInline func output(after place: Int32) -> Int32 { outputs[place].next }
  /// The slot of the output at a place.
  @usableFromInline func output(at place: Int32) -> Int32 { outputs[place].slot }

  /// Records what a unit has put out, in this order. Nothing is written where it put out the same before.
  @usableFromInline func setOutputs(_ slots: [Int32], _ unit: Int32) {
    var last: Int32 = -1
    var place = units[unit].firstOutput
    for slot in slots {
      if place == -1 {
        place = takeOutput()
        if last == -1 { units[unit].firstOutput = place } else { outputs[last].next = place }
      }
      outputs[place].slot = slot
      last = place
      place = outputs[place].next
    }
    if last == -1 { units[unit].firstOutput = -1 } else { outputs[last].next = -1 }
    while place != -1 {
      let next = outputs[place].next
      outputs[place].next = firstFreeOutput
      firstFreeOutput = place
      place = next
    }
  }

  private func takeOutput() -> Int32 {
    guard firstFreeOutput != -1 else {
      outputs.append(Output(slot: -1, next: -1))
      return Int32(outputs.count - 1)
    }
    let place = firstFreeOutput
    firstFreeOutput = outputs[place].next
    outputs[place].next = -1
    return place
  }

  func isVacant(_ slot: Int32) -> Bool {
    guard units.has(slot) else { return true }
    let unit = units[slot]
    return unit.firstEdge == -1 && unit.firstOutput == -1 && !unit.isMarked
  }
}
