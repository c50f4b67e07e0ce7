internal import Dispatch
internal import Logging
internal import StateStore
internal import Synchronization
internal import XDSServer
internal import XDSSnapshot

/// What this process leaves to the next: which proxies it knows, and up to which number it may have given out generations.
///
/// Both are noted where they happen, without waiting, and kept in the order of their batches by one task, `run`. Another tells of
/// what is kept, and takes its time: the disk never waits for it. A proxy that comes and goes again and again makes no queue for
/// either: the disk gets the last word of each, and none of one that was never kept; whoever is told hears of each once at most that
/// it was forgotten and once that it is here.
final class KnownProxies: Sendable {
  private struct Untold {
    /// Also where it is back: all that was known of it is gone.
    var isForgotten = false
    /// Nil if it is not here.
    var proxy: KnownProxy?
  }

  private struct State {
    /// What was noted and is not kept; nil for one that is forgotten.
    var pending: [KnownProxy.Key: KnownProxy?] = [:]
    /// Where a proxy is an endpoint now.
    var slices: [KnownProxy.Key: [String]] = [:]
    /// All that is known and kept, or about to be.
    var known: [KnownProxy.Key: StoredProxy] = [:]
    /// What is kept and nobody has been told of.
    var untold: [KnownProxy.Key: Untold] = [:]
    /// Up to which number generations may be given out, by what is on the disk.
    var reserved: UInt64
    /// The newest that was given out.
    var newest: UInt64 = 0
    var isReserving = false
  }

  /// How many numbers are reserved at a time: one write for so many generations.
  static let block: UInt64 = 1000
  /// The shortest time between two batches, and from when somebody was told to the next time.
  static let interval = Duration.milliseconds(100)
  /// Whoever is told looks for endpoints at what clients name, and edits wait meanwhile: so often as long nobody is told.
  static let rest = 5
  static let retryDelay = Duration.seconds(1)

  private let store: ContinuityStore?
  private let logger: Logger
  /// Waits for the disk, so that no thread of Swift's pool does.
  private let queue = DispatchQueue(label: "weir.continuity")
  private let state: Mutex<State>
  private let news: AsyncStream<Void>
  private let newsContinuation: AsyncStream<Void>.Continuation
  /// What the process before this one left, as far as it can be read.
  let before: [(proxy: KnownProxy, slices: [String])]
  /// Generations of this process have higher numbers, those of all processes before have lower ones.
  let generationsBegin: UInt64
  /// Whether proxies may be about of which nobody knows.
  let mayHaveStrangers: Bool

