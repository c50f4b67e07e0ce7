internal import Synchronization
internal import XDSSnapshot

/// Something that a proxy can be asked about again and again, while it is not so on all.
protocol ProxyGoal: AnyObject, Sendable {
  /// Takes note of what is served now. Generations come in order, and the first before anybody is asked.
  ///
  /// - Returns: whether any proxy can meet the goal now. When that becomes true, all are asked anew.
  func admits(_ generation: Generation) -> Bool
  /// Whether it is so on a client. Once it is, it stays so while the goal is admitted and the client asks for nothing. On any
  /// thread.
  func isMet(by session: ProxySession) -> Bool
  /// Whether it was so when a client left, as far as that is remembered.
  func isMet(by departed: Departures.Departed) -> Bool
}

extension ProxyGoal {
  func isMet(by departed: Departures.Departed) -> Bool { false }
}

/// Who a stream's client is, as far as questions are concerned.
struct ProxyIdentity: Sendable {
  var nodeID: String
  var proxyClass: ProxyClass
  var variant: XDSProtocol
  var scope: ProxySession.Scope
  var remoteAddress: String

  /// A client, whatever connection it is on.
  struct Key: Hashable, Sendable {
    var nodeID: String
    var scope: ProxySession.Scope
  }

  var key: Key { Key(nodeID: nodeID, scope: scope) }
}

/// One who waits until all proxies in a scope meet a goal.
///
/// Each event loop keeps which of its streams do not yet (`LoopWatch`); here is only how many they are, so an answer of a proxy
/// costs one look at its session, and the last of a thousand wakes the waiter.
final class ConvergenceWatch: Sendable {
  struct Counts: Sendable, Hashable {
    /// Streams in scope, and proxies that were connected lately and are not known to meet the goal.
    var total = 0
    var waiting = 0
    var isAdmitted = false

    var met: Int { total - waiting }
  }

  private struct State {
    var newest: UInt64?
    var isAdmitted = false
    /// Loops that are still to ask their streams.
    var unvisited: Set<ObjectIdentifier> = []
    var streams = 0
    var waiting = 0
    var disconnected: Set<ProxyIdentity.Key> = []
    /// Those of which it was known, when they left, that they meet the goal.
    var leftMeeting: Set<ProxyIdentity.Key> = []
    /// Counts the times that all are asked anew.
    var round = 0
  }

  let goal: any ProxyGoal
  let scope: ProxyScope
  private let atLeast: Int
  private let countsDisconnected: Bool
  /// Whether proxies count that may run and of which nobody here has heard (`Departures.expectStrangers`).
  let countsStrangers: Bool
  /// Whether every change of a stream is told, or only that nobody is waited for.
  let tellsProgress: Bool
  private let state = Mutex(State())
  /// Yields when there may be news; of several in a row one is kept.
  let news: AsyncStream<Void>
  private let newsContinuation: AsyncStream<Void>.Continuation

