/// What a message from outside may cost before it is refused.
public struct DecodingLimits: Sendable, Hashable {
  /// Messages inside messages, the outermost not counted. Protobuf's own implementations stop at 100 as well.
  ///
  /// A JSON object in a `google.protobuf.Struct` takes three levels: `Struct`, its map's entry, `Value`.
  public var maximumDepth: Int
  /// Bytes of the encoded message.
  public var maximumByteCount: Int
  /// Fields and elements of repeated fields, at every depth, known or not.
  public var maximumElementCount: Int
  /// Memory for the decoded message in bytes, whatever the message's size.
  public var maximumMemory: Int
  /// Memory for the decoded message, as a multiple of its bytes. Two bytes on the wire can ask for a struct of 200 bytes.
  public var maximumExpansion: Int

  public init(
    maximumDepth: Int = 100, maximumByteCount: Int = 64 << 20, maximumElementCount: Int = 4_000_000,
    maximumMemory: Int = 256 << 20, maximumExpansion: Int = 32
  ) {
    self.maximumDepth = maximumDepth
    self.maximumByteCount = maximumByteCount
    self.maximumElementCount = maximumElementCount
    self.maximumMemory = maximumMemory
    self.maximumExpansion = maximumExpansion
  }

  public static let standard = DecodingLimits()

  /// A small message may always take this much.
  static let unquestionedMemory = 64 << 10

  func memory(forByteCount byteCount: Int) -> Int {
    let (product, overflow) = byteCount.multipliedReportingOverflow(by: maximumExpansion)
    return min(overflow ? .max : max(product, Self.unquestionedMemory), maximumMemory)
  }
}
