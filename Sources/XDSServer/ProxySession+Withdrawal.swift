internal import EnvoyAPI
internal import XDSSnapshot

// The states of a response of clusters that is not answered (`Withdrawal` says why there can be one):
//
//     in flight ──all else answered──▶ watched ──patience──▶ withdrawing ──patience──▶ … ──▶ all of it is withdrawn
//                                         ▲                      │ any answer: over                 │ patience, and
//                                         └──something is sent───┘                                  ▼ something newer
//                                                                                   the newest state, in flight
extension ProxySession {
  /// A deadline for the answer to the clusters in flight.
  struct Watch: Sendable {
    var nonce: Nonce
    var deadline: Duration
    var groups: [[Resource]]
    /// What is to be taken back before any of them.
    var traces: [String] = []
  }

  /// When `pump` is to be called next if nothing happens before; nil while nothing is waited for that could be overdue.
  var wakeUp: Duration? { watch?.deadline }

  /// Looks whether the client owes nothing but the answer to its clusters, and since when. O(1) while it owes more, and
  /// while it is known; else O(resources in flight).
  mutating func watchClusters(at now: () -> Duration, _ generation: Generation) {
    // Clusters in flight are looked at each time.
    guard attention.contains(.cluster), scope == .aggregated, let flight = self[.cluster].inFlight,
      owesOnlyClusters(flight)
    else {
      if watch != nil { watch = nil }
      return
    }
    if watch?.nonce == flight.nonce { return }
    watch = nil
    var (groups, isSlow) = (withdrawal?.remaining ?? [], false)
    if withdrawal == nil {
      guard let suspects = suspects(in: flight, generation) else { return }
      (groups, isSlow) = suspects
    }
    let traces = withdrawal == nil ? traces(beside: flight, generation) : []
    guard !groups.isEmpty || !traces.isEmpty || isOutdated(flight, generation) else { return }
    watch = Watch(
      nonce: flight.nonce, deadline: now() + (isSlow ? patience.long : patience.normal), groups: groups, traces: traces)
  }

  /// Clusters of a response that the client refused, which have gone since and could not be taken back because something might
  /// have named them. Now nothing does; and one of them may be what keeps the client silent. And clusters that the client holds in
  /// the version before the one that it refused: these it is given once more.
  private func traces(beside flight: TypeSession.InFlight, _ generation: Generation) -> [String] {
    let clusters = types[ResourceType.cluster.rawValue]
    // In the state of the world they are gone for the client, too, when a response does without them.
    guard variant == .delta, let quarantine = clusters.quarantine else { return [] }
    return quarantine.doubtful.filter { name in
      guard clusters.subscription.covers(name), !flight.plan.names.contains(name) else { return false }
      if let old = clusters.acked[name] { return !old.isClaim && flight.table[name]?.contentHash == old.contentHash }
      return flight.table[name] == nil && mayTakeBack(name, generation, isSilent: true)
    }.sorted()
  }

  /// Something that the client is silent about has other content now, or none. O(resources in flight).
  private func isOutdated(_ flight: TypeSession.InFlight, _ generation: Generation) -> Bool {
    let flight = withdrawal?.original ?? flight
    return flight.generation < generation.number
      && flight.plan.news.contains { generation.clusters[$0.name]?.contentHash != $0.contentHash }
  }

  /// The client has asked for endpoints, and has got and answered what it asked for.
  private func owesOnlyClusters(_ flight: TypeSession.InFlight) -> Bool {
    let endpoints = types[ResourceType.endpoint.rawValue]
    let lone = types[ResourceType.loneEndpoint.rawValue]
    return lone.inFlight == nil && lone.owed.isNothing && endpoints.isRequested && endpoints.inFlight == nil
      && endpoints.owed.isNothing && endpoints.claims == nil
      && !endpoints.awaitsSubscription && endpointsAsOf.contentHash == flight.table.contentHash
  }

  /// Whom to suspect. Nil while the client waits for endpoints that it has not got, or has shown by nothing that it has read
  /// the clusters.
  private func suspects(
    in flight: TypeSession.InFlight, _ generation: Generation
  ) -> (groups: [[Resource]], isSlow: Bool)? {
    let endpoints = types[ResourceType.endpoint.rawValue]
    let clusters = types[ResourceType.cluster.rawValue]
    var silent: [Resource] = []
    var others: [Resource] = []
    var isSlow = false
    // All goes over one stream, in order: a client that has answered what was sent later has read the clusters.
    var hasRead = lastAnswered > flight.order
    for cluster in flight.plan.news {
      let old = clusters.acked[cluster.name]
      // What has gone again in the meantime, or is what the client holds, is not to blame.
      guard flight.table[cluster.name] != nil, old?.contentHash != cluster.contentHash else { continue }
      // One that is gone from the generation is to be taken back anyhow.
      let isGone = generation.clusters[cluster.name] == nil
      guard isGone || generation.endpoints[cluster.name] != nil else {
        isSlow = true
        continue
      }
      if endpoints.subscription.covers(cluster.name) {
        guard isGone || endpoints.acked[cluster.name] != nil else { return nil }
        hasRead = true
      }
      // What the client holds of it is not known, so it could not be given back.
      if clusters.holdsUnknown || old?.isClaim ?? false { continue }
      // It is built, for the client has asked for its endpoints, and its routes may use it already: routes can name a cluster
      // before it is there, where the server did not know them.
      if old == nil, endpoints.subscription.covers(cluster.name),
        !mayWithdraw(cluster.name, generation, isHeldBack: true)
      {
        continue
      }
      if old == nil && !endpoints.subscription.covers(cluster.name) {
        silent.append(cluster)
      } else {
        others.append(cluster)
      }
    }
    return hasRead ? (Withdrawal.groups(silent: silent, others: others), isSlow) : nil
  }

