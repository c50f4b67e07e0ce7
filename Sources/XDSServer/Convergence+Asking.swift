internal import NIOCore
internal import Synchronization
internal import XDSSnapshot

// Three ways to ask: once, until it is so or the time is over, and change by change.
extension XDSServer {
  /// How it is now. Visits every stream in scope; some 0.3 µs each on its event loop where the generation is live.
  ///
  /// - Parameter listsLive: whether proxies where it is live are listed too.
  public func convergence(of query: ConvergenceQuery, listsLive: Bool = false) async -> Convergence {
    let latest = generation
    var goal: LiveGoal?
    if let latest, latest.number >= query.generation { goal = LiveGoal(query, latest) }
    return await convergence(of: query, goal, listsLive: listsLive)
  }

  /// - Parameter goal: what is to be live; nil if it is not served yet.
  fileprivate func convergence(
    of query: ConvergenceQuery, _ goal: LiveGoal?, listsLive: Bool = false
  ) async -> Convergence {
    var result = Convergence(generation: query.generation, isLive: false, total: 0, live: 0, proxies: [])
    let (parts, departed) = await ask { [goal] in $0.convergence(goal, query.scope, listsLive: listsLive) }
    for part in parts {
      result.total += part.total
      result.live += part.live
      result.proxies += part.proxies
    }
    /// Those who had shown it before they left.
    var leftLive = 0
    if query.countsDisconnected {
      for departed in departed where query.scope.contains(departed.identity) {
        if let goal, departed.isLive(goal) {
          leftLive += 1
          continue
        }
        var proxy = ProxyConvergence(departed.identity, nil, goal)
        proxy.state = .disconnected
        if departed.isFromBefore { proxy.obstacles = [.unseen] }
        proxy.confirmedGeneration = departed.confirmed
        proxy.disconnectedFor = .nanoseconds((NIODeadline.now() - departed.since).nanoseconds)
        result.add(proxy)
      }
    }
    result.isLive = goal != nil && result.live == result.total && result.live + leftLive >= query.atLeast
    result.proxies.sort { ($0.nodeID, $0.remoteAddress) < ($1.nodeID, $1.remoteAddress) }
    return result
  }

  /// Returns the moment the generation is live on all proxies in scope, or when the time is over, with those where it is not.
  ///
  /// While somebody waits, an answer of a proxy that is waited for costs a look at its session, whatever the number of proxies.
  ///
  /// - Throws: `CancellationError`, or what the clock throws.
  public func live(
    _ query: ConvergenceQuery, within time: Duration, clock: any Clock<Duration> = ContinuousClock()
  ) async throws -> Convergence {
    let watch = ConvergenceWatch(
      goal: GenerationGoal(query), scope: query.scope, atLeast: query.atLeast,
      countsDisconnected: query.countsDisconnected)
    add(watch)
    defer { remove(watch) }
    guard try await watch.isMet(within: time, clock: clock) else { return await convergence(of: query) }
    return .live(query.generation, total: watch.counts.total)
  }

  /// How it is now, and whenever that has changed; the last element is the one that says that it is live. It is made when it is
  /// asked for, so a slow reader gets the newest state and nothing piles up; each costs what `convergence(of:)` does.
  public func convergences(of query: ConvergenceQuery) -> ConvergenceChanges {
    ConvergenceChanges(server: self, query: query)
  }
}

extension XDSServer {
  /// Asks all streams, and gives back the proxies that have none with them.
  ///
  /// The loops are asked one after the other, and a proxy that comes back meanwhile may miss its turn: it counts as not
  /// connected then, so that nobody is left out. (One that leaves meanwhile may count twice.)
  func ask<Part: Sendable>(_ read: @escaping @Sendable (LoopStreams) -> Part) async -> ([Part], [Departures.Departed]) {
    let before = departures.all
    let parts = await gather(read)
    let after = departures.all
    let keys = Set(after.map(\.identity.key))
    return (parts, after + before.filter { !keys.contains($0.identity.key) })
  }
}

/// The states of a question, one after the other, until the answer is yes. Ends early when its task is cancelled.
public struct ConvergenceChanges: AsyncSequence, Sendable {
  public typealias Element = Convergence
  public typealias Failure = Never

  let server: XDSServer
  let query: ConvergenceQuery

  public func makeAsyncIterator() -> Iterator { Iterator(server, query) }

  public struct Iterator: AsyncIteratorProtocol {
    private let registration: Registration
    private var news: AsyncStream<Void>.Iterator
    private var last: Convergence?

    /// The watch lasts as long as the iterator.
    private final class Registration: Sendable {
      private let server: XDSServer
      private let query: ConvergenceQuery
      private let goal: GenerationGoal
      private let watch: ConvergenceWatch
      var news: AsyncStream<Void> { watch.news }

      init(_ server: XDSServer, _ query: ConvergenceQuery) {
        self.server = server
        self.query = query
        goal = GenerationGoal(query)
        watch = ConvergenceWatch(
          goal: goal, scope: query.scope, atLeast: query.atLeast, countsDisconnected: query.countsDisconnected,
          tellsProgress: true)
        server.add(watch)
      }

      deinit { server.remove(watch) }

