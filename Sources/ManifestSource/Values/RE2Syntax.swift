/// The grammar of RE2 (github.com/google/re2/wiki/Syntax, Perl-like, as Envoy uses it): says beforehand what Envoy would
/// refuse. Nothing is matched here.
///
/// Envoy's RE2 takes an expression as Latin-1: each byte of its UTF-8 is a character, and there are none above 0xFF.
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

  struct Refusal: Error {
    var message: String
    init(_ message: String) { self.message = message }
  }

  /// What is known of one piece of an expression.
  struct Piece {
    /// An upper bound of the instructions that RE2 compiles it to.
    var size = 0
    /// The greatest product of nested repetitions inside.
    var repetition = 1
  }

  struct Group {
    var pieces = Piece()
    /// The piece that a repetition would apply to.
    var last: Piece?
    var lastWasRepetition = false
    var ignoresCase = false
  }

  /// One for each byte.
  let scalars: [Unicode.Scalar]
  var index = 0
  var groups = [Group()]
  /// No `:]` follows.
  var hasNoPosixEnd = false
  private var groupNames: Set<String> = []

  private init(_ pattern: String) { scalars = pattern.utf8.map(Unicode.Scalar.init) }

  var next: Unicode.Scalar? { index < scalars.count ? scalars[index] : nil }
  func peek(_ offset: Int) -> Unicode.Scalar? {
    index + offset < scalars.count ? scalars[index + offset] : nil
  }

  var ignoresCase: Bool { groups[groups.count - 1].ignoresCase }

  /// A part as it was written, whole characters of it.
  func text(_ range: Range<Int>) -> String {
    var end = range.upperBound
    while end < scalars.count, (0x80..<0xC0).contains(scalars[end].value) { end += 1 }
    return String(decoding: scalars[range.lowerBound..<end].map { UInt8($0.value) }, as: UTF8.self)
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
        groups[groups.count - 1].pieces.size += 3
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
        push(Piece(size: 2))
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

  mutating func push(_ piece: Piece) {
    flush()
    groups[groups.count - 1].last = piece
  }

  mutating func pushLiteral(_ scalar: Unicode.Scalar) {
    push(Piece(size: ignoresCase && !scalar.isASCII ? 2 : 1))
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
        // A number too long for RE2 is none, and then the brace is a brace.
        if value >= 100_000_000 { return nil }
        value = value * 10 + digit
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
    defer { index = cursor + 1 }
    return (minimum, maximum, text(index..<cursor + 1))
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
      Refusal("\(what): \(text(start..<min(start + 4, scalars.count)))")
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
}

extension Unicode.Scalar {
  var decimal: Int? { value >= 48 && value <= 57 ? Int(value) - 48 : nil }
  var octal: Int? { value >= 48 && value <= 55 ? Int(value) - 48 : nil }
  var hexadecimal: Int? { properties.isASCIIHexDigit ? Int(String(Character(self)), radix: 16) : nil }
  var isWord: Bool {
    switch self {
    case "a"..."z", "A"..."Z", "0"..."9", "_": true
    default: false
    }
  }
}
