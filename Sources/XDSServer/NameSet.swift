internal import GRPCTransport
internal import HashTreeCollections
private import Synchronization
internal import XDSSnapshot

/// An immutable set of resource names, shared by every stream that subscribes to the same names.
///
/// Its identity does not depend on order, so a set that is known already is found from the identity alone, without
/// building it: identity(S ∪ {x}) = identity(S) + identity({x}).
final class NameSet: Sendable {
  /// Sums of per-name hashes under this process's secret (`NameHash`), so that a client cannot craft two sets of one identity.
  struct Identity: Hashable, Sendable {
    var sum: UInt64 = 0
    var mixed: UInt64 = 0
    var count = 0

    init() {}

    /// Of a list, in any order. Names that are there twice count twice.
    init(_ names: some Sequence<String>) {
      for name in names { add(name) }
    }

    mutating func add(_ name: String) { add(Self.nameHash(name)) }

    mutating func remove(_ name: String) {
      let hash = Self.nameHash(name)
      sum &-= hash.high
      mixed &-= hash.low
      count -= 1
    }

    /// Adds a name by its `NameHash`.
    mutating func add(_ hash: ContentHash) {
      sum &+= hash.high
      mixed &+= hash.low
      count += 1
    }

    static func nameHash(_ name: String) -> ContentHash {
      var name = name
      let plain: ContentHash? = name.withUTF8 { utf8 in
        // Bytes tell texts apart that are equal to Swift only if one of them is not ASCII.
        utf8.allSatisfy { $0 < 0x80 } ? NameHash.of(UnsafeRawBufferPointer(utf8)) : nil
      }
      if let plain { return plain }
      var hasher = Hasher()
      hasher.combine(name)
      let high = hasher.finalize()
      hasher = Hasher()
      hasher.combine(high)
      hasher.combine(name)
      return ContentHash(high: UInt64(bitPattern: Int64(high)), low: UInt64(bitPattern: Int64(hasher.finalize())))
    }
  }

  /// About what a name takes: its place in the tree, and a text of up to 64 bytes.
  static let bytesPerName = 128

  static func byteCount(of name: String) -> Int { bytesPerName + max(0, name.utf8.count - 64) }

  let identity: Identity
  let names: TreeSet<String>
  /// What all its names take.
  let byteCount: Int
  private let memory: BufferAccount?

  init(identity: Identity, names: TreeSet<String>, byteCount: Int, memory: BufferAccount? = nil) {
    self.identity = identity
    self.names = names
    self.byteCount = byteCount
    self.memory = memory
    memory?.chargeAnyway(byteCount, for: .names)
  }

  deinit { memory?.release(byteCount, for: .names) }

  static let empty = NameSet(identity: Identity(), names: [], byteCount: 0)

  func contains(_ name: String) -> Bool { names.contains(name) }
}

/// The one copy of each name set in use. Sets that no stream uses any more are forgotten.
final class NameSetPool: Sendable {
  private let pool = WeakPool<NameSet.Identity, NameSet>()
  private let memory: BufferAccount
  /// Proxies that subscribe to the same mostly write it the same: an Envoy sorts the names. To hash thousands of names in one go
  /// costs a tenth of hashing each.
  private let lists = Mutex<[ContentHash: Listed]>([:])
  /// Lists that are remembered at most.
  private static let maximumLists = 64

  private struct Listed: Sendable {
    weak var set: NameSet?
  }

  /// - Parameter memory: what the sets are charged to, each once.
  init(memory: BufferAccount = BufferAccount()) { self.memory = memory }

  /// The set of these names. O(names) hashes; the set is built only if no stream has it.
  func set(of names: some Collection<String>) -> NameSet {
    updated(.empty, adding: names, removing: EmptyCollection())
  }

  /// A set with names added (first) and removed. O(changed names) when the result is in use already.
  func updated(
    _ base: NameSet, adding: some Collection<String>, removing: some Collection<String>
  ) -> NameSet {
    var identity = base.identity
    for name in adding where !base.contains(name) { identity.add(name) }
    for name in removing where base.contains(name) { identity.remove(name) }
    // A name given twice makes a sum that no set has, whatever its count is; the set built below then has its true
    // identity.
    if identity == base.identity { return base }
    if identity == NameSet.empty.identity { return .empty }
    if let known = pool.known(identity) { return known }

    var names = base.names
    identity = base.identity
    var byteCount = base.byteCount
    for name in adding where names.updateOrInsertIsNew(name) {
      identity.add(name)
      byteCount += NameSet.byteCount(of: name)
    }
    for name in removing where names.remove(name) != nil {
      identity.remove(name)
      byteCount -= NameSet.byteCount(of: name)
    }
    if identity == base.identity { return base }
    if names.isEmpty { return .empty }
    return pool.object(identity) { NameSet(identity: identity, names: names, byteCount: byteCount, memory: memory) }
  }

  /// The set of this identity, if a stream has it.
  func known(_ identity: NameSet.Identity) -> NameSet? {
    identity == NameSet.empty.identity ? .empty : pool.known(identity)
  }

  /// The set that a list of names was found to be lately, as it was written.
  ///
  /// - Parameter list: the `NameHash` of its bytes.
  func known(list: ContentHash) -> NameSet? { lists.withLock { $0[list]?.set } }

  func remember(_ set: NameSet, as list: ContentHash) {
    lists.withLock { lists in
      if lists.count >= Self.maximumLists { lists = lists.filter { $0.value.set != nil } }
      if lists.count >= Self.maximumLists { lists = [:] }
      lists[list] = Listed(set: set)
    }
  }

  /// How many sets are in use.
  var count: Int { pool.objects.count }
}

extension TreeSet<String> {
  fileprivate mutating func updateOrInsertIsNew(_ name: String) -> Bool { insert(name).inserted }
}
