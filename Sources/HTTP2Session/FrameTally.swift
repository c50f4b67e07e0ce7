/// Frames that came and went in a while.
public struct FrameTally: Sendable, Hashable {
  /// Frames of any type that the peer sent, except DATA of at least ``HTTP2SessionConfiguration/uncountedDataLength``. Some
  /// count more than once, for one of them costs this end as much as so many PINGs: some 0.5 µs each.
  public var received = 0
  /// DATA frames that this end sent: a peer answers these with WINDOW_UPDATE frames, and gRPC's with PINGs as well.
  public var dataSent = 0

  /// A new stream, its call and its end.
  static let headersWeight = 10
  /// A new window is told to every open stream.
  static let settingsWeight = 20
  /// Bytes of fields that count as much as another frame: a byte on the wire may name four thousand of them, and each is looked at
  /// more than once.
  static let fieldBytes = 1024
  /// The rest of a header block that is over its limit has to be decoded all the same, to keep HPACK's table in step: 8 kB of
  /// references to one field of 4 kB take 0.14 ms.
  static let tooLargeHeadersWeight = 100

  public init() {}
}
