internal import XDSSnapshot

/// The difference between two tables, computed once for all streams that need it.
final class TableChange: Sendable {
  struct Entry: Sendable {
    let old: Resource?
    let new: Resource?
    var name: String { (new ?? old)!.name }
  }

  /// In no particular order, the same for the same tables.
  let entries: [Entry]
  /// How many entries add a name, and how many remove one.
  let additions: Int
  let removals: Int

  init(from old: ResourceTable, to new: ResourceTable) {
    var entries: [Entry] = []
    PersistentTree.changes(from: old.tree, to: new.tree) { entries.append(Entry(old: $0, new: $1)) }
    self.entries = entries
    additions = entries.count { $0.old == nil }
    removals = entries.count { $0.new == nil }
  }

  private init() {
    entries = []
    additions = 0
    removals = 0
  }

  static let none = TableChange()
}

extension Resource {
  /// Stands for what a client says it holds and this process has never sent: a version without content. It is in a
  /// stream's table only, and never sent: its first byte is 0, which no protobuf message begins with.
  ///
  /// Its hash is part of the keys of what streams share, so no client may make two claims of one hash, and a name is as much
  /// the client's as a version is: it covers both, and is SipHash under this process's key (`Hasher`). A key that could be
  /// learnt would not do, for the version of a table with claims in it is sent.
  static func claim(name: String, version: String) -> Resource {
    let bytes = [0] + Array(version.utf8)
    func half(_ number: UInt8) -> UInt64 {
      var hasher = Hasher()
      hasher.combine(number)
      hasher.combine(bytes.count)
      bytes.withUnsafeBytes { hasher.combine(bytes: $0) }
      var name = name
      name.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
      return UInt64(bitPattern: Int64(hasher.finalize()))
    }
    return Resource(name: name, bytes: bytes, contentHash: ContentHash(high: half(0), low: half(1)))
  }

  var isClaim: Bool {
    if case .bytes(let bytes) = body { bytes.first == 0 } else { false }
  }

  func isClaim(of version: String) -> Bool {
    if case .bytes(let bytes) = body {
      bytes.first == 0 && bytes.dropFirst().elementsEqual(version.utf8)
    } else {
      false
    }
  }
}

extension ContentHash {
  /// Reads a version as `text` writes it; nil for any other text. No allocation.
  init?(version: String) {
    var words: (UInt64, UInt64) = (0, 0)
    var count = 0
    for byte in version.utf8 {
      let digit: UInt8
      switch byte {
      case 48...57: digit = byte - 48
      case 97...102: digit = byte - 87
      default: return nil
      }
      if count < 16 { words.0 = words.0 << 4 | UInt64(digit) } else { words.1 = words.1 << 4 | UInt64(digit) }
      count += 1
      if count > 32 { return nil }
    }
    guard count == 32 else { return nil }
    self.init(high: words.0, low: words.1)
  }
}

extension ResourceTable {
  /// The named part of a table. O(names).
  func restricted(to names: NameSet) -> ResourceTable {
    var result = ResourceTable()
    if names.identity.count <= count {
      for name in names.names { if let resource = self[name] { result.set(resource) } }
    } else {
      tree.forEach { if names.contains($0.name) { result.set($0) } }
    }
    return result
  }
}

extension ResourceType {
  /// In the state of the world, a response of these types names everything that there is: what is absent is deleted.
  var isFullState: Bool { self == .cluster || self == .listener }

  /// An empty first request of these types means everything (the legacy form of a wildcard; of virtual hosts it is Envoy's
  /// only one).
  var allowsLegacyWildcard: Bool { isFullState || self == .virtualHost }

  /// Resources of these types name clusters.
  var namesClusters: Bool { Self.naming.contains(self) }

  /// The types whose resources name clusters.
  static let naming: [ResourceType] = [.listener, .route, .virtualHost]
}
