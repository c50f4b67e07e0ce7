internal import NIOCore
internal import XDSSnapshot

/// The streams of one event loop, and what they count. Confined to that loop.
final class LoopStreams {
  private(set) var generation: Generation?
  private var streams: [ObjectIdentifier: XDSStream] = [:]
  /// All but what is counted by type.
  var metrics = XDSMetrics()
  /// By `ResourceType.rawValue`: counted several times for each push, so without a hash.
  var counts = [XDSMetrics.TypeCounts](repeating: .init(), count: ResourceType.allCases.count)

  func add(_ stream: XDSStream) {
    streams[ObjectIdentifier(stream)] = stream
    metrics.streams[stream.variant, default: 0] += 1
    metrics.streamsOpened += 1
  }

  func remove(_ stream: XDSStream) {
    guard streams.removeValue(forKey: ObjectIdentifier(stream)) != nil else { return }
    metrics.streams[stream.variant, default: 0] -= 1
  }

  /// Gives the newest generation to every stream. O(streams), each O(1) where streams are in the same state.
  func deliver(_ generation: Generation, publishedAt: NIODeadline) {
    guard self.generation.map({ $0.number < generation.number }) ?? true else { return }
    self.generation = generation
    for stream in streams.values { stream.published(generation, at: publishedAt) }
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