      /// What the watch does not wait for any more it does not tell of: so what it goes by is what counts, also where a proxy
      /// has meanwhile taken something newer that it cannot use yet.
      func convergence() async -> Convergence {
        let now = await server.convergence(of: query, goal.live)
        return now.isLive || !watch.isMet ? now : .live(query.generation, total: watch.counts.total)
      }
    }

    init(_ server: XDSServer, _ query: ConvergenceQuery) {
      registration = Registration(server, query)
      news = registration.news.makeAsyncIterator()
    }

    public mutating func next() async -> Convergence? {
      await next(isolation: nil)
    }

    public mutating func next(isolation actor: isolated (any Actor)?) async -> Convergence? {
      if last?.isLive ?? false { return nil }
      while !Task.isCancelled {
        if last != nil, await news.next(isolation: actor) == nil { return nil }
        let now = await registration.convergence()
        if let last, last.saysTheSame(as: now) { continue }
        last = now
        return now
      }
      return nil
    }
  }
}

/// That a generation is live.
final class GenerationGoal: ProxyGoal {
  private let query: ConvergenceQuery
  private let goal = Mutex<LiveGoal?>(nil)
  /// Nil until the generation, or a newer one, is served.
  var live: LiveGoal? { goal.withLock { $0 } }

  init(_ query: ConvergenceQuery) { self.query = query }

  func admits(_ generation: Generation) -> Bool {
    guard generation.number >= query.generation else { return false }
    goal.withLock { if $0 == nil { $0 = LiveGoal(query, generation) } }
    return true
  }

  func isMet(by session: ProxySession) -> Bool {
    live.map { session.isLive($0) } ?? false
  }

  func isMet(by departed: Departures.Departed) -> Bool { live.map { departed.isLive($0) } ?? false }
}

extension LiveGoal {
  init(_ query: ConvergenceQuery, _ snapshot: Generation) {
    self.init(generation: max(query.generation, 1), snapshot: snapshot, concerns: query.concerns)
  }
}

extension ConvergenceWatch {
  /// - Returns: whether it was so within the time.
  func isMet(within time: Duration, clock: any Clock<Duration>) async throws -> Bool {
    if isMet { return true }
    return try await withThrowingTaskGroup(of: Bool.self) { tasks in
      tasks.addTask { [self] in
        for await _ in news where isMet { return true }
        throw CancellationError()
      }
      tasks.addTask {
        try await clock.sleep(for: time)
        return false
      }
      defer { tasks.cancelAll() }
      return try await tasks.next() ?? false
    }
  }
}

extension ProxyScope {
  func contains(_ identity: ProxyIdentity) -> Bool {
    contains(nodeID: identity.nodeID, proxyClass: identity.proxyClass)
  }
}

extension Convergence {
  fileprivate static func live(_ generation: UInt64, total: Int) -> Self {
    Convergence(generation: generation, isLive: true, total: total, live: total, proxies: [])
  }

  mutating func add(_ proxy: ProxyConvergence) {
    total += 1
    if proxy.state == .live { live += 1 }
    proxies.append(proxy)
  }

  fileprivate func saysTheSame(as other: Convergence) -> Bool {
    isLive == other.isLive && total == other.total && live == other.live
      && proxies.elementsEqual(other.proxies) {
        $0.nodeID == $1.nodeID && $0.remoteAddress == $1.remoteAddress && $0.state == $1.state
          && $0.obstacles == $1.obstacles && $0.refusals == $1.refusals
      }
  }
}

extension ProxyConvergence {
  /// - Parameter session: what the client is known to hold; nil if nothing is.
  init(_ identity: ProxyIdentity, _ session: ProxySession?, _ goal: LiveGoal?) {
    var obstacles: [ConvergenceObstacle] = []
    if let session, let goal {
      session.forEachObstacle(to: goal) {
        obstacles.append($0)
        return obstacles.count < 64
      }
    } else {
      obstacles = [.unconfigured]
    }
    let refusals = obstacles.isEmpty ? [] : session?.refusals ?? []
    self.init(
      nodeID: identity.nodeID, proxyClass: identity.proxyClass, variant: identity.variant,
      onlyType: identity.scope.onlyType,
      remoteAddress: identity.remoteAddress, state: State(obstacles, refusals),
      confirmedGeneration: session?.confirmed ?? 0,
      obstacles: obstacles, refusals: refusals)
  }
}

extension ProxyConvergence.State {
  init(_ obstacles: [ConvergenceObstacle], _ refusals: [RefusedResource]) {
    let types = Set(obstacles.compactMap(\.type))
    if obstacles.isEmpty {
      self = .live
    } else if refusals.contains(where: { types.contains($0.type) }) {
      self = .refused
    } else if obstacles.allSatisfy({ if case .cold = $0 { true } else { false } }) {
      self = .acknowledged
    } else if obstacles.allSatisfy({ $0.isOfTheProxy }) {
      self = .sent
    } else {
      self = .pending
    }
  }
}

extension ConvergenceObstacle {
  var type: ResourceType? {
    switch self {
    case .unsent(let type), .unanswered(let type, _), .held(let type, _): type
    case .unconfigured, .unasked, .cold, .unseen: nil
    }
  }

  /// Nothing is to be sent; the proxy is to answer.
  fileprivate var isOfTheProxy: Bool {
    switch self {
    case .unanswered, .cold: true
    case .unconfigured, .unasked, .unsent, .held, .unseen: false
    }
  }
}
