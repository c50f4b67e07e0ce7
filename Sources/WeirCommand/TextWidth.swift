// Columns of a terminal: Chinese, Japanese and Korean characters and emoji take two.
extension StringProtocol {
  /// How many columns it takes.
  var columns: Int { reduce(0) { $0 + $1.columns } }

  /// Its beginning, in at most so many columns; what is cut off is marked.
  func clipped(to columns: Int) -> String {
    guard self.columns > columns else { return String(self) }
    guard columns > 0 else { return "" }
    var (text, used) = ("", 1)
    for character in self {
      guard used + character.columns <= columns else { break }
      used += character.columns
      text.append(character)
    }
    return text + "…"
  }

  /// With spaces up to a width.
  func padded(to columns: Int) -> String {
    String(self) + String(repeating: " ", count: Swift.max(0, columns - self.columns))
  }
}

extension Character {
  fileprivate var columns: Int {
    guard let scalar = unicodeScalars.first else { return 0 }
    // East Asian Width W and F (Unicode UAX #11), by block; a character that is drawn as emoji by default counts, too.
    switch scalar.value {
    case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF,
      0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x20000...0x3FFFD:
      return 2
    default: return scalar.properties.isEmojiPresentation ? 2 : 1
    }
  }
}
