internal import XDSSnapshot

/// Finds a table's resources by the hashes of their names, for a client that names thousands of them at once: some 30 ns for
/// each name and version, where the tree takes a walk of log n steps. Made once for a table, O(n), and shared.
final class TableIndex: Sendable {
  let table: ResourceTable
  /// By ordinal: a number below `resources.count`.
  let resources: [Resource]
  private let hashes: [ContentHash]
  private let versions: [VersionText]
  /// Ordinals, open addressing; -1 is free. At most half full.
  private let slots: [Int32]

  /// The 32 digits of a version.
  private typealias VersionText = (UInt64, UInt64, UInt64, UInt64)

  init(_ table: ResourceTable) {
    self.table = table
    var resources: [Resource] = []
    var hashes: [ContentHash] = []
    var versions: [VersionText] = []
    resources.reserveCapacity(table.count)
    hashes.reserveCapacity(table.count)
    versions.reserveCapacity(table.count)
    table.tree.forEach { resource in
      resources.append(resource)
      var name = resource.name
      hashes.append(name.withUTF8 { NameHash.of(UnsafeRawBufferPointer($0)) })
      var version = resource.version
      versions.append(version.withUTF8 { Self.text(UnsafeRawBufferPointer($0)) ?? (0, 0, 0, 0) })
    }
    var capacity = 16
    while capacity < resources.count * 2 { capacity *= 2 }
    var slots = [Int32](repeating: -1, count: capacity)
    for (ordinal, hash) in hashes.enumerated() {
      var slot = Int(truncatingIfNeeded: hash.low) & (capacity - 1)
      while slots[slot] >= 0 { slot = (slot + 1) & (capacity - 1) }
      slots[slot] = Int32(ordinal)
    }
    self.resources = resources
    self.hashes = hashes
    self.versions = versions
    self.slots = slots
  }

  /// About how many bytes it holds beside the table.
  var cost: Int { resources.count * (8 + 16 + 32) + slots.count * 4 }

  func ordinal(of name: ContentHash) -> Int? {
    var slot = Int(truncatingIfNeeded: name.low) & (slots.count - 1)
    while slots[slot] >= 0 {
      let ordinal = Int(slots[slot])
      if hashes[ordinal] == name { return ordinal }
      slot = (slot + 1) & (slots.count - 1)
    }
    return nil
  }

  func hash(of ordinal: Int) -> ContentHash { hashes[ordinal] }

  func hasVersion(_ ordinal: Int, _ version: UnsafeRawBufferPointer) -> Bool {
    Self.text(version).map { $0 == versions[ordinal] } ?? false
  }

  private static func text(_ version: UnsafeRawBufferPointer) -> VersionText? {
    version.count == 32 ? version.loadUnaligned(as: VersionText.self) : nil
  }
}
