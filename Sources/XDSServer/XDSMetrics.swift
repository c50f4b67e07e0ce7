public import Telemetry
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

  /// Open streams, by protocol.
  public var streams: [XDSProtocol: Int] = [:]
  /// Streams since the start.
  public var streamsOpened: UInt64 = 0
  public var types: [ResourceType: TypeCounts] = [:]
  /// Requests for a type that is not served.
  public var unknownTypeRequests: UInt64 = 0
  /// Streams ended because a request could not be read or came without a node.
  public var invalidRequests: UInt64 = 0
  /// Times that a stream's requests were made to wait because it made too many.
  public var throttledRequests: UInt64 = 0
  /// Streams ended because they asked for more than a limit allows, by limit.
  public var limitedStreams: [XDSLimit: UInt64] = [:]
  /// Clusters taken back from a proxy that answered everything but its clusters (`XDSServer.init`, `patience`).
  public var suspectsWithdrawn: UInt64 = 0
  /// How often a response was encoded; every other push shared the bytes of one.
  public var encodings: UInt64 = 0
  /// Classes of the proxies that are connected.
  public var classes = 0
  /// Bytes of names, or of unanswered responses, of the address that holds most.
  public var largestClient = 0
  /// The newest generation.
  public var generation: UInt64 = 0

  public init() {}

  static func += (a: inout XDSMetrics, b: XDSMetrics) {
    a.streams.merge(b.streams, uniquingKeysWith: +)
    a.streamsOpened += b.streamsOpened
    for (type, counts) in b.types { a.types[type, default: .init()] += counts }
    a.unknownTypeRequests += b.unknownTypeRequests
    a.invalidRequests += b.invalidRequests
    a.throttledRequests += b.throttledRequests
    a.limitedStreams.merge(b.limitedStreams, uniquingKeysWith: +)
    a.suspectsWithdrawn += b.suspectsWithdrawn
  }
}

/// How long pushes take; the instruments belong to whoever shows them.
public struct XDSLatencies: Sendable {
  /// From `publish` to the response being given to the transport, for responses that a publication caused at once.
  public var push: Histogram
  /// From there to the client's ACK.
  public var ack: Histogram

  public init(push: Histogram = Histogram(), ack: Histogram = Histogram()) {
    self.push = push
    self.ack = ack
  }
}
