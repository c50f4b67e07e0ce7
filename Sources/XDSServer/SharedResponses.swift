internal import GRPCTransport
internal import NIOCore
internal import Synchronization
internal import XDSSnapshot

/// What streams in the same state share: differences of tables, tables composed for a proxy that waits, and responses.
///
/// All of it is derived and keyed by content, so it may be forgotten at any time. What was not used since the last two
/// publications is, and sooner what is beyond a budget of bytes. Nothing is computed under the lock: two streams may
/// compute the same at the same time, and one of the results is kept.
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
    var changes = AgingCache<ChangeKey, TableChange>(limit: 512, budget: 16 << 20)
    var targets = AgingCache<ContentHash, Target>(limit: 256, budget: 16 << 20)
    var plans = AgingCache<ResponsePlan.Key, ResponsePlan>(limit: 256, budget: 16 << 20)
    /// Large plans that one stream has needed: most are its alone, so they are kept from the second time on.
    var seenPlans = AgingCache<ResponsePlan.Key, Bool>(limit: 256, budget: .max)
    var indices = AgingCache<ContentHash, TableIndex>(limit: 8, budget: 32 << 20)
    var messages = EncodingLedger(budget: SharedResponses.encodingBudget)
    /// What clients were sent and may claim to hold when they come back.
    var sentResources = SentResources(limit: 512)
    var sentTables = History<ResourceTable>(limit: 128)
    var refusedAfter = History<Bool>(limit: 128)
    var rememberedResources = SentResources(limit: 8192)
    var rememberedTables = History<ResourceTable>(limit: 1024)
    var encodings: UInt64 = 0
    /// What was kept of what was sent, and is let go of when there is no lock.
    var forgotten: [any Sendable] = []

    mutating func takeForgotten() -> [any Sendable] {
      var list: [any Sendable] = []
      swap(&list, &forgotten)
      changes.takeForgotten(into: &list)
      targets.takeForgotten(into: &list)
      plans.takeForgotten(into: &list)
      seenPlans.takeForgotten(into: &list)
      indices.takeForgotten(into: &list)
      return list
    }
  }

  /// Bytes of encoded responses that are kept for further streams.
  static let encodingBudget = 64 << 20
  /// The cost of a plan that is kept at once.
  private static let largePlan = 1 << 20

  private let state = Mutex(State())
  let names: NameSetPool
  /// What clients came with that is not what is served, one copy of each.
  let claims = WeakPool<ClaimDifference.Identity, HeldClaims>(fewest: 64)
  /// What names and messages are charged to.
  let memory: BufferAccount
  private let stub: @Sendable (ResourceType, String) -> Resource

  /// - Parameter stub: a resource of this type (an assignment or a route table) that has a name and nothing else.
  init(memory: BufferAccount = BufferAccount(), stub: @escaping @Sendable (ResourceType, String) -> Resource) {
    self.memory = memory
    self.stub = stub
    names = NameSetPool(memory: memory)
  }

  /// Adds to the caches under the lock. What they forget on the way, and have forgotten since the last time, is let go of after it.
  private func withCaches<Result: Sendable>(_ body: (inout State) -> Result) -> Result {
    let (result, forgotten) = state.withLock { (body(&$0), $0.takeForgotten()) }
    withExtendedLifetime(forgotten) {}
    return result
  }

  /// The difference of two tables. O(1) when it is known.
  func change(from: ResourceTable, to: ResourceTable) -> TableChange {
    if from.contentHash == to.contentHash { return .none }
    let key = ChangeKey(from: from.contentHash, to: to.contentHash)
    if let known = state.withLock({ $0.changes.known(key) }) { return known }
    let change = TableChange(from: from, to: to)
    return withCaches { $0.changes.insert(change, for: key, cost: 256 + change.entries.count * 32) }
  }

  /// The index of a table. O(1) when it is known.
  func index(of table: ResourceTable) -> TableIndex {
    if let known = state.withLock({ $0.indices.known(table.contentHash) }) { return known }
    let index = TableIndex(table)
    return withCaches { $0.indices.insert(index, for: table.contentHash, cost: index.cost) }
  }

  /// A table computed from what `parts` stand for.
  func target(of parts: [ContentHash], _ make: () -> Target) -> Target {
    let key = parts.dropFirst().reduce(parts[0]) { ContentHash($0, $1) }
    if let known = state.withLock({ $0.targets.known(key) }) { return known }
    let target = make()
    return withCaches { $0.targets.insert(target, for: key, cost: 1024 + target.held.count * 96) }
  }

  /// The response for a stream in a state. O(1) when another stream was in it.
  func plan(
    _ key: ResponsePlan.Key, from: ResourceTable, to: ResourceTable, subscription: Subscription, owed: Owed,
    clusters: @autoclosure () -> ResponsePlan.Clusters
  ) -> ResponsePlan {
    if let known = state.withLock({ $0.plans.known(key) }) { return known }
    let change = change(from: from, to: to)
    let plan = ResponsePlan(
      key: key, from: from, to: to, subscription: subscription, owed: owed, change: change, clusters: clusters(),
      stub: stub)
    let cost = plan.cost
    var sent: [SentResources.Item] = []
    if key.type == .route || key.type == .listener {
      // Not stubs, whose names clients make up: they would push out what other clients hold.
      for resource in plan.resources where !plan.stubs.contains(resource.name) {
        sent.append(SentResources.Item(resource, key.type))
      }
    }
    return withCaches { state in
      if let known = state.plans.known(key) { return known }
      for item in sent { state.sentResources.add(item, forgetting: &state.forgotten) }
      if key.variant == .stateOfTheWorld && key.type.isFullState && subscription.isWildcard {
        if let old = state.sentTables.add(to, of: to.contentHash) { state.forgotten.append(old) }
      }
      if cost > Self.largePlan && !subscription.isWildcard && state.seenPlans.known(key) == nil {
        _ = state.seenPlans.insert(true, for: key, cost: 0)
        return plan
      }
      return state.plans.insert(plan, for: key, cost: cost)
    }
  }

  /// The message of a response; its bytes are shared with other streams as long as the budget allows. Nil
  /// if there is no room for it.
  func framed(_ plan: ResponsePlan, _ nonce: Nonce) -> EncodedMessage? {
    if let message = framedIfRoom(plan, nonce) { return message }
    // What is kept in case another stream needs it makes room first.
    let dropped = state.withLock { $0.messages.dropAll() }
    for plan in dropped { plan.dropEncoding() }
    return framedIfRoom(plan, nonce)
  }

  private func framedIfRoom(_ plan: ResponsePlan, _ nonce: Nonce) -> EncodedMessage? {
    var made: (isEncoding: Bool, byteCount: Int)?
    let message = plan.framed(nonce, memory: memory) { made = ($0, $1) }
    guard let made else { return message }
    let dropped = state.withLock { state in
      if made.isEncoding { state.encodings += 1 }
      return state.messages.note(plan, byteCount: made.byteCount)
    }
    for plan in dropped { plan.dropEncoding() }
    return message
  }

  /// What an earlier process served, which clients may name by version.
  func remember(_ generation: Generation) {
    var items: [SentResources.Item] = []
    for tables in generation.classes.values {
      tables.listeners.tree.forEach { items.append(SentResources.Item($0, .listener)) }
      tables.routes.tree.forEach { items.append(SentResources.Item($0, .route)) }
    }
    let tables = [generation.clusters] + generation.classes.values.map(\.listeners)
    withCaches { state in
      for table in tables {
        if let old = state.rememberedTables.add(table, of: table.contentHash) { state.forgotten.append(old) }
      }
      for item in items { state.rememberedResources.add(item, forgetting: &state.forgotten) }
    }
  }

  /// A route table or listener that was sent lately, or the stub of a route table. A client that comes back names it by its
  /// version alone.
  func sentResource(_ type: ResourceType, _ name: String, version: ContentHash) -> Resource? {
    let sent = state.withLock { $0.sentResources.found(version) ?? $0.rememberedResources.found(version) }
    if let sent = sent?.resource(name, version: version) { return sent }
    guard type == .route else { return nil }
    let stub = stub(type, name)
    return stub.contentHash == version ? stub : nil
  }

  /// A whole table that was sent lately in the state of the world.
  func sentTable(version: ContentHash) -> ResourceTable? {
    state.withLock { $0.sentTables[version] ?? $0.rememberedTables[version] }
  }

  /// A client of the state of the world refused listeners or clusters; the table is what it had accepted before. It may have taken
  /// others from what it refused, and will come back with the version of this one.
  func noteRefusal(after table: ContentHash) { state.withLock { _ = $0.refusedAfter.add(true, of: table) } }

  /// Whether a client that accepted the table last may have refused another since.
  func hasNotedRefusal(after table: ContentHash) -> Bool { state.withLock { $0.refusedAfter[table] ?? false } }

  /// What was forgotten. It is let go of with this: O(what it is), which after the tables of many clusters is milliseconds.
  struct Forgotten: ~Copyable {
    fileprivate let values: [any Sendable]
    fileprivate let plans: [ResponsePlan]

    deinit {
      for plan in plans { plan.dropEncoding() }
    }
  }

  /// A generation was published, or time has passed: what belongs to before the last such time is forgotten.
  func age() -> Forgotten {
    let (values, plans) = state.withLock { state in
      state.changes.age()
      state.targets.age()
      state.plans.age()
      state.seenPlans.age()
      state.indices.age()
      return (state.takeForgotten(), state.messages.age())
    }
    return Forgotten(values: values, plans: plans)
  }

  /// How many times a response was encoded.
  var encodings: UInt64 { state.withLock { $0.encodings } }
  /// Bytes of encoded responses that are kept.
  var encodedBytes: Int { state.withLock { $0.messages.byteCount } }
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
