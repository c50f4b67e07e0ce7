/// Whether bytes are a string that C can carry and Swift can compare: UTF-8 (RFC 3629) without a zero byte, and in Unicode's
/// Stream-Safe Text Format (UAX 15, section 13).
///
/// That is, of no more than 30 combining marks in a row, of which no language writes more than a handful. Swift's texts are
/// equal however their marks are ordered, so to hash or compare one it sorts each run of marks, which takes a time that grows
/// with the square of the run: 60 kB of marks are seconds.
enum StringScan: Equatable {
  case text
  /// The offset of the first byte that no UTF-8 text has there.
  case notUTF8(at: Int)
  case zeroByte(at: Int)
  /// The offset of the first mark that is one too many.
  case tooManyMarks(at: Int)

  static let maximumMarks = 30

  /// - Complexity: linear; eight bytes a step while they are ASCII.
  static func scan(_ bytes: UnsafeRawBufferPointer) -> StringScan {
    var position = 0
    var marks = 0
    while position < bytes.count {
      if position + 8 <= bytes.count {
        let word = bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self)
        // No byte above 0x7F, and no byte that borrows when one is taken from it, which is a zero.
        if (word | (word &- 0x0101_0101_0101_0101)) & 0x8080_8080_8080_8080 == 0 {
          position += 8
          marks = 0
          continue
        }
      }
      let byte = bytes[position]
      if byte == 0 { return .zeroByte(at: position) }
      guard let length = sequenceLength(bytes, at: position, byte) else { return .notUTF8(at: position) }
      // No mark is before U+0300.
      let added = byte < 0xCC ? 0 : self.marks(bytes, at: position, length)
      marks = added == 0 ? 0 : marks + added
      if marks > maximumMarks { return .tooManyMarks(at: position) }
      position += length
    }
    return .text
  }

  /// How many marks the character here is, written out; 0 if it is none or begins with something else.
  private static func marks(_ bytes: UnsafeRawBufferPointer, at position: Int, _ length: Int) -> Int {
    var value = UInt32(bytes[position]) & (0x7F >> UInt32(length))
    for offset in 1..<length { value = value << 6 | UInt32(bytes[position + offset] & 0x3F) }
    switch value {
    // Stand for two marks, and the last three of these are of no combining class themselves.
    case 0x344, 0xF73, 0xF75, 0xF81: return 2
    default: break
    }
    guard let scalar = Unicode.Scalar(value) else { return 0 }
    return scalar.properties.canonicalCombiningClass == .notReordered ? 0 : 1
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
