/// The units of a derived collection, by the slot of their source's key.
@usableFromInline final class UnitTable: SlotColumn {
  @exclusivity(unchecked) private var units = SlotArray<Unit>()
  @usableFromInline @exclusivity(unchecked) private(set) var marked: [Int32] = []
  /// The outputs of units with more than one.
  @exclusivity(unchecked) private var manyOutputs: [Int32: [Int32]] = [:]

  init(slots: SlotTable) { slots.add(self) }

  private struct Unit {
    var firstEdge: Int32 = -1
    /// The slot of the only output, or one of these.
    var output: Int32 = Unit.none
    var isMarked = false
    static let none: Int32 = -1
    static let many: Int32 = -2
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

  @usableFromInline func outputs(_ slot: Int32, _ body: (Int32) -> Void) {
    switch units[slot].output {
    case Unit.none: break
    case Unit.many: manyOutputs[slot]?.forEach(body)
    case let only: body(only)
    }
  }

  /// The output of this number in the unit's last run; -1 if there was none.
  @usableFromInline func output(_ slot: Int32, number: Int) -> Int32 {
    switch units[slot].output {
    case Unit.none: return -1
    case Unit.many:
      guard let outputs = manyOutputs[slot], number < outputs.count else { return -1 }
      return outputs[number]
    case let only: return number == 0 ? only : -1
    }
  }

  @usableFromInline func setOutputs(_ outputs: [Int32], _ slot: Int32) {
    if units[slot].output == Unit.many {
      if manyOutputs[slot] == outputs { return }
      manyOutputs[slot] = nil
    }
    switch outputs.count {
    case 0: units[slot].output = Unit.none
    case 1: units[slot].output = outputs[0]
    default:
      units[slot].output = Unit.many
      manyOutputs[slot] = outputs
    }
  }

  func isVacant(_ slot: Int32) -> Bool {
    guard units.has(slot) else { return true }
    let unit = units[slot]
    return unit.firstEdge == -1 && unit.output == Unit.none && !unit.isMarked
  }
}
