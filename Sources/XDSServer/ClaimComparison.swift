internal import EnvoyAPI
internal import XDSSnapshot

/// How what a client says that it holds (`initial_resource_versions`) differs from a table: mostly in nothing.
struct ClaimComparison: Sendable {
  let table: ResourceTable
  /// In the table, subscribed to, and not claimed.
  private(set) var missing: [String] = []
  /// Claimed in another version than the table's, or not in the table.
  private(set) var stale: [(name: String, version: String)] = []
  /// Asked for again since: to be answered, whatever was claimed.
  private(set) var askedAnew: [String] = []

  /// More differences than this are left to the slow way, which is made for them.
  private static let limit = 1024
  private static let repetitionLimit = 64

  /// Compares the claims of a first request without taking them out of the message. O(claims), some 40 ns each.
  ///
  /// - Parameter names: what the request subscribes to; nil for everything.
  /// - Returns: nil if it is not simply so that each subscribed name is claimed, or if anything needs a closer look.
  init?(_ request: RequestScan, with index: TableIndex, names: NameSet?) {
    table = index.table
    var seen = [UInt64](repeating: 0, count: (index.resources.count + 63) / 64)
    var known = 0
    var repetitions = 0
    var claimed = NameSet.Identity()
    var stale: [(name: String, version: String)] = []
    let isRead = request.forEachVersion { name, version in
      let hash = NameHash.of(name)
      if let ordinal = index.ordinal(of: hash) {
        let bit = UInt64(1) << UInt64(ordinal & 63)
        if seen[ordinal >> 6] & bit == 0 {
          seen[ordinal >> 6] |= bit
          known += 1
          claimed.add(hash)
        } else {
          // Of a name that is claimed twice the last claim counts.
          repetitions += 1
          guard repetitions <= Self.repetitionLimit else { return false }
          stale.removeAll { $0.name == index.resources[ordinal].name }
        }
        if index.hasVersion(ordinal, version) { return true }
      } else {
        claimed.add(hash)
      }
      guard stale.count < Self.limit, let name = String(plain: name), let version = String(plain: version) else {
        return false
      }
      stale.append((name, version))
      return true
    }
    guard isRead else { return nil }
    self.stale = stale
    if let names {
      guard claimed == names.identity else { return nil }
    } else if known < index.resources.count {
      guard index.resources.count - known <= Self.limit else { return nil }
      for ordinal in index.resources.indices where seen[ordinal >> 6] & (1 << UInt64(ordinal & 63)) == 0 {
        missing.append(index.resources[ordinal].name)
      }
    }
    guard stale.count < 2 || Set(stale.lazy.map(\.name)).count == stale.count else { return nil }
  }

  /// The client subscribes to a name again: it is to be answered, whatever it has claimed.
  mutating func forget(_ name: String) {
    stale.removeAll { $0.name == name }
    missing.append(name)
    askedAnew.append(name)
  }
}

extension String {
  /// Printable ASCII; nil for anything else.
  fileprivate init?(plain bytes: UnsafeRawBufferPointer) {
    guard bytes.allSatisfy({ (0x20..<0x7F).contains($0) }) else { return nil }
    self = String(decoding: bytes, as: UTF8.self)
  }
}
