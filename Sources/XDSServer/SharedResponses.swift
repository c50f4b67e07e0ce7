internal import Synchronization
internal import XDSSnapshot

/// What streams in the same state share: differences of tables, tables composed for a proxy that waits, and responses.
///
/// All of it is derived and keyed by content, so it may be forgotten at any time. What was not used since the last two
/// publications is.
final class SharedResponses: Sendable {
  /// A table as one stream should hold it now, and what in it waits.
  struct Target: Sendable {
    var table: ResourceTable
    var held: [HeldItem] = []
  }

  private struct ChangeKey: Hashable {
    var from: ContentHash
    var to: ContentHash
  }

  private struct State {
    var changes = AgingCache<ChangeKey, TableChange>(limit: 512)
    var targets = AgingCache<ContentHash, Target>(limit: 256)
    var plans = AgingCache<ResponsePlan.Key, ResponsePlan>(limit: 256)
    /// What clients were sent and may claim to hold when they come back.
    var sentRoutes = History<Resource>(limit: 512)
    var sentTables = History<ResourceTable>(limit: 128)
    var encodings: UInt64 = 0
  }

  private let state = Mutex(State())
  let names = NameSetPool()
  private let stub: @Sendable (ResourceType, String) -> Resource

  /// - Parameter stub: a resource of this type (an assignment or a route table) that has a name and nothing else.
  init(stub: @escaping @Sendable (ResourceType, String) -> Resource) { self.stub = stub }

  /// The difference of two tables. O(1) when it is known.
  func change(from: ResourceTable, to: ResourceTable) -> TableChange {
    if from.contentHash == to.contentHash { return .none }
    let key = ChangeKey(from: from.contentHash, to: to.contentHash)
    return state.withLock { $0.changes.value(key) { TableChange(from: from, to: to) } }
  }

  /// A table computed from what `parts` stand for.
  func target(of parts: [ContentHash], _ make: () -> Target) -> Target {
    let key = parts.dropFirst().reduce(parts[0]) { ContentHash($0, $1) }
    if let known = state.withLock({ $0.targets.known(key) }) { return known }
    let target = make()
    return state.withLock { $0.targets.value(key) { target } }
  }

  /// The response for a stream in a state. O(1) when another stream was in it.
  func plan(
    _ key: ResponsePlan.Key, from: ResourceTable, to: ResourceTable, subscription: Subscription, owed: Owed,
    clusters: ResponsePlan.Clusters
  ) -> ResponsePlan {
    if let known = state.withLock({ $0.plans.known(key) }) { return known }
    let change = change(from: from, to: to)
    return state.withLock { state in
      state.plans.value(key) {
        let plan = ResponsePlan(
          key: key, from: from, to: to, subscription: subscription, owed: owed, change: change, clusters: clusters,
          stub: stub)
        if key.type == .route || key.type == .listener {
          for resource in plan.resources { state.sentRoutes.add(resource, of: resource.contentHash) }
        }
        if key.variant == .stateOfTheWorld && key.type.isFullState && subscription.isWildcard {
          state.sentTables.add(to, of: to.contentHash)
        }
        return plan
      }
    }
  }

  /// A route table or listener that was sent lately. A client that comes back names it by its version alone.
  func sentResource(version: ContentHash) -> Resource? { state.withLock { $0.sentRoutes[version] } }

  /// A whole table that was sent lately in the state of the world.
  func sentTable(version: ContentHash) -> ResourceTable? { state.withLock { $0.sentTables[version] } }

  /// A generation was published: what belongs to the one before the last may go.
  func age() {
    state.withLock { state in
      state.changes.age()
      state.targets.age()
      state.plans.age()
    }
  }

  /// How many times a response was encoded.
  var encodings: UInt64 { state.withLock { $0.encodings } }
  func countEncoding() { state.withLock { $0.encodings += 1 } }
}

/// Something that a proxy does not get yet.
public struct HeldItem: Sendable, Hashable {
  public enum Reason: Sendable, Hashable {
    /// The item names a cluster that this proxy has not confirmed, with its endpoints.
    case waitsForCluster(String)
    /// A cluster that is gone stays until the proxy has confirmed routes and listeners that no longer name it.
    case inUse
    /// The proxy refused this content; it keeps the version before it.
    case refused
  }
  /// The resource.
  public var resource: String
  /// The part of the resource (a virtual host) if not all of it is held.
  public var part: String?
  public var reason: Reason

  public init(resource: String, part: String? = nil, reason: Reason) {
    self.resource = resource
    self.part = part
    self.reason = reason
  }
}

/// A cache that forgets what was not used between two calls of `age`, and halves itself when it is full.
struct AgingCache<Key: Hashable & Sendable, Value: Sendable>: Sendable {
  private var young: [Key: Value] = [:]
  private var old: [Key: Value] = [:]
  private let limit: Int

  init(limit: Int) { self.limit = limit }

  mutating func known(_ key: Key) -> Value? {
    if let value = young[key] { return value }
    guard let value = old.removeValue(forKey: key) else { return nil }
    young[key] = value
    return value
  }

  mutating func value(_ key: Key, _ make: () -> Value) -> Value {
    if let value = known(key) { return value }
    let value = make()
    if young.count >= limit { age() }
    young[key] = value
    return value
  }

  mutating func age() {
    old = young
    young = [:]
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

  mutating func add(_ value: Value, of hash: ContentHash) {
    guard values.updateValue(value, forKey: hash) == nil else { return }
    if order.count < limit {
      order.append(hash)
    } else {
      values[order[next]] = nil
      order[next] = hash
      next = (next + 1) % limit
    }
  }
}