  /// - Parameters:
  ///   - store: nil if nothing is kept.
  ///   - found: what it had.
  ///   - now: seconds, larger than any number of generations that was counted: where the count is lost, it goes on from there.
  init(_ store: ContinuityStore?, _ found: Continuity, now: UInt64, logger: Logger) {
    self.store = store
    self.logger = logger
    let proxies = found.proxies.compactMap { stored in KnownProxy(stored).map { ($0, stored) } }
    before = proxies.map { (proxy: $0.0, slices: $0.1.slices) }
    let mark = found.isLost ? max(found.generations, now) : found.generations
    generationsBegin = mark == 0 ? 0 : mark + 1
    mayHaveStrangers = store == nil || found.isLost
    var state = State(reserved: mark)
    for (proxy, stored) in proxies { state.known[proxy.key] = stored }
    self.state = Mutex(state)
    (news, newsContinuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
  }

  /// Reserves the first numbers; before any generation is made. Waits for the disk.
  func begin() {
    guard let store else { return }
    let mark = generationsBegin + Self.block
    do {
      try store.apply(generations: mark)
      state.withLock { $0.reserved = mark }
    } catch {
      complain(error)
    }
  }

  /// A proxy has become known, or (nil) is not any longer. Does not block.
  func note(_ key: KnownProxy.Key, _ proxy: KnownProxy?) {
    state.withLock { _ = $0.pending.updateValue(proxy, forKey: key) }
    newsContinuation.yield()
  }

  /// A generation has been made. Does not block; when half of what is reserved is left, more is.
  func note(generation: UInt64) {
    let isDue = state.withLock { state in
      state.newest = generation
      guard store != nil, !state.isReserving, generation + Self.block / 2 > state.reserved else { return false }
      state.isReserving = true
      return true
    }
    if isDue { newsContinuation.yield() }
  }

  /// Proxies are endpoints of other slices now.
  func note(slices: [KnownProxy.Key: [String]]) {
    guard !slices.isEmpty else { return }
    state.withLock { $0.slices.merge(slices) { $1 } }
    newsContinuation.yield()
  }

  /// Told of proxies that are not known any longer, and of those that are now. Who is in both was forgotten first, and is back.
  /// Returns how long others waited for that.
  typealias Tell = @Sendable (_ known: [KnownProxy], _ forgotten: [KnownProxy.Key]) async -> Duration
  typealias Sleep = @Sendable (Duration) async throws -> Void

  /// Keeps what is noted, until the task is cancelled, and tells of proxies that are new or forgotten.
  func run(sleep: @escaping Sleep = { try await Task.sleep(for: $0) }, _ tell: @escaping Tell) async {
    let (untold, untoldContinuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
    await withTaskGroup { tasks in
      tasks.addTask { [self] in await tellOn(untold, sleep, tell) }
      tasks.addTask { [self] in await keepOn(sleep) { untoldContinuation.yield() } }
    }
  }

  private func tellOn(_ untold: AsyncStream<Void>, _ sleep: Sleep, _ tell: Tell) async {
    for await _ in untold {
      let (arrived, forgotten) = takeUntold()
      let time = await tell(arrived, forgotten)
      guard (try? await sleep(max(Self.interval, time * Self.rest))) != nil else { return }
    }
  }

  private func keepOn(_ sleep: Sleep, onUntold: () -> Void) async {
    for await _ in news {
      let batch = take()
      while !(await keep(batch)) {
        guard (try? await sleep(Self.retryDelay)) != nil else { return }
      }
      if addUntold(batch) { onUntold() }
      guard (try? await sleep(Self.interval)) != nil else { return }
    }
  }

  /// Adds a batch that is kept to what is to be told. Returns whether there is something.
  private func addUntold(_ batch: Batch) -> Bool {
    guard !batch.arrived.isEmpty || !batch.forgotten.isEmpty else { return false }
    state.withLock { state in
      for proxy in batch.arrived { state.untold[proxy.key, default: Untold()].proxy = proxy }
      for key in batch.forgotten { state.untold[key] = Untold(isForgotten: true) }
    }
    return true
  }

  private func takeUntold() -> (arrived: [KnownProxy], forgotten: [KnownProxy.Key]) {
    let untold = state.withLock { state in
      defer { state.untold = [:] }
      return state.untold
    }
    return (untold.values.compactMap(\.proxy), untold.filter { $0.value.isForgotten }.map(\.key))
  }

  /// Keeps what is left. After `run` has ended.
  func finish() async { _ = await keep(take()) }

  /// Lets go of the directory, for whoever starts the next one.
  func close() { store?.close() }

  private struct Batch: Sendable {
    var arrived: [KnownProxy] = []
    var stored: [StoredProxy] = []
    var forgotten: [KnownProxy.Key] = []
    var generations: UInt64?
    var isEmpty: Bool { stored.isEmpty && forgotten.isEmpty && generations == nil }
  }

  private func take() -> Batch {
    state.withLock { state in
      var batch = Batch()
      for (key, proxy) in state.pending {
        if let proxy {
          let stored = StoredProxy(proxy, slices: state.known[key]?.slices ?? [])
          batch.arrived.append(proxy)
          if state.known.updateValue(stored, forKey: key) != stored { batch.stored.append(stored) }
        } else if state.known.removeValue(forKey: key) != nil {
          batch.forgotten.append(key)
        }
      }
      state.pending = [:]
      for (key, slices) in state.slices where state.known[key] != nil && state.known[key]?.slices != slices {
        state.known[key]?.slices = slices
        batch.stored.removeAll { $0.key == StoredProxy.Key(key) }
        if let stored = state.known[key] { batch.stored.append(stored) }
      }
      state.slices = [:]
      if state.isReserving { batch.generations = max(state.reserved, state.newest) + Self.block }
      return batch
    }
  }

  private func keep(_ batch: Batch) async -> Bool {
    guard let store, !batch.isEmpty else { return true }
    do {
      try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
        queue.async {
          continuation.resume(
            with: Result {
              try store.apply(
                known: batch.stored, forgotten: batch.forgotten.map(StoredProxy.Key.init),
                generations: batch.generations)
            })
        }
      }
    } catch {
      complain(error)
      return false
    }
    if let generations = batch.generations {
      state.withLock { state in
        state.reserved = generations
        state.isReserving = false
      }
    }
    return true
  }

  private func complain(_ error: any Error) {
    logger.error("known proxies and the count of generations could not be kept", metadata: ["error": "\(error)"])
  }
}

extension StoredProxy.Key {
  fileprivate init(_ key: KnownProxy.Key) {
    self.init(nodeID: key.nodeID, onlyType: key.onlyType?.kind.rawValue ?? "")
  }
}

extension StoredProxy {
  fileprivate init(_ proxy: KnownProxy, slices: [String]) {
    self.init(
      key: Key(proxy.key), proxyClass: StoredProxyClass(proxy.proxyClass), variant: proxy.variant.rawValue,
      remoteAddress: proxy.remoteAddress, slices: slices)
  }
}

extension KnownProxy {
  /// Nil for what another version of Weir kept and this one does not know.
  fileprivate init?(_ stored: StoredProxy) {
    let type = ResourceType.allCases.first { $0.kind.rawValue == stored.key.onlyType }
    guard let proxyClass = ProxyClass(stored.proxyClass), let variant = XDSProtocol(rawValue: stored.variant),
      type != nil || stored.key.onlyType.isEmpty
    else { return nil }
    self.init(
      nodeID: stored.key.nodeID, proxyClass: proxyClass, variant: variant, onlyType: type,
      remoteAddress: stored.remoteAddress)
  }
}
