internal import CPrefetch

#if canImport(Glibc)
  public import Glibc
#elseif canImport(Musl)
  public import Musl
#else
  public import Darwin
#endif

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
  @exclusivity(unchecked) private var count: Int32 = 0
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
@usableFromInline final class KeyIndex<Key: SlotKey> {
  @usableFromInline @exclusivity(unchecked) var table = HashedSlots()
  /// A slot that is free keeps its last key until it is taken again: to compare an optional costs a copy.
  @usableFromInline @exclusivity(unchecked) var keys = SlotArray<Key>()
  @usableFromInline @exclusivity(unchecked) var isTaken = SlotArray<Bool>()
  @usableFromInline let slots = SlotTable()
  @usableFromInline let seed = UInt64.random(in: .min ... .max)
  /// The slot that was asked for last. Who walks one collection and asks for the same keys, or related ones, in another often
  /// asks for a key twice, or in the order of slots; to compare two keys costs less than to hash one, and to look for it in a
  /// large table. It is taken; -2 if there is none.
  @usableFromInline @exclusivity(unchecked) var latest: Int32 = -2

  @usableFromInline init(graph: Graph) {
    graph.add(slots)
    slots.forgetKey = { [unowned self] in forget($0) }
  }

  @inlinable func slot(of key: Key) -> Int32? {
    let slot = table.find(hash(key)) { keys[$0] == key }
    if slot == -1 { return nil }
    latest = slot
    return slot
  }

  @inlinable func key(_ slot: Int32) -> Key? { has(slot) ? keys[slot] : nil }

  @inlinable func has(_ slot: Int32) -> Bool { isTaken.has(slot) && isTaken[slot] }

  /// The key's slot; a new one if it has none.
  ///
  /// - Parameter guess: where the key may be, a slot that is taken because it was read or put out before; -1 for no idea.
  @inlinable func intern(_ key: Key, guess: Int32) -> Int32 {
    if guess != -1, keys[guess] == key {
      latest = guess
      return guess
    }
    return intern(key)
  }

  /// The key's slot; a new one if it has none.
  @inlinable func intern(_ key: Key) -> Int32 { intern(key, hash: hash(key)) }

  /// - Parameter hash: the key's.
  @inlinable func intern(_ key: Key, hash: @autoclosure () -> UInt32) -> Int32 {
    if latest >= 0 {
      if keys[latest] == key { return latest }
      let next = latest &+ 1
      if has(next), keys[next] == key {
        latest = next
        return next
      }
    }
    latest = find(key, hash())
    return latest
  }

  /// Makes room for so many keys more.
  @inlinable func reserve(adding count: Int) {
    guard count >= 1024 else { return }
    let expected = Int(table.count) + count
    table.reserve(expected)
    keys.reserveCapacity(expected)
    isTaken.reserveCapacity(expected)
  }

  @inlinable func find(_ key: Key, _ hash: UInt32) -> Int32 {
    let present = table.find(hash) { keys[$0] == key }
    if present != -1 { return present }
    let slot = slots.take()
    isTaken.reserve(slot, false)
    isTaken[slot] = true
    if keys.count == Int(slot) { keys.append(key) } else { keys[slot] = key }
    table.insert(slot, hash)
    return slot
  }

  @inlinable func hash(_ key: Key) -> UInt32 { KeyHasher(seed: seed)(key).bits }

  private func forget(_ slot: Int32) {
    guard has(slot) else { return }
    if latest == slot { latest = -2 }
    table.remove(slot, hash(keys[slot]))
    isTaken[slot] = false
  }
}

/// Slots by the hash of their key: open addressing, the next place if one is taken. The hashes are kept, so that most keys
/// that differ are not looked at, and none when the table grows.
@frozen @usableFromInline struct HashedSlots: ~Copyable {
  @frozen @usableFromInline struct Entry {
    @usableFromInline var hash: UInt32
    /// -1 in an empty place.
    @usableFromInline var slot: Int32

