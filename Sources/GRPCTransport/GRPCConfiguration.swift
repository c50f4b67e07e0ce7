internal import HTTP2Session
internal import HTTP2Transport
public import NIOCore

/// Limits and timers of a server; the defaults suit an xDS server with thousands of long-lived streams.
public struct GRPCServerConfiguration: Sendable {
  /// Connections that may be open at once. One more is told so (GOAWAY with ENHANCE_YOUR_CALM; behind TLS it is closed before
  /// the handshake) and closed.
  public var maxConnections: Int = 20_000
  /// Bytes that all clients together may make the process hold. A call that would need more ends with RESOURCE_EXHAUSTED,
  /// and while nothing is left new connections are refused. Share one account among all that hold bytes for clients.
  public var memory = BufferAccount()
  /// Bytes of one received message; a larger one ends its call with RESOURCE_EXHAUSTED.
  public var maxMessageSize: Int = 16 << 20
  /// Streams that one connection may have open.
  public var maxConcurrentStreams: Int = 100
  /// Bytes of one header block, as HTTP/2 counts them.
  public var maxHeaderListSize: Int = 16 * 1024
  /// Bytes that a peer may send ahead of the application, on one stream and on one connection.
  public var streamWindow: Int = 1 << 20
  public var connectionWindow: Int = 8 << 20
  /// Silence after which a connection is probed, and how long the probe may stay unanswered. Nil: never probed.
  public var keepaliveInterval: TimeAmount? = .seconds(30)
  public var keepaliveTimeout: TimeAmount = .seconds(20)
  /// How long a new connection may take to say that it speaks HTTP/2, from when it is accepted: a TLS handshake counts. It may
  /// take as long to open its first call, from when a TLS handshake is over. Nil: for ever.
  public var prefaceTimeout: TimeAmount? = .seconds(10)
  /// How long a connection may exist without a call. Nil: for ever.
  public var idleTimeout: TimeAmount? = .minutes(5)
  /// How long a call whose outbound queue is above its mark may stay without its client taking a byte, and a connection
  /// without its socket taking one. The call is then reset, the connection closed. Nil: for ever.
  public var stallTimeout: TimeAmount? = .seconds(60)
  /// How long a call may be open before its first message begins. The call then ends with DEADLINE_EXCEEDED, and of several such
  /// calls in a row the connection. Nil: for ever.
  public var firstMessageTimeout: TimeAmount? = .seconds(10)
  /// How long a message that has begun may take to arrive, and a second more for each 256 kB that are there. The call then ends
  /// with DEADLINE_EXCEEDED. Nil: for ever.
  public var messageTimeout: TimeAmount? = .seconds(60)
  /// Bytes of messages above 64 kB that a connection's calls may send each second, once they have sent two of the largest size at
  /// once. More wait: nothing is lost.
  public var largeBytesPerSecond: Int = 4 << 20
  /// Frames without much of a body that a client may send at once, and how many of these it earns back each second; see
  /// ``HTTP2ConnectionConfiguration/frameBurst``. A client that sends more is told ENHANCE_YOUR_CALM.
  public var frameBurst: Int = 2000
  public var framesPerSecond: Int = 1000
  /// Messages of one call that are handled before the event loop's other work has its turn.
  public var messagesPerTurn: Int = 16
  /// Outbound queue marks of one call, in bytes (``GRPCCall/isWritable``).
  public var writeHighWatermark: Int = 64 * 1024
  public var writeLowWatermark: Int = 32 * 1024
  /// How often a connection from an address where rules were broken is looked at, whether it may be trusted again
  /// (``GRPCServer/init(group:lowPriorityGroup:configuration:logger:accept:)``).
  public var distrustedTime = TimeAmount.minutes(1)
  /// Connections that the system may queue before they are accepted.
  public var backlog: Int32 = 1024
  public init() {}

  var connection: HTTP2ConnectionConfiguration {
    var configuration = HTTP2ConnectionConfiguration()
    configuration.session.maxConcurrentStreams = maxConcurrentStreams
    configuration.session.maxHeaderListSize = maxHeaderListSize
    configuration.session.initialStreamWindow = streamWindow
    configuration.session.connectionWindow = connectionWindow
    configuration.session.writeHighWatermark = writeHighWatermark
    configuration.session.writeLowWatermark = writeLowWatermark
    configuration.keepaliveInterval = keepaliveInterval
    configuration.keepaliveTimeout = keepaliveTimeout
    configuration.prefaceTimeout = prefaceTimeout
    configuration.idleTimeout = idleTimeout
    configuration.firstStreamTimeout = prefaceTimeout
    configuration.stallTimeout = stallTimeout
    configuration.frameBurst = frameBurst
    configuration.framesPerSecond = framesPerSecond
    return configuration
  }
}

/// Limits and timers of a client connection.
public struct GRPCClientConfiguration: Sendable {
  /// Bytes of one received message; a larger one resets its call, which closes with RESOURCE_EXHAUSTED.
  public var maxMessageSize: Int = 32 << 20
  public var maxHeaderListSize: Int = 16 * 1024
  public var streamWindow: Int = 1 << 20
  public var connectionWindow: Int = 8 << 20
  /// As for servers; nil by default because servers may punish clients that probe often.
  public var keepaliveInterval: TimeAmount?
  public var keepaliveTimeout: TimeAmount = .seconds(20)
  /// How long connecting may take, and then how long the server may take to say that it speaks HTTP/2.
  public var connectTimeout: TimeAmount = .seconds(10)
  public var writeHighWatermark: Int = 64 * 1024
  public var writeLowWatermark: Int = 32 * 1024
  /// Where the client connects from; nil is the system's choice.
  package var localAddress: SocketAddress?
  /// The `:authority` of calls; the default is the address, or `localhost` for a Unix socket.
  public var authority: String?
  /// The `:scheme` of calls; `https` when ``prepareChannel`` adds TLS.
  public var scheme: String = "http"
  /// Adds handlers before the HTTP/2 handler, such as TLS. Called on the channel's event loop.
  public var prepareChannel: (@Sendable (any Channel) throws -> Void)?

  public init() {}

  var connection: HTTP2ConnectionConfiguration {
    var configuration = HTTP2ConnectionConfiguration()
    configuration.session.maxHeaderListSize = maxHeaderListSize
    configuration.session.initialStreamWindow = streamWindow
    configuration.session.connectionWindow = connectionWindow
    configuration.session.writeHighWatermark = writeHighWatermark
    configuration.session.writeLowWatermark = writeLowWatermark
    configuration.keepaliveInterval = keepaliveInterval
    configuration.keepaliveTimeout = keepaliveTimeout
    configuration.prefaceTimeout = connectTimeout
    return configuration
  }
}
