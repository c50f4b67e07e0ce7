internal import NIOCore
internal import XDSSnapshot

/// The streams of one event loop, and what they count. Confined to that loop.
final class LoopStreams {
  /// The streams of a class. They and it refer to each other until they are removed.
  final class Members {
    /// What they were last told of.
    fileprivate(set) var generation: Generation?
    /// As they came: what streams need lies in memory in about that order, and a push to all goes through it once.
    private(set) var streams: [XDSStream] = []
    /// Of each stream.
    private var places: [MemoryPlaces] = []

    init(generation: Generation?) { self.generation = generation }

    func add(_ stream: XDSStream) {
      stream.place = streams.count
      stream.members = self
      streams.append(stream)
      places.append(stream.places)
    }

    /// The last one gets its place. O(1).
    func remove(_ stream: XDSStream) {
      guard stream.members === self else { return }
      stream.members = nil
      let place = stream.place
      streams.swapAt(place, streams.count - 1)
      places.swapAt(place, places.count - 1)
      streams[place].place = place
      streams.removeLast()
      places.removeLast()
    }

    func forEach(_ body: (XDSStream) -> Void) {
      for (index, stream) in streams.enumerated() {
        fetch(after: index)
        body(stream)
      }
    }

    /// Has the processor fetch what it needs for a stream that comes soon after one with this place. O(1).
    func fetch(after index: Int) {
      let ahead = index + MemoryPlaces.lookahead
      if ahead < places.count { places[ahead].prefetch() }
    }
  }

  let presence: LoopPresence
  private(set) var generation: Generation?
  private var streams: [ObjectIdentifier: XDSStream] = [:]
  /// The streams whose clients have said who they are.
  private var classes: [ProxyClass: Members] = [:]
  /// Who waits for what streams confirm: mostly nobody.
  private var watches: [LoopWatch] = []
  /// All but what is counted by type.
  var metrics = XDSMetrics()
  /// By `ResourceType.rawValue`: counted several times for each push, so without a hash.
  var counts = [XDSMetrics.TypeCounts](repeating: .init(), count: ResourceType.allCases.count)

  init(_ presence: LoopPresence) { self.presence = presence }

  func add(_ stream: XDSStream) {
    presence.note(streams: 1)
    streams[ObjectIdentifier(stream)] = stream
    metrics.streams[stream.variant, default: 0] += 1
    metrics.streamsOpened += 1
  }

  /// A stream of the loop turns out to be of a class.
  func identified(_ stream: XDSStream, as proxyClass: ProxyClass) {
    presence.note(proxies: 1)
    let members = classes[proxyClass] ?? Members(generation: generation)
    classes[proxyClass] = members
    members.add(stream)
    for watch in watches { watch.opened(stream) }
  }

  func remove(_ stream: XDSStream, of proxyClass: ProxyClass?) {
    let id = ObjectIdentifier(stream)
    guard streams.removeValue(forKey: id) != nil else { return }
    metrics.streams[stream.variant, default: 0] -= 1
    if streams.isEmpty { presence.metrics = allMetrics }
    presence.note(streams: -1)
    guard let proxyClass else { return }
    presence.note(proxies: -1)
    for watch in watches { watch.closed(stream) }
    guard let members = classes[proxyClass] else { return }
    members.remove(stream)
    if members.streams.isEmpty { classes[proxyClass] = nil }
  }

  /// Gives the newest generation to every stream for whose class it is news; the others come upon it when they have something
  /// to do. O(classes + streams of these), each O(1) where streams are in the same state.
  func deliver(_ generation: Generation, publishedAt: NIODeadline) {
    guard self.generation.map({ $0.number < generation.number }) ?? true else { return }
    self.generation = generation
    for (proxyClass, members) in classes where generation.classes[proxyClass] != nil {
      let news = members.generation.map { (types: generation.changedTypes(since: $0, for: proxyClass), since: $0) }
      if let news, news.types.isEmpty { continue }
      members.generation = generation
      members.forEach { $0.published(generation, news: news, at: publishedAt) }
    }
  }

  /// Lets go of what only those need who have gone. A generation holds the tables of all classes that there were, and a stream the
  /// last one that was news to it. O(streams), each some 100 ns, so for when much has gone.
  func letGo() {
    if streams.capacity > 4 * streams.count + 64 { streams = Dictionary(uniqueKeysWithValues: streams.map { $0 }) }
    guard let generation else { return }
    for stream in streams.values { stream.catchUp() }
    for (proxyClass, members) in classes {
      let isNews = members.generation.map { !generation.changedTypes(since: $0, for: proxyClass).isEmpty }
      if isNews == false { members.generation = generation }
    }
  }

  /// Everything counted so far.
  var allMetrics: XDSMetrics {
    var metrics = metrics
    for type in ResourceType.allCases where counts[type.rawValue] != .init() {
      metrics.types[type] = counts[type.rawValue]
    }
    return metrics
  }

  func statuses() -> [ProxyStatus] { streams.values.compactMap { $0.status() } }

  // MARK: Who waits

  /// It may be there already, if the loop is a new one.
  func add(_ watch: ConvergenceWatch) {
    if !watches.contains(where: { $0.watch === watch }) { watches.append(LoopWatch(watch)) }
  }

  func remove(_ watch: ConvergenceWatch) {
    for loopWatch in watches where loopWatch.watch === watch { loopWatch.end(streams) }
    watches.removeAll { $0.watch === watch }
  }

  /// Asks the streams on behalf of all who wait: something else is served.
  func visit(_ loop: any EventLoop) {
    for watch in watches { watch.visit(streams, of: ObjectIdentifier(loop)) }
  }

  /// Something happened on a stream that somebody waits for.
  func progressed(_ stream: XDSStream) {
    for watch in watches { watch.progressed(stream) }
  }

  /// A client has asked for something, and may do without it until that is answered.
  func asked(_ stream: XDSStream) {
    for watch in watches { watch.asked(stream) }
  }

  func forEachIdentified(_ body: (XDSStream) -> Void) {
    for stream in streams.values where stream.isIdentified { body(stream) }
  }

  /// How it is with the streams in scope.
  func convergence(_ goal: LiveGoal?, _ scope: ProxyScope, listsLive: Bool) -> Convergence {
    var result = Convergence(generation: goal?.generation ?? 0, isLive: true, total: 0, live: 0, proxies: [])
    for stream in streams.values where stream.isIn(scope) {
      guard let proxy = stream.convergence(goal, listsLive: listsLive) else {
        result.total += 1
        result.live += 1
        continue
      }
      result.add(proxy)
    }
    return result
  }
}
