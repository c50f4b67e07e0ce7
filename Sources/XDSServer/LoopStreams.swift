internal import NIOCore
internal import XDSSnapshot

/// The streams of one event loop, and what they count. Confined to that loop.
final class LoopStreams {
  private struct Members {
    var generation: Generation?
    var streams: [ObjectIdentifier: XDSStream] = [:]
  }

  private(set) var generation: Generation?
  private var streams: [ObjectIdentifier: XDSStream] = [:]
  /// The streams whose clients have said who they are, and the generation that they were last told of.
  private var classes: [ProxyClass: Members] = [:]
  /// All but what is counted by type.
  var metrics = XDSMetrics()
  /// By `ResourceType.rawValue`: counted several times for each push, so without a hash.
  var counts = [XDSMetrics.TypeCounts](repeating: .init(), count: ResourceType.allCases.count)

  func add(_ stream: XDSStream) {
    streams[ObjectIdentifier(stream)] = stream
    metrics.streams[stream.variant, default: 0] += 1
    metrics.streamsOpened += 1
  }

  /// A stream of the loop turns out to be of a class.
  func identified(_ stream: XDSStream, as proxyClass: ProxyClass) {
    classes[proxyClass, default: Members(generation: generation)].streams[ObjectIdentifier(stream)] = stream
  }

  func remove(_ stream: XDSStream, of proxyClass: ProxyClass?) {
    let id = ObjectIdentifier(stream)
    guard streams.removeValue(forKey: id) != nil else { return }
    metrics.streams[stream.variant, default: 0] -= 1
    guard let proxyClass else { return }
    classes[proxyClass]?.streams[id] = nil
    if classes[proxyClass]?.streams.isEmpty ?? false { classes[proxyClass] = nil }
  }

  /// Gives the newest generation to every stream for whose class it is news; the others come upon it when they have something
  /// to do. O(classes + streams of these), each O(1) where streams are in the same state.
  func deliver(_ generation: Generation, publishedAt: NIODeadline) {
    guard self.generation.map({ $0.number < generation.number }) ?? true else { return }
    self.generation = generation
    for (proxyClass, members) in classes where generation.classes[proxyClass] != nil {
      let news = members.generation.map { (types: generation.changedTypes(since: $0, for: proxyClass), since: $0) }
      if let news, news.types.isEmpty { continue }
      classes[proxyClass]?.generation = generation
      for stream in members.streams.values { stream.published(generation, news: news, at: publishedAt) }
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
}
