internal import NIOCore
internal import Synchronization
internal import XDSSnapshot

/// The proxies that were connected lately and are not now.
///
/// Whoever loses its stream goes on with what it holds, so it is no proof of anything that it is not there to ask. What it was
/// known to hold is remembered until it comes back, or for a time after which it is taken to be gone: a few hundred bytes,
/// whatever it had subscribed to. Of a client that never took anything nothing is.
final class Departures: Sendable {
  struct Departed: Sendable {
    var identity: ProxyIdentity
    /// The newest generation that it had confirmed in all that it has; 0 where that is not known.
    var confirmed: UInt64
    /// What it holds: the generation, when it had confirmed that and nothing else was on its way.
    var held: Generation?
    var since: NIODeadline

    /// Whether the goal's generation was live there, or one that says the same to it. O(1). What does not concern the goal counts
    /// here, too: to tell it apart the session would have to be kept.
    func isLive(_ goal: LiveGoal) -> Bool {
      confirmed >= goal.generation
        || held.map { goal.snapshot.changedTypes(since: $0, for: identity.proxyClass).isEmpty } ?? false
    }
  }

  /// What is known of a client when its stream ends.
  struct Parting: Sendable {
    /// It has accepted something, or has come with something.
    var holdsSomething = false
    /// It was sent something on this stream.
    var wasSent = false
    var confirmed: UInt64 = 0
    var held: Generation?
  }

  private struct Open {
    var streams = 0
    /// What was known when the first of them opened.
    var before: Departed?
  }

  private struct State {
    var open: [ProxyIdentity.Key: Open] = [:]
    var departed = DepartureList(limit: Departures.limit)
    var watches: [ConvergenceWatch] = []

    mutating func forget(_ key: ProxyIdentity.Key) -> Departed? {
      guard let departed = departed.remove(key) else { return nil }
      for watch in watches { watch.returned(key) }
      return departed
    }
  }

  /// More than these are not remembered: then one is forgotten that left early (`DepartureList`).
  static let limit = 1024

  private let memory: TimeAmount
  private let state = Mutex(State())

  /// - Parameter memory: how long.
  init(memory: TimeAmount) { self.memory = memory }

  func opened(_ identity: ProxyIdentity) {
    state.withLock { state in
      if let departed = state.forget(identity.key) { state.open[identity.key, default: Open()].before = departed }
      state.open[identity.key, default: Open()].streams += 1
    }
  }

  /// A stream has closed. One of several of a proxy leaves nothing behind. One on which the proxy took nothing changes nothing:
  /// what was known before is known again.
  ///
  /// - Parameter parting: nil if nothing came of the stream.
  func closed(_ identity: ProxyIdentity, _ parting: Parting?, at now: NIODeadline) {
    state.withLock { state in
      let key = identity.key
      if let open = state.open[key], open.streams > 1 {
        state.open[key]?.streams -= 1
        return
      }
      var departed = state.open.removeValue(forKey: key)?.before
      departed?.since = now
      if let parting, parting.wasSent { departed?.held = nil }
      if let parting, parting.holdsSomething {
        departed = Departed(identity: identity, confirmed: parting.confirmed, held: parting.held, since: now)
      }
      guard let departed else { return }
      if let forgotten = state.departed.add(departed) {
        for watch in state.watches { watch.returned(forgotten.identity.key) }
      }
      for watch in state.watches where watch.contains(departed.identity) && !watch.goal.isMet(by: departed) {
        watch.disconnected(key)
      }
    }
  }

  /// Forgets those that have been away for too long. O(these).
  func forget(at now: NIODeadline) {
    state.withLock { state in
      while let first = state.departed.first, first.since + memory <= now { _ = state.forget(first.identity.key) }
    }
  }

  func add(_ watch: ConvergenceWatch) {
    state.withLock { state in
      state.watches.append(watch)
      for departed in state.departed.values where watch.contains(departed.identity) && !watch.goal.isMet(by: departed) {
        watch.disconnected(departed.identity.key)
      }
    }
  }

  func remove(_ watch: ConvergenceWatch) { state.withLock { $0.watches.removeAll { $0 === watch } } }

  /// Asks all anew.
  func visit(_ watch: ConvergenceWatch) {
    state.withLock { state in
      for departed in state.departed.values where watch.contains(departed.identity) {
        let key = departed.identity.key
        if watch.goal.isMet(by: departed) { watch.returned(key) } else { watch.disconnected(key) }
      }
    }
  }

  /// In the order in which they left.
  var all: [Departed] { state.withLock { $0.departed.values } }
}

extension ProxySession {
  /// What is to be remembered of the client once its stream is closed. O(1). Where it would take a closer look nothing counts as
  /// confirmed.
  var parting: Departures.Parting {
    var parting = Departures.Parting(
      holdsSomething: hasReturned || types.contains { $0.counts.acks > 0 },
      wasSent: types.contains { $0.counts.responses > 0 })
    let clusters = types[ResourceType.cluster.rawValue]
    guard let generation, !clusters.isRequested || warm.contentHash == clusters.acked.contentHash else {
      return parting
    }
    // A response that is not answered takes away nothing of what was confirmed before it.
    let flights = types.compactMap(\.inFlight?.generation) + (withdrawal.map { [$0.original.generation] } ?? [])
    var answered = self
    for type in ResourceType.allCases where self[type].inFlight != nil { answered[type].inFlight = nil }
    parting.confirmed = flights.reduce(answered.proven) { min($0, max($1, 1) - 1) }
    if flights.isEmpty && parting.confirmed == generation.number && !types.contains(where: { $0.quarantine != nil }) {
      parting.held = generation
    }
    return parting
  }
}
