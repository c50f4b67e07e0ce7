/// Reads the part of YAML that manifests are mostly written in, for a tenth of what libyaml and a tree of its events cost.
///
/// What it takes: printable ASCII; mappings and lists by indentation, or in brackets, as JSON has them; strings on one
/// line, plain, or in quotes without escapes; comments. It never guesses: at anything else, be it rarer YAML or none at
/// all, it gives up, and libyaml reads the document from its beginning and says what is wrong. So all that is required
/// here is that whatever is taken reads as libyaml reads it, which a test holds over many documents.
struct PlainYAML {
  /// Here is something that this reader does not take.
  struct Unusual: Error {}

  /// Deeper ones are rare, and the stack of this reader is.
  private static let maximumDepth = 32

  let bytes: UnsafeBufferPointer<UInt8>
  var at = 0
  /// Of the file, from 1.
  private(set) var line: Int
  /// By how much the line is indented that is read next; -1 at the end.
  private var column = -1

  private init(_ bytes: UnsafeBufferPointer<UInt8>, firstLine: Int) {
    self.bytes = bytes
    line = firstLine
  }

  /// Reads one document, which holds a mapping. Nil if it has anything that is not taken. Linear in the text.
  ///
  /// - Parameter firstLine: the line of the file on which the text begins.
  static func read(_ text: String, firstLine: Int) -> ManifestNode? {
    var text = text
    return text.withUTF8 { bytes in
      guard holdsOnlyPrintable(bytes) else { return nil }
      var reader = PlainYAML(bytes, firstLine: firstLine)
      return try? reader.document()
    }
  }

  private static func holdsOnlyPrintable(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    var others: UInt8 = 0
    // Without an early end, so that many are compared at once.
    for byte in bytes { others |= byte &- 0x20 < 0x5F || byte == UInt8(ascii: "\n") ? 0 : 1 }
    return others == 0
  }

  private mutating func document() throws(Unusual) -> ManifestNode {
    if byte == UInt8(ascii: "-"), byte(1) == UInt8(ascii: "-"), byte(2) == UInt8(ascii: "-") {
      at = 3
      try endLine()
    } else {
      findContent()
    }
    guard column >= 0 else { throw Unusual() }
    let root: ManifestNode
    if byte == UInt8(ascii: "{") {
      root = try flow(depth: 0)
      try endLine()
    } else {
      root = try mapping(indent: column, depth: 0)
    }
    guard column < 0 else { throw Unusual() }
    return root
  }

  // MARK: By indentation

  /// The reader stands at the first key, and afterwards at what follows the mapping.
  private mutating func mapping(indent: Int, depth: Int) throws(Unusual) -> ManifestNode {
    guard depth < Self.maximumDepth else { throw Unusual() }
    var entries = EntryList(line: line)
    while true {
      let keyLine = line
      let key = try self.key()
      guard byte == UInt8(ascii: ":"), isBlankOrEnd(1) else { throw Unusual() }
      at += 1
      try entries.append(key, keyLine, blockValue(indent: indent, depth: depth + 1))
      if column < indent { return entries.node }
      guard column == indent, !isDash else { throw Unusual() }
    }
  }

  /// What comes after the colon of a key that stands at `indent`.
  private mutating func blockValue(indent: Int, depth: Int) throws(Unusual) -> ManifestNode {
    let keyLine = line
    skipSpaces()
    guard isAtEndOfLine else { return try inlineValue(depth: depth) }
    try endLine()
    if isDash, column >= indent { return try list(indent: column, depth: depth) }
    if column > indent { return try mapping(indent: column, depth: depth) }
    return ManifestNode(value: .null, line: keyLine)
  }

  /// The reader stands at the first dash.
  private mutating func list(indent: Int, depth: Int) throws(Unusual) -> ManifestNode {
    guard depth < Self.maximumDepth else { throw Unusual() }
    let first = line
    var items: [ManifestNode] = []
    repeat {
      let dash = at
      at += 1
      skipSpaces()
      guard !isAtEndOfLine, !isDash else { throw Unusual() }
      let item = indent + at - dash
      items.append(
        isAtKey ? try mapping(indent: item, depth: depth + 1) : try inlineValue(depth: depth + 1))
      guard column <= indent else { throw Unusual() }
    } while column == indent && isDash
    return ManifestNode(value: .list(items), line: first)
  }

  /// A value that has the rest of its line. One that goes on below shows as a line that is indented too far.
  private mutating func inlineValue(depth: Int) throws(Unusual) -> ManifestNode {
    let value = try value(inFlow: false, depth: depth)
    try endLine()
    return value
  }

  /// A `- `.
  private var isDash: Bool { byte == UInt8(ascii: "-") && isBlankOrEnd(1) }

  /// Whether a key of a mapping begins here.
  private var isAtKey: Bool {
    var ahead = self
    guard (try? ahead.key()) != nil else { return false }
    return ahead.byte == UInt8(ascii: ":") && ahead.isBlankOrEnd(1)
  }

  // MARK: In brackets

