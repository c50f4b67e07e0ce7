public import HTTP2Session
public import NIOCore

/// Timers and limits of one connection. Nil switches a timer off.
public struct HTTP2ConnectionConfiguration: Sendable {
  public var session = HTTP2SessionConfiguration()
  /// How long a connection may be silent before it is probed with a PING.
  public var keepaliveInterval: TimeAmount?
  /// How long the probe may stay without any answer before the connection is given up.
  public var keepaliveTimeout: TimeAmount = .seconds(20)
  /// How long the peer may take to say that it speaks HTTP/2 (its SETTINGS frame).
  public var prefaceTimeout: TimeAmount? = .seconds(10)
  /// How long a connection may exist without a stream.
  public var idleTimeout: TimeAmount?
  /// How long a closing connection waits for its last bytes (a GOAWAY, say) to leave.
  public var lingerTimeout: TimeAmount = .seconds(2)
  /// How long a drain waits for the peer to answer the PING that tells streams on their way from none.
  public var drainProbeTimeout: TimeAmount = .seconds(1)
  /// Bytes handed to the socket at a time. While these wait in the channel, nothing more is taken from the streams.
  public var writeBatch: Int = 64 * 1024

  public init() {}
}