    @inlinable init(hash: UInt32, slot: Int32) {
      self.hash = hash
      self.slot = slot
    }
  }

  @usableFromInline var entries: UnsafeMutablePointer<Entry>
  @usableFromInline var mask: UInt32
  @usableFromInline var count: UInt32 = 0

  @usableFromInline init() {
    mask = 15
    entries = Self.empty(16)
  }

  @inlinable deinit { free(entries) }

  private static func empty(_ capacity: Int) -> UnsafeMutablePointer<Entry> {
    let entries = memory(capacity * MemoryLayout<Entry>.stride).assumingMemoryBound(to: Entry.self)
    entries.initialize(repeating: Entry(hash: 0, slot: -1), count: capacity)
    return entries
  }

  /// Large tables are looked into anywhere, and with small pages each look would have to find its page first.
  private static func memory(_ byteCount: Int) -> UnsafeMutableRawPointer {
    let pageByteCount = 2 << 20
    var memory: UnsafeMutableRawPointer?
    let isLarge = byteCount >= pageByteCount
    guard posix_memalign(&memory, isLarge ? pageByteCount : 64, byteCount) == 0, let memory else {
      fatalError("out of memory")
    }
    #if os(Linux)
      // A wish; without it all is as before.
      if isLarge { _ = madvise(memory, byteCount, MADV_HUGEPAGE) }
    #endif
    return memory
  }

  /// The slot with this hash whose key is the one looked for; -1 if there is none.
  @inlinable @inline(__always) func find(_ hash: UInt32, _ isKey: (Int32) -> Bool) -> Int32 {
    var place = hash & mask
    while true {
      let entry = entries[Int(place)]
      if entry.slot == -1 { return -1 }
      if entry.hash == hash, isKey(entry.slot) { return entry.slot }
      place = (place &+ 1) & mask
    }
  }

  @usableFromInline func prefetch(_ hash: UInt32) { weir_prefetch(entries + Int(hash & mask)) }

  /// - Parameter slot: one that is not there.
  @usableFromInline mutating func insert(_ slot: Int32, _ hash: UInt32) {
    // At most three places in five are taken.
    if UInt64(count + 1) * 5 > UInt64(mask) * 3 { grow() }
    place(Entry(hash: hash, slot: slot))
    count += 1
  }

  private func place(_ entry: Entry) {
    var place = entry.hash & mask
    while entries[Int(place)].slot != -1 { place = (place &+ 1) & mask }
    entries[Int(place)] = entry
  }

  private mutating func grow() { resize(to: (Int(mask) + 1) * 2) }

  /// Makes room for so many slots in all.
  @usableFromInline mutating func reserve(_ count: Int) {
    var wanted = Int(mask) + 1
    while count * 5 > wanted * 3 { wanted *= 2 }
    if wanted > Int(mask) + 1 { resize(to: wanted) }
  }

  private mutating func resize(to wanted: Int) {
    let (former, capacity) = (entries, Int(mask) + 1)
    mask = UInt32(wanted - 1)
    entries = Self.empty(wanted)
    for index in 0..<capacity where former[index].slot != -1 { place(former[index]) }
    free(former)
  }

  /// - Parameter slot: one that is there, with this hash.
  mutating func remove(_ slot: Int32, _ hash: UInt32) {
    var hole = hash & mask
    while entries[Int(hole)].slot != slot { hole = (hole &+ 1) & mask }
    count -= 1
    // Whoever comes after and could stand in the hole moves there, so that nobody's search ends too early.
    var next = hole
    while true {
      next = (next &+ 1) & mask
      let entry = entries[Int(next)]
      if entry.slot == -1 { break }
      let distanceToHole = (hole &- entry.hash) & mask
      let distanceToPlace = (next &- entry.hash) & mask
      if distanceToHole < distanceToPlace {
        entries[Int(hole)] = entry
        hole = next
      }
    }
    entries[Int(hole)].slot = -1
  }
}