  /// The reader stands at the opening bracket.
  private mutating func flow(depth: Int) throws(Unusual) -> ManifestNode {
    guard depth < Self.maximumDepth else { throw Unusual() }
    return byte == UInt8(ascii: "{") ? try flowMapping(depth: depth) : try flowList(depth: depth)
  }

  private mutating func flowList(depth: Int) throws(Unusual) -> ManifestNode {
    let first = line
    var items: [ManifestNode] = []
    openBracket()
    if byte != UInt8(ascii: "]") {
      repeat {
        items.append(try value(inFlow: true, depth: depth + 1))
      } while isFollowedByComma()
    }
    guard byte == UInt8(ascii: "]") else { throw Unusual() }
    at += 1
    return ManifestNode(value: .list(items), line: first)
  }

  private mutating func flowMapping(depth: Int) throws(Unusual) -> ManifestNode {
    var entries = EntryList(line: line)
    openBracket()
    if byte != UInt8(ascii: "}") {
      repeat {
        let keyLine = line
        let isQuoted = isAtQuote
        let key = try self.key()
        // `a:1` is a string, and `"a":1` is not.
        guard byte == UInt8(ascii: ":"), isQuoted || isBlankOrEnd(1) else { throw Unusual() }
        at += 1
        skipFlowSpace()
        try entries.append(key, keyLine, value(inFlow: true, depth: depth + 1))
      } while isFollowedByComma()
    }
    guard byte == UInt8(ascii: "}") else { throw Unusual() }
    at += 1
    return entries.node
  }

  private mutating func openBracket() {
    at += 1
    skipFlowSpace()
  }

  private mutating func isFollowedByComma() -> Bool {
    skipFlowSpace()
    guard byte == UInt8(ascii: ",") else { return false }
    at += 1
    skipFlowSpace()
    return true
  }

  // MARK: Values

  private mutating func value(inFlow: Bool, depth: Int) throws(Unusual) -> ManifestNode {
    if byte == UInt8(ascii: "[") || byte == UInt8(ascii: "{") { return try flow(depth: depth) }
    guard depth < Self.maximumDepth else { throw Unusual() }
    if isAtQuote { return ManifestNode(value: .string(try quoted()), line: line) }
    return ManifestNode(value: ManifestNode.resolve(try plain(inFlow: inFlow)), line: line)
  }

  // MARK: Lines

  /// Ends a line of which nothing but white space and a comment may be left, and finds the next content.
  private mutating func endLine() throws(Unusual) {
    skipSpaces()
    guard isAtEndOfLine else { throw Unusual() }
    skipLine()
    findContent()
  }

  /// Finds the next line that holds anything; the reader stands at the beginning of a line.
  private mutating func findContent() {
    while at < bytes.count {
      let start = at
      skipSpaces()
      guard at == bytes.count || byte == UInt8(ascii: "\n") || byte == UInt8(ascii: "#") else {
        column = at - start
        return
      }
      skipLine()
    }
    column = -1
  }

  private mutating func skipLine() {
    while at < bytes.count, bytes[at] != UInt8(ascii: "\n") { at += 1 }
    if at < bytes.count {
      at += 1
      line += 1
    }
  }

  private mutating func skipSpaces() {
    while at < bytes.count, bytes[at] == UInt8(ascii: " ") { at += 1 }
  }

  private mutating func skipFlowSpace() {
    while at < bytes.count, bytes[at] == UInt8(ascii: " ") || bytes[at] == UInt8(ascii: "\n") {
      if bytes[at] == UInt8(ascii: "\n") { line += 1 }
      at += 1
    }
  }

  /// At the end of the line, or at a comment.
  private var isAtEndOfLine: Bool {
    at >= bytes.count || bytes[at] == UInt8(ascii: "\n")
      || (bytes[at] == UInt8(ascii: "#") && at > 0 && bytes[at - 1] == UInt8(ascii: " "))
  }

  private func isBlankOrEnd(_ offset: Int) -> Bool {
    let next = byte(offset)
    return next == UInt8(ascii: " ") || next == UInt8(ascii: "\n") || next == 0
  }

  /// The one that the reader stands at; 0 at the end, and nowhere else.
  var byte: UInt8 { byte(0) }
  func byte(_ offset: Int) -> UInt8 { at + offset < bytes.count ? bytes[at + offset] : 0 }
}

/// The entries of a mapping. A key that comes twice is for libyaml to refuse.
private struct EntryList {
  private let line: Int
  private var entries: [ManifestNode.Entry] = []
  /// Of a long mapping.
  private var keys: Set<String> = []
  private static let few = 8

  init(line: Int) { self.line = line }

  mutating func append(_ key: String, _ keyLine: Int, _ value: ManifestNode) throws(PlainYAML.Unusual) {
    if entries.isEmpty { entries.reserveCapacity(4) }
    if entries.count < Self.few {
      guard !entries.contains(where: { $0.key == key }) else { throw PlainYAML.Unusual() }
    } else {
      if keys.isEmpty { keys = Set(entries.map(\.key)) }
      guard keys.insert(key).inserted else { throw PlainYAML.Unusual() }
    }
    entries.append(ManifestNode.Entry(key: key, keyLine: keyLine, value: value))
  }

  var node: ManifestNode { ManifestNode(value: .map(entries), line: line) }
}