  /// Takes back the next group of suspects if the time is over. The response follows one that is not answered: the only
  /// case of two in flight.
  mutating func withdraw(at now: () -> Duration, _ generation: Generation) -> Response? {
    guard let watch, now() >= watch.deadline, let flight = self[.cluster].inFlight, flight.nonce == watch.nonce else {
      return nil
    }
    self.watch = nil
    if !watch.traces.isEmpty {
      withdrawal = Withdrawal(of: flight, groups: watch.groups)
      let plan = plan(
        .cluster, from: flight.table, to: flight.table, owed: .names(Set(watch.traces)))
      // What is given once more warms again.
      for cluster in plan.resources { endpointsAsOf.remove(cluster.name) }
      var response = send(plan, flight.table, generation, isComplete: false)
      self[.cluster].inFlight?.isWithdrawal = true
      response.suspects = watch.traces
      return response
    }
    guard !watch.groups.isEmpty else {
      abandon(flight)
      return nil
    }
    var withdrawal = withdrawal ?? Withdrawal(of: flight, groups: watch.groups)
    let group = withdrawal.advance()
    self.withdrawal = withdrawal
    var table = flight.table
    for cluster in group {
      if let old = self[.cluster].acked[cluster.name] {
        table.set(old)
        // It warms again where it takes the place of what is withdrawn.
        endpointsAsOf.remove(cluster.name)
      } else {
        table.remove(cluster.name)
        endpointsAsOf.remove(cluster.name)
      }
    }
    let plan = plan(.cluster, from: flight.table, to: table, owed: .nothing)
    var response = send(plan, table, generation, isComplete: false)
    self[.cluster].inFlight?.isWithdrawal = true
    response.suspects = group.map(\.name).sorted()
    self[.cluster].rejection = Rejection(
      code: 4, message: Self.withdrawalReason, resources: response.suspects, nonce: withdrawal.original.nonce.text,
      generation: withdrawal.original.generation)
    return response
  }

  /// There is nothing (more) to take back, but something newer to say: it is said over what is not answered, for it may be
  /// what the client needs to go on. At most once for a publication.
  private mutating func abandon(_ flight: TypeSession.InFlight) {
    let original = withdrawal?.original ?? flight
    withdrawal = nil
    self[.cluster].inFlight = nil
    // What of it is said again needs its endpoints again.
    endpointsAsOf = self[.cluster].acked
    var quarantine = self[.cluster].quarantine ?? Quarantine(refused: original.table)
    quarantine.leave(original.plan, table: original.table, isTrial: !original.isWithdrawal)
    if original.nonce != flight.nonce { quarantine.leave(flight.plan, table: flight.table, isTrial: false) }
    self[.cluster].quarantine = quarantine
  }

  static let withdrawalReason =
    "withdrawn: the proxy has answered everything but its clusters for too long; it may have failed to build one of them"

  // MARK: Answers

  /// The response that was not answered is, while the withdrawal is on its way.
  mutating func settleOriginal(_ error: ErrorDetail?) -> Receipt {
    guard var original = withdrawal?.original else { return .stale }
    withdrawal = nil
    watch = nil
    original.isComplete = false
    original.lacksHeldOnly = false
    guard let error else {
      // All of it is good after all. What was withdrawn is given back once the client has accepted that.
      patience.grow()
      accept(original, .cluster)
      return .ack
    }
    refuse(original, error, .cluster)
    // What the withdrawal changes is what was held before. (In the state of the world it says all that there is.)
    if variant == .delta, let table = self[.cluster].inFlight?.table {
      let held = self[.cluster].acked
      let awaited = shared.change(from: endpointsAsOf, to: table)
      self[.cluster].inFlight?.table = held
      endpointsAsOf = held
      for entry in awaited.entries { endpointsAsOf.remove(entry.name) }
    }
    return .nack
  }

  /// The withdrawal is answered and the response before it never was, as the state of the world does it: its client answers
  /// the last response only, but with the words that it had for the one before.
  mutating func settleWithdrawal(_ flight: TypeSession.InFlight, _ withdrawal: Withdrawal, _ error: ErrorDetail?)
    -> Receipt
  {
    self.withdrawal = nil
    if let error {
      refuse(withdrawal.original, error, .cluster)
      return .nack
    }
    // As far as it was a trial of the quarantine, the rest of it has passed.
    let isFullState = variant == .stateOfTheWorld
    self[.cluster].quarantine?.accepted(withdrawal.original.plan, table: flight.table, isFullState: isFullState)
    var quarantine = self[.cluster].quarantine ?? Quarantine(refused: withdrawal.original.table)
    let blamed = quarantine.suspect(withdrawal.withdrawn)
    self[.cluster].quarantine = quarantine
    if !blamed.isEmpty { self[.cluster].rejection?.resources = blamed }
    accept(flight, .cluster)
    return .ack
  }
}
