/// Whether bytes are a string that C can carry: UTF-8 (RFC 3629) without a zero byte.
enum StringScan: Equatable {
  case text
  /// The offset of the first byte that no UTF-8 text has there.
  case notUTF8(at: Int)
  case zeroByte(at: Int)

  /// - Complexity: linear; eight bytes a step while they are ASCII.
  static func scan(_ bytes: UnsafeRawBufferPointer) -> StringScan {
    var position = 0
    while position < bytes.count {
      if position + 8 <= bytes.count {
        let word = bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)
        // No byte above 0x7F, and no byte that borrows when one is taken from it, which is a zero.
        if (word | (word &- 0x0101_0101_0101_0101)) & 0x8080_8080_8080_8080 == 0 {
          position += 8
          continue
        }
      }
      let byte = bytes[position]
      if byte == 0 { return .zeroByte(at: position) }
      guard let length = sequenceLength(bytes, at: position, byte) else { return .notUTF8(at: position) }
      position += length
    }
    return .text
  }

  /// The length of the well-formed sequence here, by the table in RFC 3629, section 4; nil if there is none.
  private static func sequenceLength(_ bytes: UnsafeRawBufferPointer, at position: Int, _ first: UInt8) -> Int? {
    let length: Int
    // The second byte's range shuts out overlong forms, surrogates, and what lies past U+10FFFF.
    var second: ClosedRange<UInt8> = 0x80...0xBF
    switch first {
    case 0x00...0x7F: return 1
    case 0xC2...0xDF: length = 2
    case 0xE0: (length, second) = (3, 0xA0...0xBF)
    case 0xED: (length, second) = (3, 0x80...0x9F)
    case 0xE1...0xEF: length = 3
    case 0xF0: (length, second) = (4, 0x90...0xBF)
    case 0xF1...0xF3: length = 4
    case 0xF4: (length, second) = (4, 0x80...0x8F)
    default: return nil
    }
    guard position + length <= bytes.count, second.contains(bytes[position + 1]) else { return nil }
    for offset in 2..<max(length, 2) where bytes[position + offset] & 0xC0 != 0x80 { return nil }
    return length
  }
}
