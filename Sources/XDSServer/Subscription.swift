internal import XDSSnapshot

/// What a stream has subscribed to, of one type (xDS protocol, "How the client specifies what resources to return").
struct Subscription: Sendable {
  /// Everything of the type: `*`, or an empty first request for listeners and clusters (the legacy form).
  private(set) var isWildcard = false
  /// What is subscribed to by name; a name can be there and be covered by the wildcard as well.
  private(set) var names = NameSet.empty
  /// The client has named something (or `*`) on this stream: from then on an empty list means nothing, not everything.
  private var hasNamed = false

  struct Identity: Hashable, Sendable {
    var isWildcard: Bool
    var names: NameSet.Identity
  }

  var identity: Identity { Identity(isWildcard: isWildcard, names: names.identity) }

  func covers(_ name: String) -> Bool {
    isWildcard || names.contains(name) || name.collection.map { names.contains($0) } ?? false
  }

  /// What a request changed.
  struct Change {
    /// To be answered anew, whatever the client may hold.
    var owed = Owed.nothing
    /// What the client does not hold, because it has just subscribed to it or has dropped it.
    var dropped: [String] = []
    /// The wildcard came or went: the client holds no more than what it had named.
    var dropsUnnamed = false

    var isNothing: Bool { owed.isNothing && dropped.isEmpty && !dropsUnnamed }
  }

  /// State of the world: a request carries the whole list.
  mutating func replace(
    with list: [String], isFirst: Bool, allowsLegacyWildcard: Bool, pool: NameSetPool
  ) -> Change {
    let wantsWildcard = list.contains("*")
    return replace(
      with: wantsWildcard ? pool.set(of: list.filter { $0 != "*" }) : pool.set(of: list), wantsWildcard: wantsWildcard,
      isFirst: isFirst, allowsLegacyWildcard: allowsLegacyWildcard)
  }

  /// The same for a list whose set is known.
  mutating func replace(
    with set: NameSet, wantsWildcard: Bool = false, isFirst: Bool, allowsLegacyWildcard: Bool
  ) -> Change {
    var change = Change()
    if set.identity.count == 0 && !wantsWildcard && !hasNamed {
      isWildcard = allowsLegacyWildcard
      if isFirst { change.owed = .everything }
      return change
    }
    hasNamed = true
    let old = names
    names = set
    if names !== old {
      let added = names.names.subtracting(old.names)
      change.owed.add(added)
      for name in added where !isWildcard { change.dropped.append(name) }
      if !(isWildcard && wantsWildcard) { change.dropped += old.names.subtracting(names.names) }
    }
    if wantsWildcard != isWildcard {
      isWildcard = wantsWildcard
      change.dropsUnnamed = true
      if wantsWildcard { change.owed = .everything }
    }
    if isFirst { change.owed = .everything }
    return change
  }

  /// Delta: the first request of a type, by which the client has nothing yet that it could lose.
  mutating func begin(with set: NameSet, allowsLegacyWildcard: Bool) -> Change {
    names = set
    isWildcard = set.identity.count == 0 && allowsLegacyWildcard
    return Change(owed: .everything)
  }

  /// Delta: a request adds and removes names. A name in both lists stays subscribed: a needless answer is harmless, a lost
  /// one is not.
  mutating func update(
    subscribing: [String], unsubscribing: [String], isFirst: Bool, allowsLegacyWildcard: Bool, pool: NameSetPool
  ) -> Change {
    var change = Change()
    if isFirst && subscribing.isEmpty {
      isWildcard = allowsLegacyWildcard
      change.owed = .everything
      return change
    }
    let hadWildcard = isWildcard
    if unsubscribing.contains("*") { isWildcard = false }
    // Sets: a client may give a name twice.
    let gone = Set(unsubscribing).filter { $0 != "*" && names.contains($0) }
    if !gone.isEmpty {
      names = pool.updated(names, adding: EmptyCollection(), removing: gone)
      if isWildcard {
        // Still covered by the wildcard: the client cannot know whether it is to keep it until it is told.
        change.owed.add(gone)
      } else {
        change.dropped = Array(gone)
      }
    }
    if subscribing.contains("*") {
      isWildcard = true
      change.owed = .everything
    }
    let wanted = Set(subscribing).subtracting(["*"])
    if !wanted.isEmpty {
      if !hadWildcard || !isWildcard { change.dropped += wanted.filter { !names.contains($0) } }
      names = pool.updated(names, adding: wanted, removing: EmptyCollection())
      change.owed.add(wanted)
    }
    change.dropsUnnamed = hadWildcard != isWildcard
    if isFirst { change.owed = .everything }
    return change
  }
}

/// What a stream must be answered with even if the client may hold it already.
enum Owed: Sendable {
  case nothing
  case names(Set<String>)
  /// The whole subscription.
  case everything

  var isNothing: Bool { if case .nothing = self { true } else { false } }

  func contains(_ name: String) -> Bool {
    switch self {
    case .nothing: false
    case .names(let names): names.contains(name)
    case .everything: true
    }
  }

  mutating func add(_ more: some Collection<String>) {
    guard !more.isEmpty else { return }
    switch self {
    case .nothing: self = .names(Set(more))
    case .names(var names):
      // In place: no other reference to the set is left.
      self = .nothing
      names.formUnion(more)
      self = .names(names)
    case .everything: break
    }
  }

  /// O(these).
  mutating func remove(_ gone: [String]) {
    guard !gone.isEmpty, case .names(var names) = self else { return }
    self = .nothing
    for name in gone { names.remove(name) }
    if !names.isEmpty { self = .names(names) }
  }

  mutating func add(_ name: String) { add(CollectionOfOne(name)) }

  /// Equal for equal content.
  enum Identity: Hashable, Sendable {
    case nothing
    case names(NameSet.Identity)
    case everything
  }

  var identity: Identity {
    switch self {
    case .nothing: return .nothing
    case .everything: return .everything
    case .names(let names):
      var identity = NameSet.Identity()
      for name in names { identity.add(name) }
      return .names(identity)
    }
  }
}
