public import NIOCore

/// Limits and windows of one session. The defaults suit a control plane: few long streams, large messages, many peers.
public struct HTTP2SessionConfiguration: Sendable {
  /// Streams that the peer may have open at once; more are refused (SETTINGS_MAX_CONCURRENT_STREAMS).
  public var maxConcurrentStreams: Int = 100
  /// Bytes of one header block, counted as RFC 9113, section 6.5.2 does (name + value + 32 for each field). A larger
  /// block resets its stream with ENHANCE_YOUR_CALM before the application sees it.
  public var maxHeaderListSize: Int = 16 * 1024
  /// Bytes that the peer may send on one stream before the application has consumed any.
  public var initialStreamWindow: Int = 1 << 20
  /// Bytes that the peer may send on all streams together before the application has consumed any.
  public var connectionWindow: Int = 8 << 20
  /// PING and SETTINGS acknowledgements that may wait for a peer that does not read; more end the connection.
  public var maxOutboundAcknowledgements: Int = 1000
  /// All frames but DATA that a client may make a server queue (refusals, resets); more end the connection.
  public var maxOutboundControlFrames: Int = 10_000
  /// Entries in one SETTINGS frame.
  public var maxSettingsEntries: Int = 32
  /// Streams of a client that may end in RST_STREAM at once, sent by either side (NO_ERROR is not counted), and how many of
  /// these it earns back each second. More end the connection with ENHANCE_YOUR_CALM.
  public var resetBurst: UInt64 = 1000
  public var resetRefillPerSecond: UInt64 = 33
  /// What time it is, for the limit of resets.
  public var now: @Sendable () -> NIODeadline = { .now() }
  /// Frames in a row that carry nothing (empty DATA without END_STREAM, PRIORITY) before the connection ends.
  public var maxConsecutiveEmptyFrames: Int = 256
  /// DATA frames with at least so many bytes are not counted in ``HTTP2Session/takeFrameTally()``.
  public var uncountedDataLength: Int = 1024
  /// A stream stops being writable above the high mark and becomes writable again at or below the low mark (bytes).
  public var writeHighWatermark: Int = 64 * 1024
  public var writeLowWatermark: Int = 32 * 1024
  /// Body slices up to this many bytes are copied next to their frame header. Up to some thousand bytes the copy costs less
  /// than to queue and gather two pieces.
  public var copyThreshold: Int = 2048

  public init() {}
}
