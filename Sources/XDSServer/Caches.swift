internal import XDSSnapshot

/// A cache that forgets what was not used between two calls of `age`, and ages by itself when it is full.
///
/// It holds `limit` values and a cost of `budget`, and as much again of what was used before; one value that is beyond the
/// budget by itself is kept until the next.
struct AgingCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
  private var young: [Key: (value: Value, cost: Int)] = [:]
  private var old: [Key: (value: Value, cost: Int)] = [:]
  private var cost = 0
  /// What it has forgotten and still holds: it may take milliseconds to let go of, and whoever holds a lock does that later.
  private var forgotten: [[Key: (value: Value, cost: Int)]] = []
  private let limit: Int
  private let budget: Int

  /// - Parameter budget: in the unit of the values' costs, bytes say.
  init(limit: Int, budget: Int) {
    self.limit = limit
    self.budget = budget
  }

  mutating func known(_ key: Key) -> Value? {
    if let entry = young[key] { return entry.value }
    guard let entry = old.removeValue(forKey: key) else { return nil }
    add(entry, for: key)
    return entry.value
  }

  /// Keeps a value, unless there is one of this key already. Gives back the one that is kept.
  mutating func insert(_ value: Value, for key: Key, cost: Int) -> Value {
    if let value = known(key) { return value }
    add((value, cost), for: key)
    return value
  }

  private mutating func add(_ entry: (value: Value, cost: Int), for key: Key) {
    if young.count >= limit || (cost > 0 && cost > budget - entry.cost) { age() }
    young[key] = entry
    cost += entry.cost
  }

  mutating func age() {
    if !old.isEmpty { forgotten.append(old) }
    old = young
    young = [:]
    cost = 0
  }

  /// Gives up what it has forgotten.
  mutating func takeForgotten(into list: inout [any Sendable]) {
    guard !forgotten.isEmpty else { return }
    list.append(forgotten)
    forgotten = []
  }
}

/// Which plans hold encoded bytes. The oldest lose theirs when there are too many, and all after two publications; a
/// stream that still needs such a response has it encoded again.
struct EncodingLedger: Sendable {
  private struct Entry: Sendable {
    weak var plan: ResponsePlan?
    var byteCount: Int
    var epoch: UInt64
  }

  private var entries: [ObjectIdentifier: Entry] = [:]
  private var order: [ObjectIdentifier] = []
  private var epoch: UInt64 = 0
  private let budget: Int
  /// The bytes of all entries; some may be gone with their plan.
  private(set) var byteCount = 0

  init(budget: Int) { self.budget = budget }

  /// A plan holds this many bytes now. Gives back the plans that are to drop theirs. The newest never is.
  mutating func note(_ plan: ResponsePlan, byteCount: Int) -> [ResponsePlan] {
    let id = ObjectIdentifier(plan)
    if let known = entries[id] { self.byteCount -= known.byteCount } else { order.append(id) }
    entries[id] = Entry(plan: plan, byteCount: byteCount, epoch: epoch)
    self.byteCount += byteCount
    guard self.byteCount > budget || order.count > 4096 else { return [] }
    drop { $0.plan == nil }
    var excess = self.byteCount - budget
    return drop { entry in
      guard excess > 0, entry.plan !== plan else { return false }
      excess -= entry.byteCount
      return true
    }
  }

  /// Gives back the plans that are to drop their bytes, for a publication.
  mutating func age() -> [ResponsePlan] {
    epoch += 1
    let epoch = epoch
    return drop { $0.plan == nil || $0.epoch + 1 < epoch }
  }

  /// Gives back all plans: all are to drop their bytes.
  mutating func dropAll() -> [ResponsePlan] { drop { _ in true } }

  /// Oldest first.
  @discardableResult
  private mutating func drop(where isToGo: (Entry) -> Bool) -> [ResponsePlan] {
    var dropped: [ResponsePlan] = []
    order.removeAll { id in
      guard let entry = entries[id], isToGo(entry) else { return false }
      entries[id] = nil
      byteCount -= entry.byteCount
      if let plan = entry.plan { dropped.append(plan) }
      return true
    }
    return dropped
  }
}

/// The last values added, by their hash.
struct History<Value: Sendable>: Sendable {
  private var values: [ContentHash: Value] = [:]
  private var order: [ContentHash] = []
  private var next = 0
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  subscript(hash: ContentHash) -> Value? { values[hash] }

  /// Gives back what is forgotten for it, which may take long to let go of.
  mutating func add(_ value: Value, of hash: ContentHash) -> Value? {
    guard values.updateValue(value, forKey: hash) == nil else { return nil }
    guard order.count == limit else {
      order.append(hash)
      return nil
    }
    defer { next = (next + 1) % limit }
    let forgotten = values.removeValue(forKey: order[next])
    order[next] = hash
    return forgotten
  }
}
