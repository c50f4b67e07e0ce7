/// The grammar of RE2 (github.com/google/re2/wiki/Syntax, Perl-like, as Envoy uses it): says beforehand what Envoy would
/// refuse. Nothing is matched here.
struct RE2Syntax {
  /// What is wrong with an expression; nil if RE2 accepts it. Linear in its length.
  static func problem(_ pattern: String) -> String? {
    var parser = RE2Syntax(pattern)
    do throws(Refusal) {
      let size = try parser.run()
      return size > maximumProgramSize ? "too large" : nil
    } catch {
      return error.message
    }
  }

  /// RE2 takes at most 1000 repetitions, nested ones multiplied.
  static let maximumRepetition = 1_000
  /// Envoy is given this as `google_re2.max_program_size`; its own default of 100 is too small for real expressions.
  static let maximumProgramSize = 32_768
  static let maximumNesting = 250
  /// `\pL` takes 1203 instructions where the text is UTF-8, `\p{Common}` 407, no other script more than 128.
  private static func size(ofUnicodeClass name: String) -> Int {
    name.count <= 2 ? 1_250 : name == "Common" ? 450 : 150
  }

  struct Refusal: Error {
    var message: String
    init(_ message: String) { self.message = message }
  }

  /// What is known of one piece of an expression.
  private struct Piece {
    /// An upper bound of the instructions that RE2 compiles it to.
    var size = 0
    /// The greatest product of nested repetitions inside.
    var repetition = 1
  }

  private struct Group {
    var pieces = Piece()
    /// The piece that a repetition would apply to.
    var last: Piece?
    var lastWasRepetition = false
    var ignoresCase = false
  }

  private let scalars: [Unicode.Scalar]
  private var index = 0
  private var groups = [Group()]
  private var groupNames: Set<String> = []

  private init(_ pattern: String) { scalars = Array(pattern.unicodeScalars) }

