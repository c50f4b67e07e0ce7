internal import XDSSnapshot

/// What a stream knows of one type. All tables are shared with the generation or with other streams, so its size does not
/// depend on theirs.
///
///                   request                pump: something differs or is owed
///     not asked ───────────────▶ quiet ──────────────────────────────────────▶ in flight
///                                  ▲                                              │
///                                  │  ACK: acked = sent                           │
///                                  └──────────────────────────────────────────────┤
///                                     NACK: acked stays, the news is quarantined  │
struct TypeSession: Sendable {
  /// A response that the client has neither accepted nor refused.
  struct InFlight: Sendable {
    var nonce: Nonce
    /// What the client holds once it accepts.
    var table: ResourceTable
    var plan: ResponsePlan
    var generation: UInt64
    /// Nothing was held back: accepting this is holding the generation.
    var isComplete: Bool
    /// What was held back is all that it lacks of the generation (`TypeSession.held`).
    var lacksHeldOnly = false
    /// Counts the responses of the stream.
    var order: UInt64 = 0
    /// It takes back suspects of a response before it.
    var isWithdrawal = false
  }

  /// What the client brought along, until there is a generation to compare it with.
  struct Claims: Sendable {
    var versions: [String: String] = [:]
    /// In the place of `versions` where these have been compared already.
    var comparison: ClaimComparison?
    var versionInfo = ""
    /// The client has subscribed again since: it is answered, whatever it said that it holds.
    var isAskedAnew = false

    var isEmpty: Bool { versions.isEmpty && versionInfo.isEmpty && comparison == nil }

    /// About what one takes that has not been compared, and a name that is asked for anew.
    static let bytesPerVersion = 192

    /// Those that have not been compared, and names that are asked for anew.
    var count: Int { versions.count + (comparison?.askedAnew.count ?? 0) }

    mutating func forget(_ name: String) {
      versions[name] = nil
      comparison?.forget(name)
    }
  }

  let type: ResourceType
  var isRequested = false
  /// State of the world: a request was passed over for its stale nonce; the next one repeats its subscription.
  var awaitsSubscription = false
  /// The list of the last of these that was another one than that before it.
  @Rare var staleList: NameSet.Identity?
  /// State of the world: the client holds something from an earlier stream that this process cannot tell.
  var holdsUnknown = false
  /// State of the world: the client came with endpoints, and no version says which; or with clusters or listeners of the version
  /// that it accepted last, of which it may have taken others with a response that it refused. Until it has confirmed others, or
  /// what it came with is what it is to have.
  var holdsUntold = false
  // With a thousand streams each look is into cold memory: what a push needs lies together, and what is rare elsewhere.
  @Rare var claims: Claims?
  @Rare var quarantine: Quarantine?
  var owed = Owed.nothing
  var subscription = Subscription()
  /// What the client holds, for the names that it subscribes to; other names are of no meaning.
  var acked = ResourceTable()
  var held: [HeldItem] = []
  /// What was held back when the client last confirmed all else.
  var unproven: [HeldItem] = []
  /// It has asked for names since then, that it had not asked for, or had dropped.
  var asksForMore = false
  /// Names whose entry in `acked` may be a claim without content (routes and listeners only).
  var claimed: Set<String> = []
  /// What the client came with, where it was not what was served, for as long as anything of it may be kept.
  var heldClaims: HeldClaims?
  var inFlight: InFlight?
  var lastNonce: Nonce?
  var counts = Counts()
  @Rare var rejection: Rejection?

  init(_ type: ResourceType) { self.type = type }

  struct Counts: Sendable {
    var responses: UInt64 = 0
    var resources: UInt64 = 0
    var removed: UInt64 = 0
    var acks: UInt64 = 0
    var nacks: UInt64 = 0
    var stale: UInt64 = 0
  }

  /// What the client has, or will have once it accepts what is on its way.
  var newest: ResourceTable { inFlight?.table ?? acked }
  /// Without a copy of the table, which each push would make.
  var newestHash: ContentHash { inFlight?.table.contentHash ?? acked.contentHash }

