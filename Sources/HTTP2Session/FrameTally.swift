/// Frames that came and went in a while.
public struct FrameTally: Sendable, Hashable {
  /// Frames of any type that the peer sent, except DATA of at least ``HTTP2SessionConfiguration/uncountedDataLength``.
  public var received = 0
  /// DATA frames that this end sent: a peer answers these with WINDOW_UPDATE frames, and gRPC's with PINGs as well.
  public var dataSent = 0

  public init() {}
}
