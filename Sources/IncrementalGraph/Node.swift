/// What the graph knows of a collection, whatever its types.
public class Node {
  public let name: String
  let id: Int
  /// A graph owns its nodes, and they are used only while it lives.
  unowned(unsafe) let graph: Graph
  /// By node: whether units of this collection may read it.
  private var declaredReads: [Bool]

  init(name: String, graph: Graph, reading: [Node]) {
    self.name = name
    self.graph = graph
    id = graph.nodes.count
    declaredReads = Array(repeating: false, count: id)
    for node in reading { declaredReads[node.id] = true }
    graph.add(self)
  }

  func mayRead(_ node: Int) -> Bool { node < declaredReads.count && declaredReads[node] }

  /// Runs the units that must run, then tells of what changed.
  func settle() {}
  /// A unit of this collection must run in this transaction.
  func mark(_ slot: Int32) {}
  /// The list of a cell's readers starts with another edge now.
  func setFirstReader(_ edge: Int32, of slot: Int32) {}
  func describeKey(of unit: Int32) -> String { "" }
}

/// Something kept by slot beside a key index: values, or units.
protocol SlotColumn: AnyObject {
  /// Makes room for one more slot.
  func grow()
  /// Whether the slot holds nothing here.
  func isVacant(_ slot: Int32) -> Bool
}

protocol SlotOwner: AnyObject {
  func releaseUnused()
}

/// The keys of one or more collections, each with a slot: a small number that stays while anything is kept for the key, be
/// it only a unit that asked for it in vain.
final class KeyIndex<Key: Hashable>: SlotOwner {
  private var slots: [Key: Int32] = [:]
  private(set) var keys: [Key?] = []
  private var free: [Int32] = []
  private var columns: [any SlotColumn] = []
  private var candidates: [Int32] = []

  func add(_ column: any SlotColumn) {
    precondition(keys.isEmpty, "a collection is declared before there are keys")
    columns.append(column)
  }

  func slot(of key: Key) -> Int32? { slots[key] }

  /// The key's slot; a new one if it has none.
  func intern(_ key: Key) -> Int32 {
    if let slot = slots[key] { return slot }
    let slot: Int32
    if let reused = free.popLast() {
      slot = reused
      keys[Int(slot)] = key
    } else {
      slot = Int32(keys.count)
      keys.append(key)
      for column in columns { column.grow() }
    }
    slots[key] = slot
    return slot
  }

  /// The slot may hold nothing any more; looked at when the transaction ends.
  func mayRelease(_ slot: Int32) { candidates.append(slot) }

  func releaseUnused() {
    guard !candidates.isEmpty else { return }
    for slot in candidates {
      guard let key = keys[Int(slot)], columns.allSatisfy({ $0.isVacant(slot) }) else { continue }
      slots[key] = nil
      keys[Int(slot)] = nil
      free.append(slot)
    }
    candidates.removeAll(keepingCapacity: candidates.count < 1024)
  }
}
