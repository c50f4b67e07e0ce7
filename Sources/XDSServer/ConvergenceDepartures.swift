internal import NIOCore
internal import Synchronization
internal import XDSSnapshot

/// The proxies that were connected lately and are not now.
///
/// Whoever loses its stream goes on with what it holds, so it is no proof of anything that it is not there to ask. It is
/// remembered with what it held until it comes back, or for a time after which it is taken to be gone.
final class Departures: Sendable {
  struct Departed: Sendable {
    var identity: ProxyIdentity
    /// What it was known to hold; nil where that is not known.
    var session: ProxySession?
    var since: NIODeadline
  }

  private struct State {
    var open: [ProxyIdentity.Key: Int] = [:]
    var departed: [ProxyIdentity.Key: Departed] = [:]
    var watches: [ConvergenceWatch] = []

    mutating func forget(_ key: ProxyIdentity.Key) {
      guard departed.removeValue(forKey: key) != nil else { return }
      for watch in watches { watch.returned(key) }
    }
  }

  /// More than these are not remembered: then the one that left first is forgotten.
  static let limit = 1024

  private let memory: TimeAmount
  private let state = Mutex(State())

  /// - Parameter memory: how long.
  init(memory: TimeAmount) { self.memory = memory }

  func opened(_ identity: ProxyIdentity) {
    state.withLock { state in
      state.open[identity.key, default: 0] += 1
      if state.departed.removeValue(forKey: identity.key) != nil {
        for watch in state.watches { watch.returned(identity.key) }
      }
    }
  }

  /// A stream has closed. One of several of a proxy leaves nothing behind.
  func closed(_ identity: ProxyIdentity, _ session: ProxySession?, at now: NIODeadline) {
    var session = session
    session?.forgetNames()
    state.withLock { [session] state in
      let key = identity.key
      if let count = state.open[key], count > 1 {
        state.open[key] = count - 1
        return
      }
      state.open[key] = nil
      if state.departed.count >= Self.limit, let first = state.departed.values.min(by: { $0.since < $1.since }) {
        state.forget(first.identity.key)
      }
      let departed = Departed(identity: identity, session: session, since: now)
      state.departed[key] = departed
      for watch in state.watches where watch.contains(identity) && !departed.meets(watch.goal) {
        watch.disconnected(key)
      }
    }
  }

  /// Forgets those that have been away for too long.
  func forget(at now: NIODeadline) {
    state.withLock { state in
      for (key, departed) in state.departed where departed.since + memory <= now { state.forget(key) }
    }
  }

  func add(_ watch: ConvergenceWatch) {
    state.withLock { state in
      state.watches.append(watch)
      for (key, departed) in state.departed where watch.contains(departed.identity) && !departed.meets(watch.goal) {
        watch.disconnected(key)
      }
    }
  }

  func remove(_ watch: ConvergenceWatch) { state.withLock { $0.watches.removeAll { $0 === watch } } }

  /// Asks all anew.
  func visit(_ watch: ConvergenceWatch) {
    state.withLock { state in
      for (key, departed) in state.departed where watch.contains(departed.identity) {
        if departed.meets(watch.goal) { watch.returned(key) } else { watch.disconnected(key) }
      }
    }
  }

  var all: [Departed] { state.withLock { Array($0.departed.values) } }
}

extension Departures.Departed {
  fileprivate func meets(_ goal: any ProxyGoal) -> Bool { session.map { goal.isMet(by: $0) } ?? false }
}
