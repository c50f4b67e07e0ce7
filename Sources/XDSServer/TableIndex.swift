internal import XDSSnapshot

/// Finds a table's resources by the hashes of their names, for a client that names thousands of them at once: some 30 ns for
/// each name and version, where the tree takes a walk of log n steps. Made once for a table, O(n), and shared.
final class TableIndex: Sendable {
  let table: ResourceTable
  /// By ordinal: a number below `resources.count`.
  let resources: [Resource]
  /// By ordinal.
  private let entries: [Entry]
  /// Ordinals, open addressing; -1 is free. At most a quarter full: mostly the first slot is the one.
  private let slots: [Int32]

  /// The 32 digits of a version.
  fileprivate typealias VersionText = (UInt64, UInt64, UInt64, UInt64)

  /// What a claim is compared with, in one place.
  fileprivate struct Entry {
    let hash: ContentHash
    let version: VersionText
  }

  init(_ table: ResourceTable) {
    self.table = table
    var resources: [Resource] = []
    var entries: [Entry] = []
    resources.reserveCapacity(table.count)
    entries.reserveCapacity(table.count)
    table.tree.forEach { resource in
      resources.append(resource)
      var name = resource.name
      let hash = name.withUTF8 { NameHash.of(UnsafeRawBufferPointer($0)) }
      var version = resource.version
      let text = version.withUTF8 { Self.text(UnsafeRawBufferPointer($0)) }
      entries.append(Entry(hash: hash, version: text ?? (0, 0, 0, 0)))
    }
    var capacity = 16
    while capacity < resources.count * 4 { capacity *= 2 }
    var slots = [Int32](repeating: -1, count: capacity)
    for (ordinal, entry) in entries.enumerated() {
      var slot = Int(truncatingIfNeeded: entry.hash.low) & (capacity - 1)
      while slots[slot] >= 0 { slot = (slot + 1) & (capacity - 1) }
      slots[slot] = Int32(ordinal)
    }
    self.resources = resources
    self.entries = entries
    self.slots = slots
  }

  /// About how many bytes it holds beside the table.
  var cost: Int { resources.count * (8 + 16 + 32) + slots.count * 4 }

  func hash(of ordinal: Int) -> ContentHash { entries[ordinal].hash }

  /// For many names in a row.
  func withLookup<Result>(_ body: (Lookup) -> Result) -> Result {
    slots.withUnsafeBufferPointer { slots in
      entries.withUnsafeBufferPointer { body(Lookup(slots: slots, entries: $0)) }
    }
  }

  /// The index, where it lies.
  struct Lookup {
    fileprivate let slots: UnsafeBufferPointer<Int32>
    fileprivate let entries: UnsafeBufferPointer<Entry>

    func ordinal(of name: ContentHash) -> Int? {
      let mask = slots.count &- 1
      var slot = Int(truncatingIfNeeded: name.low) & mask
      while slots[slot] >= 0 {
        let ordinal = Int(slots[slot])
        if entries[ordinal].hash == name { return ordinal }
        slot = (slot &+ 1) & mask
      }
      return nil
    }

    func hasVersion(_ ordinal: Int, _ version: UnsafeRawBufferPointer) -> Bool {
      TableIndex.text(version).map { $0 == entries[ordinal].version } ?? false
    }
  }

  fileprivate static func text(_ version: UnsafeRawBufferPointer) -> VersionText? {
    version.count == 32 ? version.loadUnaligned(as: VersionText.self) : nil
  }
}