  /// What the client came with, whether it has been adopted or not.
  var keptClaims: HeldClaims? { heldClaims ?? claims?.comparison?.claims }

  /// Bytes that are kept for this stream alone of what its client came with. O(1).
  var claimBytes: Int {
    (claims?.count ?? 0) * Claims.bytesPerVersion
      + (keptClaims?.unknownCount ?? 0) * HeldClaims.bytesPerUnknownOfStream
  }

  /// Names of which something is kept for this stream alone, for its client came with them. O(1).
  var claimedCount: Int { (claims?.count ?? 0) + (keptClaims?.unknownCount ?? 0) }

  /// Applies what a request changed in the subscription to what the client holds, or will hold.
  mutating func apply(_ change: Subscription.Change) {
    owed.merge(change.owed)
    if !change.owed.isNothing { asksForMore = true }
    // Asked for while a response was in flight, and given up before the next.
    let unsubscribed = change.dropped.filter { !subscription.covers($0) }
    // Of a name that is a collection's, others hang.
    let dropsOthers = change.dropsUnnamed || type == .loneEndpoint && unsubscribed.contains(where: \.isCollection)
    if dropsOthers { owed.keep { subscription.covers($0) } } else { owed.remove(unsubscribed) }
    if change.dropsUnnamed {
      acked = acked.restricted(to: subscription.names)
      if let table = inFlight?.table { inFlight?.table = table.restricted(to: subscription.names) }
    }
    for name in change.dropped {
      acked.remove(name)
      inFlight?.table.remove(name)
    }
    guard quarantine != nil, !unsubscribed.isEmpty || dropsOthers else { return }
    let current = subscription
    if dropsOthers { quarantine?.forget { !current.covers($0) } } else { quarantine?.forget(unsubscribed) }
    if quarantine?.isOver ?? false { quarantine = nil }
  }

  /// Whether something of this type that the client holds, will hold, or may hold names the cluster. For routes and
  /// listeners. O(1) for a wildcard, otherwise O(names), or O(resources) where these are fewer.
  func mayReference(_ cluster: String, in current: ResourceTable?) -> Bool {
    if holdsUnknown || !claimed.isEmpty { return true }
    return mayKnowinglyReference(cluster, in: current)
  }

  /// The same without what only the client knows.
  func mayKnowinglyReference(_ cluster: String, in current: ResourceTable?) -> Bool {
    references(cluster, in: acked) || current.map { references(cluster, in: $0) } ?? false
      || inFlight.map { references(cluster, in: $0.table) || $0.plan.resources.contains { $0.references(cluster) } }
        ?? false
      || quarantine.map { references(cluster, in: $0.refused) } ?? false
  }

  func references(_ cluster: String, in table: ResourceTable) -> Bool {
    if subscription.isWildcard {
      if table.references(cluster) { return true }
      guard type == .route else { return false }
      var isFound = false
      table.tree.forEach { isFound = isFound || $0.references(cluster) }
      return isFound
    }
    let names = subscription.names.names
    if names.count <= table.count { return names.contains { table[$0]?.references(cluster) ?? false } }
    var isFound = false
    table.tree.forEach { isFound = isFound || $0.references(cluster) && names.contains($0.name) }
    return isFound
  }
}

/// A refusal, as the client explained it.
public struct Rejection: Sendable, Hashable {
  public var code: Int32
  public var message: String
  /// The resources that are refused, or suspected while the client's message names none.
  public var resources: [String]
  public var nonce: String
  public var generation: UInt64
}

extension Owed {
  /// O(all that is owed); `remove` is for some names.
  mutating func keep(where isKept: (String) -> Bool) {
    guard case .names(let names) = self else { return }
    let kept = names.filter(isKept)
    self = kept.isEmpty ? .nothing : .names(kept)
  }

  mutating func merge(_ other: Owed) {
    switch other {
    case .nothing: break
    case .names(let names): add(names)
    case .everything: self = .everything
    }
  }
}
