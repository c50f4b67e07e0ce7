internal import NIOCore
internal import Synchronization
internal import XDSSnapshot

/// The proxies that were connected lately and are not now.
///
/// Whoever loses its stream goes on with what it holds, so it is no proof of anything that it is not there to ask. What it was
/// known to hold is remembered until it comes back, or for a time after which it is taken to be gone: a few hundred bytes,
/// whatever it had subscribed to. Of a client that never took anything nothing is.
///
/// Those that have taken something are *known*, while they are connected and while they are remembered; whoever keeps them across
/// a restart is told of each that becomes known, and of each that is not any longer.
final class Departures: Sendable {
  struct Departed: Sendable {
    var identity: ProxyIdentity
    /// The newest generation that it had confirmed in all that it has; 0 where that is not known.
    var confirmed: UInt64
    /// What it holds: the generation, when it had confirmed that and nothing else was on its way.
    var held: Generation?
    var since: NIODeadline
    /// The process before this one has known it, and this one has not seen it yet.
    var isFromBefore = false

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
    /// As whoever keeps it was told; nil while it has taken nothing.
    var known: KnownProxy?
    /// Whoever knows has said that it ends: it is not remembered when it leaves.
    var isEnding = false
  }

  private struct State {
    var open: [ProxyIdentity.Key: Open] = [:]
    var departed = DepartureList(limit: Departures.limit)
    var watches: [ConvergenceWatch] = []
    /// How many of those that are connected are known. There is room for all of them to leave at once.
    var known = 0 {
      didSet { departed.limit = max(departed.limit, Departures.limit + known) }
    }
    /// Until when proxies of before may run that nobody here has heard of; nil if they are all known.
    var strangers: (since: NIODeadline, until: NIODeadline)?

    mutating func forget(_ key: ProxyIdentity.Key) -> Departed? {
      guard let departed = departed.remove(key) else { return nil }
      for watch in watches { watch.returned(key) }
      return departed
    }
  }

  /// A proxy becomes known, or (nil) is not any longer. Called with a lock held: must not block.
  typealias OnKnown = @Sendable (ProxyIdentity.Key, KnownProxy?) -> Void

  /// More than these, and as many as were known at once, are not remembered: then one is forgotten that left early
  /// (`DepartureList`).
  static let limit = 1024

  /// The node id that stands for all proxies that may run and of which this process cannot know.
  static let strangers = "(proxies from before this start)"

  private let memory: TimeAmount
  private let onKnown: OnKnown
  private let state = Mutex(State())

  /// - Parameter memory: how long.
  init(memory: TimeAmount, onKnown: @escaping OnKnown = { _, _ in }) {
    self.memory = memory
    self.onKnown = onKnown
  }

  /// Takes the proxies that the process before this one knew as having left now. What each holds is not known.
  ///
  /// However many they are, none of them is pushed out by another: the room grows by their number.
  func restore(_ known: [KnownProxy], at now: NIODeadline) {
    state.withLock { state in
      state.departed.limit = Self.limit + known.count
      for proxy in known where state.open[proxy.identity.key] == nil {
        _ = state.departed.remove(proxy.identity.key)
        _ = state.departed.add(
          Departed(identity: proxy.identity, confirmed: 0, held: nil, since: now, isFromBefore: true))
      }
    }
  }

  /// Nobody has kept which proxies there were before this process: any may run, with anything, for as long as others are
  /// remembered.
  func expectStrangers(at now: NIODeadline) { state.withLock { $0.strangers = (now, now + memory) } }

  /// Since when proxies may be about that nobody here has heard of; nil if there are none.
  var strangersSince: NIODeadline? { state.withLock { $0.strangers?.since } }

  func opened(_ identity: ProxyIdentity) {
    state.withLock { state in
      let key = identity.key
      if let departed = state.forget(key) {
        if state.open[key]?.known == nil { state.known += 1 }
        state.open[key, default: Open()].before = departed
        state.open[key]?.known = KnownProxy(departed.identity)
      }
      state.open[key, default: Open()].streams += 1
    }
  }

