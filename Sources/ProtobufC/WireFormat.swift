/// Protobuf's encoding by hand: a message is the concatenation of its fields in any order, and a repeated field may be given in
/// parts (protobuf.dev, "Encoding"). So encoded parts are shared and joined instead of encoded again.
public enum WireFormat {
  /// The wire type of strings, bytes and messages.
  @inlinable static var lengthDelimited: UInt64 { 2 }

  /// How many bytes `value` takes as a varint: 1 to 10.
  @inlinable
  public static func byteCountOfVarint(_ value: UInt64) -> Int {
    (70 - (value | 1).leadingZeroBitCount) / 7
  }

  /// How many bytes the tag and the length of a field take.
  @inlinable
  public static func byteCountOfLengthPrefix(field: UInt32, byteCount: Int) -> Int {
    byteCountOfVarint(UInt64(field) << 3) + byteCountOfVarint(UInt64(byteCount))
  }

  /// How many bytes a field of so many bytes takes with its tag and length.
  @inlinable
  public static func byteCountOfField(_ field: UInt32, byteCount: Int) -> Int {
    byteCountOfLengthPrefix(field: field, byteCount: byteCount) + byteCount
  }

  @inlinable
  public static func appendVarint(_ value: UInt64, to buffer: inout [UInt8]) {
    var rest = value
    while rest >= 0x80 {
      buffer.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    buffer.append(UInt8(truncatingIfNeeded: rest))
  }

  /// Appends tag and length; the caller appends exactly `byteCount` bytes next.
  @inlinable
  public static func appendLengthPrefix(field: UInt32, byteCount: Int, to buffer: inout [UInt8]) {
    appendVarint(UInt64(field) << 3 | 2, to: &buffer)
    appendVarint(UInt64(byteCount), to: &buffer)
  }

  /// Appends a string field; nothing if it is empty, as proto3 has it.
  public static func appendField(_ field: UInt32, _ string: String, to buffer: inout [UInt8]) {
    var string = string
    string.withUTF8 { utf8 in
      guard !utf8.isEmpty else { return }
      appendElement(field, UnsafeRawBufferPointer(utf8), to: &buffer)
    }
  }

  /// Appends one element of a repeated string field; unlike a single field it is written even if empty.
  public static func appendElement(_ field: UInt32, _ string: String, to buffer: inout [UInt8]) {
    var string = string
    string.withUTF8 { appendElement(field, UnsafeRawBufferPointer($0), to: &buffer) }
  }

  /// Appends tag, length and bytes.
  public static func appendElement(_ field: UInt32, _ bytes: UnsafeRawBufferPointer, to buffer: inout [UInt8]) {
    appendLengthPrefix(field: field, byteCount: bytes.count, to: &buffer)
    buffer.append(contentsOf: bytes)
  }

  static func writeVarint(_ value: UInt64, to pointer: UnsafeMutablePointer<UInt8>) -> UnsafeMutablePointer<UInt8> {
    var pointer = pointer
    var rest = value
    while rest >= 0x80 {
      pointer.pointee = UInt8(truncatingIfNeeded: rest) | 0x80
      pointer += 1
      rest >>= 7
    }
    pointer.pointee = UInt8(truncatingIfNeeded: rest)
    return pointer + 1
  }
}
