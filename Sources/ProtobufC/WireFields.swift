/// Reads the outermost fields of a message where they lie, without a schema and without a copy (protobuf.dev, "Encoding"): for
/// those who want a few of them, or their number, of a message that it would cost much to decode.
///
/// It is no check: what is inside the fields is not looked at. `Arena.unpack` checks.
///
/// It throws nothing. With typed throws, Swift 6.2 compiled a loop over the fields so that an assignment in it was lost, in
/// optimised builds only.
@frozen
public struct WireFields {
  @frozen
  public struct Field {
    public var number: UInt64
    /// The bytes of a string, of bytes or of a message; nil for a number.
    public var payload: UnsafeRawBufferPointer?
    /// Of an integer, a Boolean or an enumeration; else 0.
    public var value: UInt64

    @inlinable init(number: UInt64, payload: UnsafeRawBufferPointer? = nil, value: UInt64 = 0) {
      self.number = number
      self.payload = payload
      self.value = value
    }
  }

  @usableFromInline let bytes: UnsafeRawBufferPointer
  @usableFromInline var offset = 0
  @usableFromInline var hasFailed = false

  /// Where the next field begins.
  @inlinable public var position: Int { offset }
  /// The bytes are no protobuf message: what `next` could not read ended the fields.
  @inlinable public var isMalformed: Bool { hasFailed }

  @inlinable public init(_ message: UnsafeRawBufferPointer) { bytes = message }

  /// - Parameter position: where a field begins, or the end.
  @inlinable public init(_ message: UnsafeRawBufferPointer, at position: Int) {
    bytes = message
    offset = position
  }

  /// Passes over the fields from here on that have this number and are length-delimited, one after another, as the elements of
  /// a list are written. What stands behind them, or cannot be read, is left to ``next()``. Some ns each.
  ///
  /// - Parameters:
  ///   - number: below 16; 0 for none.
  ///   - visit: is given each payload, until it says no.
  /// - Returns: whether it never said no.
  @inlinable @inline(__always)
  public mutating func passRun(of number: UInt64, _ visit: (UnsafeRawBufferPointer) -> Bool) -> Bool {
    guard number != 0, !hasFailed, let base = bytes.baseAddress else { return true }
    let tag = UInt8(truncatingIfNeeded: number << 3 | WireFormat.lengthDelimited)
    let end = bytes.count
    var at = offset
    while end - at >= 2, base.load(fromByteOffset: at, as: UInt8.self) == tag {
      var length = Int(base.load(fromByteOffset: at + 1, as: UInt8.self))
      var start = at + 2
      if length >= 0x80 {
        guard start < end else { break }
        let more = Int(base.load(fromByteOffset: start, as: UInt8.self))
        guard more < 0x80 else { break }
        length = length & 0x7F | more << 7
        start += 1
      }
      guard length <= end - start else { break }
      at = start + length
      guard visit(UnsafeRawBufferPointer(start: base + start, count: length)) else {
        offset = at
        return false
      }
    }
    offset = at
    return true
  }

  /// The next field; nil at the end, and from the first on that cannot be read. O(1).
  @inlinable public mutating func next() -> Field? {
    guard offset < bytes.count, !hasFailed else { return nil }
    let tag = varint()
    switch tag & 7 {
    case WireFormat.lengthDelimited:
      let length = varint()
      guard !hasFailed, length <= UInt64(bytes.count - offset) else { return fail() }
      let start = offset
      offset += Int(length)
      return Field(number: tag >> 3, payload: UnsafeRawBufferPointer(rebasing: bytes[start..<offset]))
    case 0:
      let value = varint()
      return hasFailed ? nil : Field(number: tag >> 3, value: value)
    case 1: skip(8)
    case 5: skip(4)
    // Groups are not in proto3.
    default: return fail()
    }
    return hasFailed ? nil : Field(number: tag >> 3)
  }

  @usableFromInline mutating func fail() -> Field? {
    hasFailed = true
    return nil
  }

  @usableFromInline mutating func skip(_ count: Int) {
    guard count <= bytes.count - offset else {
      hasFailed = true
      return
    }
    offset += count
  }

  /// Most take one byte.
  @inlinable mutating func varint() -> UInt64 {
    guard offset < bytes.count, bytes[offset] < 0x80 else { return longVarint() }
    offset += 1
    return UInt64(bytes[offset - 1])
  }

  @usableFromInline mutating func longVarint() -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while offset < bytes.count, shift < 70 {
      let byte = UInt64(bytes[offset])
      offset += 1
      value |= (byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
    hasFailed = true
    return 0
  }
}