  /// A client that is connected has taken something, or has come with something. It may be known from elsewhere.
  func took(_ identity: ProxyIdentity) {
    let proxy = KnownProxy(identity)
    state.withLock { state in
      guard let open = state.open[identity.key], !(open.known?.isSame(as: proxy) ?? false) else { return }
      if open.known == nil { state.known += 1 }
      state.open[identity.key]?.known = proxy
      onKnown(identity.key, proxy)
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
      let open = state.open.removeValue(forKey: key)
      if open?.known != nil { state.known -= 1 }
      if open?.isEnding ?? false {
        if open?.known != nil { onKnown(key, nil) }
        return
      }
      var departed = open?.before
      departed?.since = now
      if let parting, parting.wasSent { departed?.held = nil }
      if let parting, parting.holdsSomething {
        departed = Departed(identity: identity, confirmed: parting.confirmed, held: parting.held, since: now)
      }
      guard let departed else { return }
      if open?.known == nil { onKnown(key, KnownProxy(identity)) }
      if let forgotten = state.departed.add(departed) {
        onKnown(forgotten.identity.key, nil)
        for watch in state.watches { watch.returned(forgotten.identity.key) }
      }
      for watch in state.watches where watch.contains(departed.identity) {
        watch.disconnected(key, isMet: watch.goal.isMet(by: departed))
      }
    }
  }

  /// Forgets those that have been away for too long. O(these).
  func forget(at now: NIODeadline) {
    state.withLock { state in
      while let first = state.departed.first, first.since + memory <= now { letGo(first.identity.key, &state) }
      guard let strangers = state.strangers, strangers.until <= now else { return }
      state.strangers = nil
      for watch in state.watches { watch.returned(Self.strangersKey) }
    }
  }

  /// Takes proxies that have left to be gone for good. O(all that are remembered).
  ///
  /// - Returns: who they were.
  func letGo(where isGone: (Departed) -> Bool) -> [Departed] {
    state.withLock { state in
      let gone = state.departed.values.filter(isGone)
      for departed in gone { letGo(departed.identity.key, &state) }
      return gone
    }
  }

  /// Whether proxies are known to end: those that have left are let go, and those that are here when they leave. O(keys).
  func setEnding(_ isEnding: Bool, _ keys: some Sequence<ProxyIdentity.Key>) {
    state.withLock { state in
      for key in keys {
        if state.open[key] != nil { state.open[key]?.isEnding = isEnding } else if isEnding { letGo(key, &state) }
      }
    }
  }

  private func letGo(_ key: ProxyIdentity.Key, _ state: inout State) {
    if state.forget(key) != nil { onKnown(key, nil) }
  }

  private static let strangersKey = ProxyIdentity.Key(nodeID: strangers, scope: .aggregated)

  func add(_ watch: ConvergenceWatch) {
    state.withLock { state in
      state.watches.append(watch)
      if watch.countsStrangers, state.strangers != nil { watch.disconnected(Self.strangersKey, isMet: false) }
      for departed in state.departed.values where watch.contains(departed.identity) {
        watch.disconnected(departed.identity.key, isMet: watch.goal.isMet(by: departed))
      }
    }
  }

  func remove(_ watch: ConvergenceWatch) { state.withLock { $0.watches.removeAll { $0 === watch } } }

  /// Asks all anew.
  func visit(_ watch: ConvergenceWatch) {
    state.withLock { state in
      for departed in state.departed.values where watch.contains(departed.identity) {
        watch.disconnected(departed.identity.key, isMet: watch.goal.isMet(by: departed))
      }
    }
  }

  /// In the order in which they left.
  var all: [Departed] { state.withLock { $0.departed.values } }
}

extension ProxySession {
  /// The client has accepted something, or has come with something.
  var holdsSomething: Bool { hasReturned || types.contains { $0.counts.acks > 0 } }

  /// What is to be remembered of the client once its stream is closed. O(1). Where it would take a closer look nothing counts as
  /// confirmed.
  var parting: Departures.Parting {
    var parting = Departures.Parting(
      holdsSomething: holdsSomething,
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
      parting.held = generation.alone(for: proxyClass)
    }
    return parting
  }
}
