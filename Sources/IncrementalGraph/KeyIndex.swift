/// Something kept by slot: cells, units, counts.
protocol SlotColumn: AnyObject {
  /// Whether the slot holds nothing here.
  func isVacant(_ slot: Int32) -> Bool
}

/// Which slots of an index are in use: a key has its slot while anything is kept for it, be it only a unit that asked for it
/// in vain.
@usableFromInline final class SlotTable {
  private var columns: [any SlotColumn] = []
  @exclusivity(unchecked) private var candidates: [Int32] = []
  @exclusivity(unchecked) private var free: [Int32] = []
  private var count: Int32 = 0
  @usableFromInline var forgetKey: (Int32) -> Void = { _ in }

  @usableFromInline init() {}

  func add(_ column: any SlotColumn) {
    precondition(count == 0, "a collection is declared before there are keys")
    columns.append(column)
  }

  @usableFromInline func take() -> Int32 {
    if let slot = free.popLast() { return slot }
    count += 1
    return count - 1
  }

  /// The slot may hold nothing any more; looked at when the transaction ends.
  func mayRelease(_ slot: Int32) { candidates.append(slot) }

  func releaseUnused() {
    guard !candidates.isEmpty else { return }
    // A slot that comes twice is given back once.
    for slot in Set(candidates) where columns.allSatisfy({ $0.isVacant(slot) }) {
      forgetKey(slot)
      free.append(slot)
    }
    candidates.removeAll(keepingCapacity: candidates.count < 1024)
  }
}

/// The keys of one or more collections, each with a slot: a small number that stays while it is in use.
@usableFromInline final class KeyIndex<Key: Hashable> {
  @usableFromInline @exclusivity(unchecked) var slotOfKey: [Key: Int32] = [:]
  @usableFromInline @exclusivity(unchecked) var keys: [Key?] = []
  @usableFromInline let slots = SlotTable()

  @usableFromInline init(graph: Graph) {
    graph.add(slots)
    slots.forgetKey = { [unowned self] in forget($0) }
  }

  @inlinable func slot(of key: Key) -> Int32? { slotOfKey[key] }

  @inlinable func key(_ slot: Int32) -> Key? { Int(slot) < keys.count ? keys[Int(slot)] : nil }

  /// The key's slot; a new one if it has none.
  ///
  /// - Parameter guess: where the key may be; -1 for no idea.
  @inlinable func intern(_ key: Key, guess: Int32) -> Int32 {
    if guess != -1, keys[Int(guess)] == key { return guess }
    return intern(key)
  }

  /// The key's slot; a new one if it has none.
  @inlinable func intern(_ key: Key) -> Int32 {
    if let slot = slotOfKey[key] { return slot }
    let slot = slots.take()
    if Int(slot) == keys.count { keys.append(key) } else { keys[Int(slot)] = key }
    slotOfKey[key] = slot
    return slot
  }

  private func forget(_ slot: Int32) {
    if let key = keys[Int(slot)] { slotOfKey[key] = nil }
    keys[Int(slot)] = nil
  }
}
