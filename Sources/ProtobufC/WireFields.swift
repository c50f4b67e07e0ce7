/// Reads the outermost fields of a message where they lie, without a schema and without a copy (protobuf.dev, "Encoding"): for
/// those who want a few of them, or their number, of a message that it would cost much to decode.
///
/// It is no check: what is inside the fields is not looked at. `Arena.unpack` checks.
public struct WireFields {
  /// The bytes are no protobuf message.
  public struct Malformed: Error {}

  public struct Field {
    public var number: UInt64
    /// The bytes of a string, of bytes or of a message; nil for a number.
    public var payload: UnsafeRawBufferPointer?
    /// Of an integer, a Boolean or an enumeration; else 0.
    public var value: UInt64 = 0
  }

  private let bytes: UnsafeRawBufferPointer
  /// Where the next field begins.
  public private(set) var position = 0

  public init(_ message: UnsafeRawBufferPointer) { bytes = message }

  /// The next field; nil at the end. O(1).
  public mutating func next() throws(Malformed) -> Field? {
    guard position < bytes.count else { return nil }
    let tag = try varint()
    var payload: UnsafeRawBufferPointer?
    switch tag & 7 {
    case 0: return Field(number: tag >> 3, payload: nil, value: try varint())
    case 1: try skip(8)
    case WireFormat.lengthDelimited:
      let length = try varint()
      guard length <= UInt64(bytes.count - position) else { throw Malformed() }
      payload = UnsafeRawBufferPointer(rebasing: bytes[position..<position + Int(length)])
      position += Int(length)
    case 5: try skip(4)
    // Groups are not in proto3.
    default: throw Malformed()
    }
    return Field(number: tag >> 3, payload: payload)
  }

  private mutating func skip(_ count: Int) throws(Malformed) {
    guard count <= bytes.count - position else { throw Malformed() }
    position += count
  }

  private mutating func varint() throws(Malformed) -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while position < bytes.count, shift < 70 {
      let byte = UInt64(bytes[position])
      position += 1
      value |= (byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
    throw Malformed()
  }
}