  private var next: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }
  private func peek(_ offset: Int) -> Unicode.Scalar? {
    index + offset < scalars.count ? scalars[index + offset] : nil
  }

  /// An upper bound of the program's size; nil if RE2 would refuse the expression.
  static func size(_ pattern: String) -> Int? {
    var parser = RE2Syntax(pattern)
    return try? parser.run()
  }

  private mutating func run() throws(Refusal) -> Int {
    while let scalar = next {
      switch scalar {
      case "(": try openGroup()
      case ")":
        index += 1
        guard groups.count > 1 else { throw Refusal("unexpected )") }
        let group = close(groups.removeLast())
        push(Piece(size: group.size + 4, repetition: group.repetition))
      case "|":
        index += 1
        flush()
        groups[groups.count - 1].pieces.size += 2
        groups[groups.count - 1].last = nil
      case "[": try characterClass()
      case "*", "+", "?":
        index += 1
        try repeatLast(minimum: scalar == "+" ? 1 : 0, maximum: nil, text: String(Character(scalar)))
      case "{":
        if let (minimum, maximum, text) = braces() {
          guard minimum <= Self.maximumRepetition, (maximum ?? 0) <= Self.maximumRepetition else {
            throw Refusal("invalid repetition size: \(text)")
          }
          if let maximum, maximum < minimum { throw Refusal("invalid repetition size: \(text)") }
          try repeatLast(minimum: minimum, maximum: .some(maximum), text: text)
        } else {
          index += 1
          pushLiteral(scalar)
        }
      case "\\": try escapeSequence()
      case "^", "$":
        index += 1
        push(Piece(size: 1))
      case ".":
        index += 1
        push(Piece(size: 12))
      default:
        index += 1
        pushLiteral(scalar)
      }
    }
    guard groups.count == 1 else { throw Refusal("missing )") }
    // What every program begins and ends with.
    return close(groups.removeLast()).size + 16
  }

  // MARK: Pieces

  private mutating func push(_ piece: Piece) {
    flush()
    groups[groups.count - 1].last = piece
  }

  private mutating func pushLiteral(_ scalar: Unicode.Scalar) {
    push(Piece(size: groups[groups.count - 1].ignoresCase ? 8 : String(Character(scalar)).utf8.count))
  }

  private mutating func flush() {
    let top = groups.count - 1
    if let last = groups[top].last {
      groups[top].pieces.size = min(1 << 30, groups[top].pieces.size + last.size)
      groups[top].pieces.repetition = max(groups[top].pieces.repetition, last.repetition)
    }
    groups[top].lastWasRepetition = false
  }

  private func close(_ group: Group) -> Piece {
    var piece = group.pieces
    if let last = group.last {
      piece.size = min(1 << 30, piece.size + last.size)
      piece.repetition = max(piece.repetition, last.repetition)
    }
    return piece
  }

  /// - Parameter maximum: nil for `*`, `+`, `?`; `.some(nil)` for `{n,}`.
  private mutating func repeatLast(minimum: Int, maximum: Int??, text: String) throws(Refusal) {
    let top = groups.count - 1
    guard var piece = groups[top].last else { throw Refusal("no argument for repetition operator: \(text)") }
    guard !groups[top].lastWasRepetition else { throw Refusal("bad repetition operator: \(text)") }
    if next == "?" { index += 1 }
    if let bounds = maximum {
      let count = bounds ?? minimum
      if count > 1 || minimum > 1 {
        piece.repetition *= max(1, count)
        if piece.repetition > Self.maximumRepetition { throw Refusal("invalid repetition size: \(text)") }
      }
      piece.size = min(1 << 30, (piece.size + 1) * (max(1, count) + 1))
    } else {
      piece.size += 2
    }
    groups[top].last = piece
    groups[top].lastWasRepetition = true
  }

  /// `{n}`, `{n,}`, `{n,m}`; anything else in braces is a literal `{`.
  private mutating func braces() -> (Int, Int?, String)? {
    var cursor = index + 1
    func number() -> Int? {
      let start = cursor
      var value = 0
      while cursor < scalars.count, let digit = scalars[cursor].decimal {
        value = min(value * 10 + digit, 1 << 30)
        cursor += 1
      }
      // RE2 takes no number with a leading zero.
      if cursor == start || (cursor - start > 1 && scalars[start] == "0") { return nil }
      return value
    }
    guard let minimum = number() else { return nil }
    var maximum: Int? = minimum
    if cursor < scalars.count, scalars[cursor] == "," {
      cursor += 1
      if cursor < scalars.count, scalars[cursor] == "}" {
        maximum = nil
      } else {
        guard let value = number() else { return nil }
        maximum = value
      }
    }
    guard cursor < scalars.count, scalars[cursor] == "}" else { return nil }
    var text = ""
    text.unicodeScalars.append(contentsOf: scalars[index...cursor])
    index = cursor + 1
    return (minimum, maximum, text)
  }

  // MARK: Groups

  private mutating func openGroup() throws(Refusal) {
    guard groups.count < Self.maximumNesting else { throw Refusal("nested too deeply") }
    var group = Group(ignoresCase: groups[groups.count - 1].ignoresCase)
    guard peek(1) == "?" else {
      index += 1
      flush()
      groups[groups.count - 1].last = nil
      groups.append(group)
      return
    }
    let start = index
    func refuse(_ what: String) -> Refusal {
      var text = ""
      text.unicodeScalars.append(contentsOf: scalars[start..<min(start + 4, scalars.count)])
      return Refusal("\(what): \(text)")
    }
    index += 2
    if next == "P" || next == "<" {
      if next == "P" { index += 1 }
      guard next == "<", peek(1) != "=", peek(1) != "!" else { throw refuse("invalid or unsupported group") }
      index += 1
      var name = ""
      while let scalar = next, scalar != ">" {
        guard scalar.isWord else { throw Refusal("invalid group name") }
        name.unicodeScalars.append(scalar)
        index += 1
      }
      guard next == ">", !name.isEmpty else { throw Refusal("invalid group name") }
      guard groupNames.insert(name).inserted else { throw Refusal("duplicate group name: \(name)") }
      index += 1
    } else {
      var isNegated = false
      var sawFlag = false
      flags: while true {
        guard let flag = next else { throw Refusal("missing )") }
        index += 1
        switch flag {
        case "i":
          group.ignoresCase = !isNegated
          sawFlag = true
        case "m", "s", "U": sawFlag = true
        case "-":
          if isNegated { throw refuse("invalid or unsupported group") }
          isNegated = true
          sawFlag = false
        case ":", ")":
          if isNegated, !sawFlag { throw refuse("invalid or unsupported group") }
          if flag == ")" {
            // The flags hold until the group around them ends. Nothing is pushed: a repetition applies to what was before.
            groups[groups.count - 1].ignoresCase = group.ignoresCase
            groups[groups.count - 1].lastWasRepetition = false
            return
          }
          break flags
        default: throw refuse("invalid or unsupported group")
        }
      }
    }
    flush()
    groups[groups.count - 1].last = nil
    groups.append(group)
  }

  // MARK: Escapes

  private mutating func escapeSequence() throws(Refusal) {
    guard let scalar = peek(1) else { throw Refusal("trailing \\") }
    switch scalar {
    case "A", "z", "b", "B":
      index += 2
      push(Piece(size: 1))
    case "C":
      index += 2
      push(Piece(size: 2))
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
    case "d", "D", "s", "S", "w", "W":
      index += 2
      push(Piece(size: scalar.value < 0x60 ? 16 : 6))
    case "p", "P":
      push(Piece(size: Self.size(ofUnicodeClass: try unicodeClass())))
    default:
      _ = try escapedCharacter()
      push(Piece(size: 8))
    }
  }

  /// One character after a backslash, in or out of a class.
  private mutating func escapedCharacter() throws(Refusal) -> UInt32 {
    index += 1
    guard let scalar = next else { throw Refusal("trailing \\") }
    index += 1
    func bad() -> Refusal { Refusal("invalid escape sequence: \\\(scalar)") }
    switch scalar {
    case "1"..."7":
      // A single digit would be a back reference.
      guard let digit = next, digit.octal != nil else { throw bad() }
      fallthrough
    case "0":
      var value = UInt32(scalar.octal!)
      for _ in 0..<2 {
        guard let digit = next?.octal else { break }
        value = value * 8 + UInt32(digit)
        index += 1
      }
      return value
    case "x":
      if next == "{" {
        index += 1
        var value: UInt32 = 0
        var digits = 0
        while let digit = next?.hexadecimal {
          value = value * 16 + UInt32(digit)
          digits += 1
          index += 1
          if value > 0x10_FFFF { throw bad() }
        }
        guard digits > 0, next == "}" else { throw bad() }
        index += 1
        return value
      }
      guard let first = next?.hexadecimal, let second = peek(1)?.hexadecimal else { throw bad() }
      index += 2
      return UInt32(first * 16 + second)
    case "n": return 10
    case "r": return 13
    case "t": return 9
    case "a": return 7
    case "f": return 12
    case "v": return 11
    default:
      guard scalar.isASCII, !scalar.isWord || scalar == "_" else { throw bad() }
      return scalar.value
    }
  }

  private mutating func unicodeClass() throws(Refusal) -> String {
    index += 2
    guard let first = next else { throw Refusal("invalid character class range: \\p") }
    index += 1
    var name = ""
    if first == "{" {
      while let scalar = next, scalar != "}" {
        name.unicodeScalars.append(scalar)
        index += 1
      }
      guard next == "}" else { throw Refusal("invalid character class range: \\p{\(name)") }
      index += 1
      if name.hasPrefix("^") { name.removeFirst() }
    } else {
      name.unicodeScalars.append(first)
    }
    guard RE2UnicodeClasses.names.contains(name) else {
      throw Refusal("invalid character class range: \\p{\(name)}")
    }
    return name
  }

  // MARK: Classes

  private mutating func characterClass() throws(Refusal) {
    index += 1
    let perCharacter = groups[groups.count - 1].ignoresCase ? 8 : 3
    var size = 4
    if next == "^" {
      index += 1
      size += 16
    }
    var isFirst = true
    while let scalar = next, isFirst || scalar != "]" {
      isFirst = false
      if scalar == "[", peek(1) == ":", try posixClass() {
        size += 24
        continue
      }
      if scalar == "\\", let escaped = peek(1) {
        if "dDsSwW".unicodeScalars.contains(escaped) {
          index += 2
          size += escaped.value < 0x60 ? 16 : 6
          continue
        }
        if escaped == "p" || escaped == "P" {
          size += Self.size(ofUnicodeClass: try unicodeClass())
          continue
        }
      }
      let low = try classCharacter()
      size += low < 0x80 ? perCharacter : 24
      if next == "-", let following = peek(1), following != "]" {
        index += 1
        let high = try classCharacter()
        if high < low { throw Refusal("invalid character class range") }
        if high >= 0x80 || perCharacter > 3 { size += 40 }
      }
    }
    guard next == "]" else { throw Refusal("missing ]") }
    index += 1
    push(Piece(size: size))
  }

  private mutating func classCharacter() throws(Refusal) -> UInt32 {
    guard let scalar = next else { throw Refusal("missing ]") }
    if scalar == "\\" { return try escapedCharacter() }
    index += 1
    return scalar.value
  }

  /// `[:alpha:]`. False where no `:]` follows: then it is a plain `[`.
  private mutating func posixClass() throws(Refusal) -> Bool {
    var cursor = index + 2
    var name = ""
    while cursor + 1 < scalars.count, !(scalars[cursor] == ":" && scalars[cursor + 1] == "]") {
      name.unicodeScalars.append(scalars[cursor])
      cursor += 1
    }
    guard cursor + 1 < scalars.count else { return false }
    if name.hasPrefix("^") { name.removeFirst() }
    let names: Set<String> = [
      "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
      "word",
      "xdigit",
    ]
    guard names.contains(name) else { throw Refusal("invalid character class range: [:\(name):]") }
    index = cursor + 2
    return true
  }
}

extension Unicode.Scalar {
  fileprivate var decimal: Int? { value >= 48 && value <= 57 ? Int(value) - 48 : nil }
  fileprivate var octal: Int? { value >= 48 && value <= 55 ? Int(value) - 48 : nil }
  fileprivate var hexadecimal: Int? { properties.isASCIIHexDigit ? Int(String(Character(self)), radix: 16) : nil }
  fileprivate var isWord: Bool {
    switch self {
    case "a"..."z", "A"..."Z", "0"..."9", "_": true
    default: false
    }
  }
}
