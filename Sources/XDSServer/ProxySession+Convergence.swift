internal import XDSSnapshot

/// A generation, and what of it matters.
struct LiveGoal: Sendable {
  /// At least 1: 0 stands for none in what streams keep.
  var generation: UInt64
  /// The generation, or a newer one.
  var snapshot: Generation
  var concerns: (@Sendable (String) -> Bool)?
}

// What a client has proven by its answers. Nothing is kept for it but two numbers for each type, so that it costs nothing
// while nobody asks: `converged`, and `answered` with what was held back then (`TypeSession.unproven`).
extension ProxySession {
  /// The newest generation that is live on the client without any doubt; 0 if that is to be looked at (`isLive`). O(1).
  var proven: UInt64 {
    guard generation != nil, unasked == nil else { return 0 }
    var oldest = UInt64.max
    for session in types where session.isRequested {
      guard session.claims == nil, session.owed.isNothing, session.inFlight == nil, !session.awaitsSubscription,
        !session.asksForMore
      else { return 0 }
      oldest = min(oldest, converged(session.type))
    }
    guard oldest < .max, coldCluster(nil) == nil else { return 0 }
    return oldest
  }

  /// Whether the generation is live on the client. O(1) for most; O(what differs) where some of it is held back, or where some
  /// of it does not matter.
  func isLive(_ goal: LiveGoal) -> Bool {
    if proven >= goal.generation { return true }
    var isLive = true
    forEachObstacle(to: goal) { _ in
      isLive = false
      return false
    }
    return isLive
  }

  /// The newest generation that the client has accepted in all that it has asked for; 0 for none.
  var confirmed: UInt64 { types.lazy.filter(\.isRequested).map { converged($0.type) }.min() ?? 0 }

  /// Why the generation is not live on the client; ends when the body returns false.
  func forEachObstacle(to goal: LiveGoal, _ body: (ConvergenceObstacle) -> Bool) {
    guard let generation, generation.number >= goal.generation, types.contains(where: \.isRequested) else {
      _ = body(.unconfigured)
      return
    }
    if let unasked, !body(.unasked(unasked)) { return }
    for type in ResourceType.allCases where types[type.rawValue].isRequested {
      guard forEachObstacle(of: type, to: goal, body) else { return }
    }
    if let cluster = coldCluster(goal) { _ = body(.cold(cluster: cluster)) }
  }

  /// A type that the client has not asked for and needs: routes name clusters; and who has just come will ask for listeners and
  /// routes, or may go on with those that it had. (Envoy asks for them last. One that has frozen comes back without its
  /// clusters.) Once it has accepted clusters of two generations without asking, it does not use them.
  private var unasked: ResourceType? {
    guard scope == .aggregated else { return nil }
    if !types[ResourceType.cluster.rawValue].isRequested {
      return ResourceType.naming.contains { types[$0.rawValue].isRequested } ? .cluster : nil
    }
    return hasStarted ? nil : [.listener, .route].first { !types[$0.rawValue].isRequested }
  }

  /// A cluster that is not warm on the client though it has accepted it: one of the goal, or one that its routes or listeners
  /// name. Without a goal, any.
  private func coldCluster(_ goal: LiveGoal?) -> String? {
    let clusters = types[ResourceType.cluster.rawValue]
    guard clusters.isRequested else { return nil }
    for name in unbacked where warm[name] == nil && clusters.subscription.covers(name) && goal?.concerns?(name) ?? true
    {
      for type in ResourceType.naming {
        let session = types[type.rawValue]
        if session.isRequested && session.references(name, in: session.acked) { return name }
      }
    }
    guard warm.contentHash != clusters.acked.contentHash else { return nil }
    for entry in shared.change(from: warm, to: clusters.acked).entries where entry.old == nil {
      guard clusters.subscription.covers(entry.name) else { continue }
      guard let goal else { return entry.name }
      guard goal.concerns?(entry.name) ?? true else { continue }
      if goal.snapshot.clusters[entry.name] != nil { return entry.name }
      for type in ResourceType.naming {
        let session = types[type.rawValue]
        if session.isRequested && session.references(entry.name, in: session.acked) { return entry.name }
      }
    }
    return nil
  }

  /// - Returns: false if the body did.
  private func forEachObstacle(
    of type: ResourceType, to goal: LiveGoal, _ body: (ConvergenceObstacle) -> Bool
  ) -> Bool {
    let session = types[type.rawValue]
    guard session.claims == nil, session.owed.isNothing, !session.awaitsSubscription else { return body(.unsent(type)) }
    let flight = session.inFlight
    if let flight, flight.generation <= goal.generation && concerns(flight, goal) {
      return body(.unanswered(type, generation: flight.generation))
    }
    guard converged(session.type) < goal.generation || session.asksForMore, lacks(type, of: goal) else { return true }
    if let flight, !body(.unanswered(type, generation: flight.generation)) { return false }
    for item in session.held.prefix(32) where !body(.held(type, item)) { return false }
    return flight == nil && session.held.isEmpty ? body(.unsent(type)) : true
  }

  private func concerns(_ flight: TypeSession.InFlight, _ goal: LiveGoal) -> Bool {
    guard let concerns = goal.concerns else { return true }
    let plan = flight.plan
    switch plan.type {
    // The names of collections are no clusters'.
    case .loneEndpoint: return true
    case .cluster, .endpoint: return plan.names.contains(where: concerns)
    case .listener, .route, .virtualHost:
      let change = shared.change(from: types[plan.type.rawValue].acked, to: flight.table)
      return change.entries.count > Self.manyEntries || change.entries.contains { self.concerns($0, plan.type, goal) }
    }
  }

