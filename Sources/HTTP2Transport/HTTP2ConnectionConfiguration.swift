public import HTTP2Session
public import NIOCore

/// Timers and limits of one connection. Nil switches a timer off.
public struct HTTP2ConnectionConfiguration: Sendable {
  public var session = HTTP2SessionConfiguration()
  /// How long a connection may be silent before it is probed with a PING.
  public var keepaliveInterval: TimeAmount?
  /// How long the probe may stay without any answer before the connection is given up.
  public var keepaliveTimeout: TimeAmount = .seconds(20)
  /// How long the peer may take to say that it speaks HTTP/2 (its SETTINGS frame), from when the connection is set up: what a TLS
  /// handshake takes counts.
  public var prefaceTimeout: TimeAmount? = .seconds(10)
  /// How long a connection may exist without a stream.
  public var idleTimeout: TimeAmount?
  /// The same before its first stream, if that is shorter.
  public var firstStreamTimeout: TimeAmount?
  /// How long a closing connection waits for its last bytes (a GOAWAY, say) to leave.
  public var lingerTimeout: TimeAmount = .seconds(2)
  /// How long a drain waits for the peer to answer the PING that tells streams on their way from none.
  public var drainProbeTimeout: TimeAmount = .seconds(1)
  /// How long a stream may stay without a byte of its waiting body being taken, or the socket without taking any. The
  /// stream is then reset with ENHANCE_YOUR_CALM, the connection closed.
  public var stallTimeout: TimeAmount? = .seconds(60)
  /// Frames that a client may send to a server at once, and how many of these it earns back each second. Each DATA frame that
  /// the server sends earns ten more, for its WINDOW_UPDATEs and PINGs. Frames with 1 kB of a body or more are not counted, and
  /// some count more than once (``FrameTally``): a new stream is ten.
  /// A client that sends more is told ENHANCE_YOUR_CALM.
  public var frameBurst: Int = 2000
  public var framesPerSecond: Int = 1000
  /// Bytes handed to the socket at a time. While these wait in the channel, nothing more is taken from the streams. Bodies are
  /// shared, so a batch costs no memory; small batches cost system calls, and make the kernel send small segments.
  public var writeBatch: Int = 1 << 20

  public init() {}
}
