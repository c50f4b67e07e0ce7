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

    mutating func forget(_ name: String) {
      versions[name] = nil
      comparison?.forget(name)
    }
  }

  let type: ResourceType
  var isRequested = false
  /// State of the world: a request was passed over for its stale nonce; the next one repeats its subscription.
  var awaitsSubscription = false
  var subscription = Subscription()
  var claims: Claims?
  /// What the client holds, for the names that it subscribes to; other names are of no meaning.
  var acked = ResourceTable()
  var owed = Owed.nothing
  var inFlight: InFlight?
  var lastNonce: Nonce?
  var quarantine: Quarantine?
  /// State of the world: the client holds something from an earlier stream that this process cannot tell.
  var holdsUnknown = false
  /// State of the world: the client came with endpoints, and no version says which; until it has confirmed others.
  var holdsUntold = false
  /// Names whose entry in `acked` may be a claim without content (routes and listeners only).
  var claimed: Set<String> = []
  var held: [HeldItem] = []
  /// The newest generation of which the client has confirmed to hold all.
  var converged: UInt64 = 0
  /// The newest generation of which the client has confirmed to hold all but what was held back then, `unproven`.
  var answered: UInt64 = 0
  var unproven: [HeldItem] = []
  /// It has asked for names since then, that it had not asked for, or had dropped.
  var asksForMore = false
  var rejection: Rejection?
  var counts = Counts()

  init(_ type: ResourceType) { self.type = type }

  /// The client holds all of a generation, but for what is held back.
  mutating func confirm(_ generation: UInt64, isComplete: Bool) {
    if isComplete { converged = generation }
    answered = generation
    holdsUntold = false
    if owed.isNothing { asksForMore = false }
    if !(unproven.isEmpty && held.isEmpty) { unproven = held }
  }

  struct Counts: Sendable {
    var responses: UInt64 = 0
    var resources: UInt64 = 0
    var removed: UInt64 = 0
    var acks: UInt64 = 0
    var nacks: UInt64 = 0
    var stale: UInt64 = 0
  }

  /// Applies what a request changed in the subscription to what the client holds, or will hold.
  mutating func apply(_ change: Subscription.Change) {
    owed.merge(change.owed)
    if !change.owed.isNothing { asksForMore = true }
    // Asked for while a response was in flight, and given up before the next.
    if change.dropsUnnamed || !change.dropped.isEmpty { owed.keep { subscription.covers($0) } }
    if change.dropsUnnamed {
      acked = acked.restricted(to: subscription.names)
      if let table = inFlight?.table { inFlight?.table = table.restricted(to: subscription.names) }
    }
    for name in change.dropped {
      acked.remove(name)
      inFlight?.table.remove(name)
    }
    let unsubscribed = change.dropped.filter { !subscription.covers($0) }
    guard quarantine != nil, !unsubscribed.isEmpty || change.dropsUnnamed else { return }
    quarantine?.forget { !subscription.covers($0) }
    if quarantine?.isOver ?? false { quarantine = nil }
  }

  /// Whether something of this type that the client holds, will hold, or may hold names the cluster. For routes and
  /// listeners. O(1) for a wildcard, O(names) otherwise.
  func mayReference(_ cluster: String, in current: ResourceTable?) -> Bool {
    if holdsUnknown || !claimed.isEmpty { return true }
    return references(cluster, in: acked) || current.map { references(cluster, in: $0) } ?? false
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
    return subscription.names.names.contains { table[$0]?.references(cluster) ?? false }
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
