public import XDSSnapshot

/// Counts since the start of the process, added up over event loops.
public struct XDSMetrics: Sendable {
  public struct TypeCounts: Sendable, Hashable {
    /// Responses sent.
    public var pushes: UInt64 = 0
    /// Resources in them.
    public var resources: UInt64 = 0
    /// Names in `removed_resources`.
    public var removed: UInt64 = 0
    /// Bytes of the messages, with gRPC's prefix.
    public var bytes: UInt64 = 0
    public var acks: UInt64 = 0
    public var nacks: UInt64 = 0
    /// Requests that answered a response which was not the last.
    public var stale: UInt64 = 0
    public var requests: UInt64 = 0

    static func += (a: inout TypeCounts, b: TypeCounts) {
      a.pushes += b.pushes
      a.resources += b.resources
      a.removed += b.removed
      a.bytes += b.bytes
      a.acks += b.acks
      a.nacks += b.nacks
      a.stale += b.stale
      a.requests += b.requests
    }
  }

  /// A histogram in seconds, as Prometheus counts: `counts[i]` observations were at most `bounds[i]` and more than the bound
  /// before; the last count is beyond all bounds.
  public struct Histogram: Sendable, Hashable {
    public static let bounds: [Double] = [
      0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10,
    ]
    public var counts = [UInt64](repeating: 0, count: bounds.count + 1)
    /// The sum of all observations.
    public var sum = 0.0
    public var count: UInt64 { counts.reduce(0, +) }

    mutating func observe(nanoseconds: Int64) {
      let seconds = Double(nanoseconds) / 1e9
      counts[Self.bounds.firstIndex { seconds <= $0 } ?? Self.bounds.count] += 1
      sum += seconds
    }

    static func += (a: inout Histogram, b: Histogram) {
      for index in a.counts.indices { a.counts[index] += b.counts[index] }
      a.sum += b.sum
    }
  }

  /// Open streams, by protocol.
  public var streams: [XDSProtocol: Int] = [:]
  /// Streams since the start.
  public var streamsOpened: UInt64 = 0
  public var types: [ResourceType: TypeCounts] = [:]
  /// Requests for a type that is not served.
  public var unknownTypeRequests: UInt64 = 0
  /// Streams ended because a request could not be read or came without a node.
  public var invalidRequests: UInt64 = 0
  /// How often a response was encoded; every other push shared the bytes of one.
  public var encodings: UInt64 = 0
  /// From `publish` to the response being given to the transport, for responses that a publication caused at once.
  public var pushLatency = Histogram()
  /// From there to the client's ACK.
  public var ackLatency = Histogram()
  /// The newest generation.
  public var generation: UInt64 = 0

  public init() {}

  static func += (a: inout XDSMetrics, b: XDSMetrics) {
    a.streams.merge(b.streams, uniquingKeysWith: +)
    a.streamsOpened += b.streamsOpened
    for (type, counts) in b.types { a.types[type, default: .init()] += counts }
    a.unknownTypeRequests += b.unknownTypeRequests
    a.invalidRequests += b.invalidRequests
    a.pushLatency += b.pushLatency
    a.ackLatency += b.ackLatency
  }
}
