/// The units of a derived collection, by the slot of their source's key.
final class UnitTable: SlotColumn {
  private var units: [Unit] = []
  private(set) var marked: [Int32] = []
  /// The outputs of units with more than one.
  private var manyOutputs: [Int32: [Int32]] = [:]

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
    guard !units[Int(slot)].isMarked else { return false }
    units[Int(slot)].isMarked = true
    marked.append(slot)
    return true
  }

  func isMarked(_ slot: Int32) -> Bool { units[Int(slot)].isMarked }
  func unmark(_ slot: Int32) { units[Int(slot)].isMarked = false }
  func unmarkedAll() { marked.removeAll(keepingCapacity: marked.count < 1024) }

  func firstEdge(_ slot: Int32) -> Int32 { units[Int(slot)].firstEdge }
  func setFirstEdge(_ edge: Int32, _ slot: Int32) { units[Int(slot)].firstEdge = edge }

  func outputs(_ slot: Int32, _ body: (Int32) -> Void) {
    switch units[Int(slot)].output {
    case Unit.none: break
    case Unit.many: manyOutputs[slot]?.forEach(body)
    case let only: body(only)
    }
  }

  func setOutputs(_ outputs: [Int32], _ slot: Int32) {
    if units[Int(slot)].output == Unit.many { manyOutputs[slot] = nil }
    switch outputs.count {
    case 0: units[Int(slot)].output = Unit.none
    case 1: units[Int(slot)].output = outputs[0]
    default:
      units[Int(slot)].output = Unit.many
      manyOutputs[slot] = outputs
    }
  }

  func grow() { units.append(Unit()) }

  func isVacant(_ slot: Int32) -> Bool {
    let unit = units[Int(slot)]
    return unit.firstEdge == -1 && unit.output == Unit.none && !unit.isMarked
  }
}