  init(
    goal: any ProxyGoal, scope: ProxyScope, atLeast: Int = 0, countsDisconnected: Bool = true,
    countsStrangers: Bool = false, tellsProgress: Bool = false
  ) {
    self.goal = goal
    self.scope = scope
    self.atLeast = atLeast
    self.countsDisconnected = countsDisconnected
    self.countsStrangers = countsStrangers
    self.tellsProgress = tellsProgress
    (news, newsContinuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  var counts: Counts {
    state.withLock {
      let absent = $0.disconnected.count
      return Counts(
        total: $0.streams + absent, waiting: $0.waiting + absent, isAdmitted: $0.isAdmitted && $0.unvisited.isEmpty)
    }
  }

  /// Whether all in scope meet the goal, at one moment.
  var isMet: Bool { state.withLock { isMet($0) } }

  private func isMet(_ state: State) -> Bool {
    state.isAdmitted && state.waiting == 0 && state.unvisited.isEmpty && state.disconnected.isEmpty
      && state.streams + state.leftMeeting.count >= atLeast
  }

  func contains(_ identity: ProxyIdentity) -> Bool { scope.contains(identity) }

  // MARK: Events

  /// Something else is served. Before it is delivered.
  ///
  /// - Parameter loops: all that have streams.
  /// - Returns: whether all are to be asked anew.
  func published(_ generation: Generation, loops: some Sequence<ObjectIdentifier>) -> Bool {
    var isAskedAnew = false
    change { state in
      guard state.newest.map({ $0 < generation.number }) ?? true else { return }
      state.newest = generation.number
      let isAdmitted = goal.admits(generation)
      isAskedAnew = isAdmitted && !state.isAdmitted
      if isAskedAnew {
        state.round += 1
        state.unvisited = Set(loops)
      }
      state.isAdmitted = isAdmitted
    }
    return isAskedAnew
  }

  /// Which time it is that all are asked.
  var round: Int { state.withLock { $0.round } }

  /// A loop has asked all its streams.
  func visited(_ loop: ObjectIdentifier, round: Int, streams: Int, waiting: Int) {
    change { state in
      state.streams += streams
      state.waiting += waiting
      if round == state.round { state.unvisited.remove(loop) }
    }
  }

  func changed(streams: Int = 0, waiting: Int) {
    change { state in
      state.streams += streams
      state.waiting += waiting
    }
  }

  /// Something happened on a stream that is waited for.
  func progressed() { if tellsProgress { newsContinuation.yield() } }

  /// A proxy is not there.
  ///
  /// - Parameter isMet: whether it is known to meet the goal all the same.
  func disconnected(_ key: ProxyIdentity.Key, isMet: Bool) {
    guard countsDisconnected else { return }
    change { state in
      if isMet {
        state.disconnected.remove(key)
        state.leftMeeting.insert(key)
      } else {
        state.leftMeeting.remove(key)
        state.disconnected.insert(key)
      }
    }
  }

  /// It is there, or is not waited for any longer.
  func returned(_ key: ProxyIdentity.Key) {
    guard countsDisconnected else { return }
    change { state in
      state.disconnected.remove(key)
      state.leftMeeting.remove(key)
    }
  }

  private func change(_ body: (inout State) -> Void) {
    let isNews = state.withLock { state in
      let before = isMet(state)
      body(&state)
      return tellsProgress || isMet(state) && !before
    }
    if isNews { newsContinuation.yield() }
  }
}

/// The streams of one event loop that a waiter waits for. Confined to that loop.
final class LoopWatch {
  let watch: ConvergenceWatch
  private var waiting: Set<ObjectIdentifier> = []
  private var count = 0
  private var round = -1

  init(_ watch: ConvergenceWatch) { self.watch = watch }

  /// Asks all streams, if that is to be done anew, else those that are waited for.
  func visit(_ streams: [ObjectIdentifier: XDSStream], of loop: ObjectIdentifier) {
    let round = watch.round
    if round == self.round {
      for id in Array(waiting) { if let stream = streams[id] { progressed(stream) } }
      return
    }
    self.round = round
    let (oldCount, oldWaiting) = (count, waiting)
    count = 0
    waiting = []
    for (id, stream) in streams where stream.isIn(watch.scope) {
      count += 1
      if !stream.meets(watch.goal) { waiting.insert(id) }
      stream.watchers += (waiting.contains(id) ? 1 : 0) - (oldWaiting.contains(id) ? 1 : 0)
    }
    watch.visited(loop, round: round, streams: count - oldCount, waiting: waiting.count - oldWaiting.count)
  }

  /// A stream turns out to be of a proxy.
  func opened(_ stream: XDSStream) {
    guard stream.isIn(watch.scope) else { return }
    count += 1
    // It has just begun, so it meets nothing yet.
    waiting.insert(ObjectIdentifier(stream))
    stream.watchers += 1
    watch.changed(streams: 1, waiting: 1)
  }

  func closed(_ stream: XDSStream) {
    guard stream.isIn(watch.scope) else { return }
    count -= 1
    let wasWaiting = waiting.remove(ObjectIdentifier(stream)) != nil
    if wasWaiting { stream.watchers -= 1 }
    watch.changed(streams: -1, waiting: wasWaiting ? -1 : 0)
  }

  /// Something happened on a stream. O(1) if it is not waited for.
  func progressed(_ stream: XDSStream) {
    let id = ObjectIdentifier(stream)
    guard waiting.contains(id) else { return }
    guard stream.meets(watch.goal) else { return watch.progressed() }
    waiting.remove(id)
    stream.watchers -= 1
    watch.changed(waiting: -1)
  }

  /// A client has asked for something: what it has shown before may not be all.
  func asked(_ stream: XDSStream) {
    let id = ObjectIdentifier(stream)
    guard stream.isIn(watch.scope), !waiting.contains(id), !stream.meets(watch.goal) else { return }
    waiting.insert(id)
    stream.watchers += 1
    watch.changed(waiting: 1)
  }

  /// Nobody waits any longer.
  func end(_ streams: [ObjectIdentifier: XDSStream]) {
    for id in waiting { streams[id]?.watchers -= 1 }
    waiting = []
  }
}