  /// Who is so far behind lacks what matters, too, as far as anybody cares to look.
  private static let manyEntries = 4096

  /// Whether the client does without something of a type that matters.
  private func lacks(_ type: ResourceType, of goal: LiveGoal) -> Bool {
    let session = types[type.rawValue]
    guard let now = table(type, goal.snapshot) else {
      // Its class is newer than the snapshot, and so is all that it is sent.
      return goal.snapshot.classes[proxyClass] == nil
    }
    // What the client refuses counts as held there.
    if session.holdsUnknown || hasDoubtful(session, goal) { return true }
    // It has come back with the version that it accepted last, and may have taken parts of what it refused since then; or with
    // endpoints of which no version tells.
    if session.holdsUntold { return true }
    if session.acked.contentHash == now.contentHash { return false }
    let isAnswered = answered(session.type) >= goal.generation && !session.asksForMore
    if !isAnswered && goal.concerns == nil { return true }
    if isAnswered && goal.concerns == nil {
      return session.unproven.contains { item in
        guard session.subscription.covers(item.resource) else { return false }
        return isBehind(session.acked[item.resource], now[item.resource], part: item.part)
      }
    }
    let change = shared.change(from: session.acked, to: now)
    guard change.entries.count <= Self.manyEntries else { return true }
    return change.entries.contains { entry in
      session.subscription.covers(entry.name) && concerns(entry, type, goal)
        && (!isAnswered || session.unproven.contains { $0.resource == entry.name })
    }
  }

  /// Whether the client may have something of a response that it refused, which it is to be told again.
  private func hasDoubtful(_ session: TypeSession, _ goal: LiveGoal) -> Bool {
    guard let quarantine = session.quarantine, !quarantine.doubtful.isEmpty else { return false }
    return quarantine.doubtful.contains { name in
      // That it is gone tells nothing of what it named.
      guard let old = session.acked[name] ?? quarantine.refused[name] else {
        return session.type.namesClusters || goal.concerns?(name) ?? true
      }
      return concerns(.init(old: old, new: quarantine.refused[name]), session.type, goal)
    }
  }

  private func isBehind(_ held: Resource?, _ now: Resource?, part: String?) -> Bool {
    guard held?.contentHash != now?.contentHash else { return false }
    guard let part, let held, let now else { return true }
    guard let heldParts = held.fragments, let parts = now.fragments, heldParts.count == parts.count else { return true }
    return zip(heldParts, parts).contains { $0[part]?.contentHash != $1[part]?.contentHash }
  }

  private func concerns(_ entry: TableChange.Entry, _ type: ResourceType, _ goal: LiveGoal) -> Bool {
    guard let concerns = goal.concerns else { return true }
    switch type {
    case .loneEndpoint: return true
    case .cluster, .endpoint: return concerns(entry.name)
    case .listener, .virtualHost, .route:
      if entry.old?.isClaim ?? false { return true }
      // A table that it has dropped and asked for again: it may use what it had until that is answered.
      if type == .route && entry.old == nil { return true }
      if let old = entry.old?.fragments, let new = entry.new?.fragments, old.count == new.count {
        return zip(old, new).contains { old, new in
          var isConcerned = false
          PersistentTree.changes(from: old.tree, to: new.tree) { before, after in
            for fragment in [before, after] {
              if fragment?.references.contains(where: concerns) ?? false { isConcerned = true }
            }
          }
          return isConcerned
        }
      }
      return entry.old?.references(anyOf: concerns) ?? false || entry.new?.references(anyOf: concerns) ?? false
    }
  }

  /// What the client refuses of what it is to have now.
  var refusals: [RefusedResource] {
    types.flatMap { session -> [RefusedResource] in
      guard let quarantine = session.quarantine, let rejection = session.rejection else { return [] }
      let names = quarantine.blocked.isEmpty ? rejection.resources : quarantine.blocked.keys.sorted()
      return names.map { name in
        RefusedResource(
          type: session.type, resource: name,
          parts: Self.differingParts(session.acked[name], quarantine.refused[name]), reason: rejection.message,
          generation: rejection.generation)
      }
    }
  }

  private static func differingParts(_ held: Resource?, _ refused: Resource?) -> [String] {
    guard let parts = refused?.fragments else { return [] }
    let before = held?.fragments ?? []
    var names: [String] = []
    for (index, part) in parts.enumerated() {
      let old = index < before.count ? before[index].tree : .init()
      PersistentTree.changes(from: old, to: part.tree) { before, after in
        if names.count < 16, let key = (after ?? before)?.key { names.append(key) }
      }
    }
    return names.sorted()
  }
}

extension Resource {
  /// The parts of a resource that is put together from them.
  var fragments: [ReferencedTree<Fragment>]? {
    if case .fragments(_, let parts) = body { parts } else { nil }
  }

  /// Whether it, or a part of it, names a cluster of these. O(references).
  func references(anyOf clusters: (String) -> Bool) -> Bool {
    if references.contains(where: clusters) { return true }
    return fragments?.contains { part in
      var isFound = false
      part.tree.forEach { isFound = isFound || $0.references.contains(where: clusters) }
      return isFound
    } ?? false
  }
}
