internal import GRPCTransport
internal import NIOCore
internal import XDSServer

/// What clients may ask of a control plane. Whatever goes beyond is refused with a reason, counted, and costs the one who asked.
///
/// The defaults leave room for 20,000 proxies of a mesh with 100,000 services, and bound what a process can be made to hold.
public struct Limits: Sendable, Hashable {
  /// Connections open at once. One more is told so (GOAWAY with ENHANCE_YOUR_CALM; behind TLS it is closed before the
  /// handshake), unless its address holds fewer than another, which then gives up one of its own. 20,000: at some 20 kB each,
  /// 400 MB when all are in use.
  public var connections: Int
  /// Streams open at once on one connection. A client that opens more breaks HTTP/2, and its connection ends. 100: the least
  /// that RFC 9113, section 6.5.2 recommends, for proxies that carry many clients; an Envoy needs one.
  public var streamsPerConnection: Int
  /// Requests a second on one stream, beside the answers to responses; a burst of five seconds' worth may come at once. Beyond
  /// that the stream's requests wait. 100: an Envoy makes a few when it starts, and few later.
  public var requestsPerSecond: Int
  /// Names of one type that a stream may be subscribed to. Beyond that it ends with RESOURCE_EXHAUSTED. 250,000: two and a half
  /// for each of 100,000 services.
  public var subscription: Int
  /// Classes of proxies (kind, namespace, listen address) connected at once: each has listeners and routes of its own, which are
  /// compiled for it. A stream that would bring one more ends with RESOURCE_EXHAUSTED; so does one whose address has brought half
  /// as many already, when nine tenths are in use. 1,000.
  public var proxyClasses: Int
  /// Bytes of one request. A larger one ends its stream with RESOURCE_EXHAUSTED. 16 MiB: a client that reconnects with delta
  /// names each of 100,000 resources twice and gives its version, some 130 bytes a resource.
  public var messageSize: Int
  /// Bytes of one header block, as RFC 9113, section 6.5.2 counts them. A larger one resets its stream with ENHANCE_YOUR_CALM.
  /// 16 KiB: room for a few tokens in the metadata.
  public var headerSize: Int
  /// How long a connection may be without a stream before it is closed. 5 minutes.
  public var idleTime: Duration
  /// How long a new connection may take, from its being accepted, to finish TLS and say that it speaks HTTP/2, and to open its first
  /// stream; and how long a stream may be open before its first request begins. 10 seconds.
  public var handshakeTime: Duration
  /// Bytes that may wait on one stream for a client that does not read. Above that nothing more is queued (what is due is
  /// coalesced), and a client that takes no byte for a minute loses the stream. One response is queued whole, however large.
  /// 64 KiB.
  public var streamBuffer: Int
  /// Bytes that all clients together may make the process hold: parts of requests, subscriptions, what they say that they have
  /// and is not what is served, responses that have not been accepted, and 6 kB for each stream. What is shared counts once. Beyond that the stream that asks ends with RESOURCE_EXHAUSTED, and new connections
  /// are refused; large responses feel it from three quarters on, and large requests from a half. Of unfinished requests, those
  /// of the address that holds most end first. 512 MiB.
  public var bufferMemory: Int
  /// Of these, bytes of names that the streams from one address may subscribe to or say that they have, bytes of responses that
  /// they may leave unanswered, and bytes of streams: of each so many, and what several of its streams have counts once. Beyond that the stream that asks for more
  /// ends with RESOURCE_EXHAUSTED, and those of other addresses do not notice. A quarter of all: 128 MiB, a million names,
  /// and 21,000 streams.
  public var clientMemory: Int

  public init(
    connections: Int = 20_000, streamsPerConnection: Int = 100, requestsPerSecond: Int = 100,
    subscription: Int = 250_000, proxyClasses: Int = 1000, messageSize: Int = 16 << 20, headerSize: Int = 16 << 10,
    idleTime: Duration = .seconds(300),
    handshakeTime: Duration = .seconds(10), streamBuffer: Int = 64 << 10, bufferMemory: Int = 512 << 20,
    clientMemory: Int? = nil
  ) {
    self.connections = connections
    self.streamsPerConnection = streamsPerConnection
    self.requestsPerSecond = requestsPerSecond
    self.subscription = subscription
    self.proxyClasses = proxyClasses
    self.messageSize = messageSize
    self.headerSize = headerSize
    self.idleTime = idleTime
    self.handshakeTime = handshakeTime
    self.streamBuffer = streamBuffer
    self.bufferMemory = bufferMemory
    self.clientMemory = clientMemory ?? bufferMemory / 4
  }
}

extension Limits {
  var grpc: GRPCServerConfiguration {
    var configuration = GRPCServerConfiguration()
    configuration.maxConnections = connections
    configuration.maxConcurrentStreams = streamsPerConnection
    configuration.maxMessageSize = messageSize
    configuration.maxHeaderListSize = headerSize
    configuration.idleTimeout = TimeAmount(idleTime)
    configuration.prefaceTimeout = TimeAmount(handshakeTime)
    configuration.firstMessageTimeout = TimeAmount(handshakeTime)
    configuration.writeHighWatermark = streamBuffer
    configuration.writeLowWatermark = streamBuffer / 2
    configuration.memory = BufferAccount(limit: bufferMemory)
    return configuration
  }

  var xds: XDSLimits {
    XDSLimits(
      maximumSubscription: subscription, requestsPerSecond: requestsPerSecond, requestBurst: requestsPerSecond * 5,
      maximumClasses: proxyClasses, maximumClientMemory: clientMemory)
  }

  /// By their names in metrics: counts, bytes, seconds.
  var byName: [(name: String, value: Double)] {
    [
      ("connections", Double(connections)), ("streams_per_connection", Double(streamsPerConnection)),
      ("requests_per_second", Double(requestsPerSecond)), ("subscription", Double(subscription)),
      ("proxy_classes", Double(proxyClasses)),
      ("message_bytes", Double(messageSize)), ("header_bytes", Double(headerSize)),
      ("idle_seconds", idleTime / .seconds(1)), ("handshake_seconds", handshakeTime / .seconds(1)),
      ("stream_buffer_bytes", Double(streamBuffer)), ("buffer_memory_bytes", Double(bufferMemory)),
      ("client_memory_bytes", Double(clientMemory)),
    ]
  }
}
