/// The Huffman code of RFC 7541, appendix B, for printable ASCII. It is canonical: within one length, codes follow the
/// order of the symbols, so lengths say all. Symbols outside ASCII only fill their places.
enum Huffman {
  private static let symbolsByLength: [(length: Int, symbols: String)] = [
    (5, "012aceiost"), (6, " %-./3456789=A_bdfghlmnpru"), (7, ":BCDEFGHIJKLMNOPQRSTUVWYjkqvwxyz"), (8, "&*,;XZ"),
    (10, "!\"()?"), (11, "'+|"), (12, "#>"), (13, "\0$@[]~"), (14, "^}"), (15, "<`{"),
  ]

  struct Code: Hashable {
    var length: Int
    var bits: UInt32
  }

  private static let codes: [UInt8: Code] = {
    var codes: [UInt8: Code] = [:]
    var next: UInt32 = 0
    var length = 5
    for group in symbolsByLength {
      next <<= UInt32(group.length - length)
      length = group.length
      for symbol in group.symbols.utf8 {
        codes[symbol] = Code(length: length, bits: next)
        next += 1
      }
    }
    return codes
  }()

  private static let symbols = Dictionary(uniqueKeysWithValues: codes.map { ($0.value, $0.key) })

  /// The code of the end of the string: thirty ones.
  static let endOfString = Code(length: 30, bits: 0x3fff_ffff)

  /// The bits of the text, and then of `suffix`, padded with ones (or zeros) to whole bytes, and `extra` bytes of that.
  static func encode(_ text: String, suffix: [Code] = [], padWithOnes: Bool = true, extra: Int = 0) -> [UInt8] {
    var bytes: [UInt8] = []
    var current: UInt64 = 0
    var count = 0
    for code in text.utf8.map({ codes[$0]! }) + suffix {
      current = current << UInt64(code.length) | UInt64(code.bits)
      count += code.length
      while count >= 8 {
        count -= 8
        bytes.append(UInt8(truncatingIfNeeded: current >> UInt64(count)))
      }
    }
    if count > 0 {
      let missing = UInt64(8 - count)
      bytes.append(UInt8(truncatingIfNeeded: current << missing | (padWithOnes ? (1 << missing) - 1 : 0)))
    }
    return bytes + [UInt8](repeating: padWithOnes ? 0xff : 0, count: extra)
  }

  /// Nil when a symbol is not printable ASCII.
  static func decode(_ bytes: ArraySlice<UInt8>) -> String? {
    var text: [UInt8] = []
    var code = Code(length: 0, bits: 0)
    for byte in bytes {
      for shift in (0..<8).reversed() {
        code = Code(length: code.length + 1, bits: code.bits << 1 | UInt32(byte >> shift & 1))
        if let symbol = symbols[code] {
          text.append(symbol)
          code = Code(length: 0, bits: 0)
        }
        if code.length > 15 { return nil }
      }
    }
    return String(decoding: text, as: UTF8.self)
  }
}
