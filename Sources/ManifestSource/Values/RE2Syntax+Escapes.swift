extension RE2Syntax {
  mutating func escapeSequence() throws(Refusal) {
    guard let scalar = peek(1) else { throw Refusal("trailing \\") }
    switch scalar {
    case "A", "z", "b", "B":
      index += 2
      push(Piece(size: 1))
    case "C":
      index += 2
      push(Piece(size: 1))
    case "Q":
      index += 2
      while let literal = next {
        if literal == "\\", peek(1) == "E" {
          index += 2
          return
        }
        index += 1
        pushLiteral(literal)
      }
    default:
      if let found = try escapedClass() {
        push(Piece(size: max(1, found.rangeCount)))
      } else {
        let character = try escapedCharacter()
        pushLiteral(Unicode.Scalar(character))
      }
    }
  }

  /// One character after a backslash, in or out of a class.
  private mutating func escapedCharacter() throws(Refusal) -> UInt8 {
    let start = index
    index += 1
    guard let scalar = next else { throw Refusal("trailing \\") }
    index += 1
    func bad() -> Refusal { Refusal("invalid escape sequence: \(text(start..<min(index, scalars.count)))") }
    switch scalar {
    case "1"..."7":
      // A single digit would be a back reference.
      guard let digit = next, digit.octal != nil else { throw bad() }
      fallthrough
    case "0":
      var value = scalar.octal!
      for _ in 0..<2 {
        guard let digit = next?.octal else { break }
        value = value * 8 + digit
        index += 1
      }
      guard let byte = UInt8(exactly: value) else { throw bad() }
      return byte
    case "x":
      if next == "{" {
        index += 1
        var value = 0
        var digits = 0
        while let digit = next?.hexadecimal {
          value = value * 16 + digit
          digits += 1
          index += 1
          if value > 0xFF { throw bad() }
        }
        guard digits > 0, next == "}" else { throw bad() }
        index += 1
        return UInt8(value)
      }
      guard let first = next?.hexadecimal, let second = peek(1)?.hexadecimal else { throw bad() }
      index += 2
      return UInt8(first * 16 + second)
    case "n": return 10
    case "r": return 13
    case "t": return 9
    case "a": return 7
    case "f": return 12
    case "v": return 11
    default:
      guard scalar.isASCII, !scalar.isWord || scalar == "_" else { throw bad() }
      return UInt8(scalar.value)
    }
  }

  // MARK: Classes

  /// `\d`, `\pL`, `\p{Greek}` and their like; nil, and nothing read, where the escape is another.
  private mutating func escapedClass() throws(Refusal) -> RE2Class? {
    guard let letter = peek(1) else { return nil }
    if letter == "p" || letter == "P" {
      let found = try unicodeClass()
      return letter == "P" ? found.complement : found
    }
    guard let lower = letter.lowercaseASCII, let found = RE2Class.perl(lower) else { return nil }
    index += 2
    return lower == letter ? found : found.complement
  }

  private mutating func unicodeClass() throws(Refusal) -> RE2Class {
    let start = index
    index += 2
    guard let first = next else { throw Refusal("invalid character class range: \\p") }
    index += 1
    var name = String(Character(first))
    var isNegated = false
    if first == "{" {
      let begin = index
      while let scalar = next, scalar != "}" { index += 1 }
      guard next == "}" else { throw Refusal("invalid character class range: \(text(start..<index))") }
      name = text(begin..<index)
      index += 1
      if name.hasPrefix("^") {
        name.removeFirst()
        isNegated = true
      }
    }
    guard let found = RE2Class.unicode(name) else {
      throw Refusal("invalid character class range: \(text(start..<index))")
    }
    let folded = ignoresCase ? found.ignoringCase : found
    return isNegated ? folded.complement : folded
  }

  mutating func characterClass() throws(Refusal) {
    index += 1
    var members = RE2Class()
    let isNegated = next == "^"
    if isNegated { index += 1 }
    var isFirst = true
    while let scalar = next, isFirst || scalar != "]" {
      isFirst = false
      if scalar == "[", peek(1) == ":", let named = try posixClass() {
        members.formUnion(named)
        continue
      }
      if scalar == "\\", let named = try escapedClass() {
        members.formUnion(named)
        continue
      }
      let low = try classCharacter()
      var high = low
      if next == "-", let following = peek(1), following != "]" {
        index += 1
        high = try classCharacter()
        if high < low { throw Refusal("invalid character class range") }
      }
      var range = RE2Class()
      range.insert(low...high)
      members.formUnion(ignoresCase ? range.ignoringCase : range)
    }
    guard next == "]" else { throw Refusal("missing ]") }
    index += 1
    push(Piece(size: max(1, (isNegated ? members.complement : members).rangeCount)))
  }

  private mutating func classCharacter() throws(Refusal) -> UInt8 {
    guard let scalar = next else { throw Refusal("missing ]") }
    if scalar == "\\" { return try escapedCharacter() }
    index += 1
    return UInt8(scalar.value)
  }

  /// `[:alpha:]`. Nil where no `:]` follows: then it is a plain `[`.
  private mutating func posixClass() throws(Refusal) -> RE2Class? {
    // Looked for once: an expression full of `[:` would cost its square.
    guard !hasNoPosixEnd else { return nil }
    var cursor = index + 2
    while cursor + 1 < scalars.count, !(scalars[cursor] == ":" && scalars[cursor + 1] == "]") { cursor += 1 }
    guard cursor + 1 < scalars.count else {
      hasNoPosixEnd = true
      return nil
    }
    var name = text(index + 2..<cursor)
    let isNegated = name.hasPrefix("^")
    if isNegated { name.removeFirst() }
    guard let found = RE2Class.posix(name) else {
      throw Refusal("invalid character class range: \(text(index..<cursor + 2))")
    }
    index = cursor + 2
    let folded = ignoresCase ? found.ignoringCase : found
    return isNegated ? folded.complement : folded
  }
}

extension Unicode.Scalar {
  fileprivate var lowercaseASCII: Unicode.Scalar? { isASCII ? Unicode.Scalar(UInt8(value) | 0x20) : nil }
}
