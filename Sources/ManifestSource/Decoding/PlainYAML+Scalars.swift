extension PlainYAML {
  /// libyaml takes keys of 1,024 characters.
  private static let maximumKeyLength = 512

  /// A mapping's key. Plain ones are of letters, digits and `_-./`: `<<` is none of them.
  mutating func key() throws(Unusual) -> String {
    let start = at
    if isAtQuote {
      let key = try quoted()
      guard at - start <= Self.maximumKeyLength else { throw Unusual() }
      return key
    }
    guard Self.isWord(byte) else { throw Unusual() }
    while Self.isOfKey(byte) { at += 1 }
    guard at - start <= Self.maximumKeyLength else { throw Unusual() }
    return text(from: start)
  }

  var isAtQuote: Bool { byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "'") }

  /// A string in quotes, on one line, in which nothing stands for anything else.
  mutating func quoted() throws(Unusual) -> String {
    let quote = byte
    let start = at + 1
    at = start
    while true {
      switch byte {
      case quote:
        let string = text(from: start)
        at += 1
        // `''` is a quote within.
        if byte == quote { throw Unusual() }
        return string
      case 0, UInt8(ascii: "\n"): throw Unusual()
      case UInt8(ascii: "\\") where quote == UInt8(ascii: "\""): throw Unusual()
      default: at += 1
      }
    }
  }

  /// A string without quotes, to the end of the line or, in brackets, to what ends it there. White space at its end is no
  /// part of it.
  mutating func plain(inFlow: Bool) throws(Unusual) -> String {
    let start = at
    let afterDash = byte == UInt8(ascii: "-") ? byte(1) : byte
    guard Self.isFirst(afterDash) else { throw Unusual() }
    at += 1
    while true {
      while Self.isPlain(byte, inFlow) { at += 1 }
      if byte == UInt8(ascii: ":"), !inFlow, byte(1) == UInt8(ascii: ":") || Self.isPlain(byte(1), inFlow) {
        at += 1
        continue
      }
      guard byte == UInt8(ascii: " ") else { break }
      var gap = 1
      while byte(gap) == UInt8(ascii: " ") { gap += 1 }
      guard Self.isPlain(byte(gap), inFlow) else { break }
      at += gap
    }
    return text(from: start)
  }

  private func text(from start: Int) -> String {
    String(decoding: UnsafeBufferPointer(rebasing: bytes[start..<at]), as: UTF8.self)
  }

  // MARK: Characters

  /// Begins a key.
  private static func isWord(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
      true
    default: false
    }
  }

  private static func isOfKey(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "/"): true
    default: isWord(byte)
    }
  }

  /// Begins a plain string, also after a dash.
  private static func isFirst(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "."), UInt8(ascii: "/"), UInt8(ascii: "~"), UInt8(ascii: "^"), UInt8(ascii: "$"),
      UInt8(ascii: "("):
      true
    default: isWord(byte)
    }
  }

  /// Goes on in a plain string.
  private static func isPlain(_ byte: UInt8, _ inFlow: Bool) -> Bool {
    switch byte {
    case UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "/"), UInt8(ascii: "+"), UInt8(ascii: "="),
      UInt8(ascii: "@"), UInt8(ascii: "%"), UInt8(ascii: "^"), UInt8(ascii: "$"), UInt8(ascii: "~"),
      UInt8(ascii: "("), UInt8(ascii: ")"), UInt8(ascii: "<"), UInt8(ascii: ">"), UInt8(ascii: ";"),
      UInt8(ascii: "*"), UInt8(ascii: "\\"):
      true
    case UInt8(ascii: ","): !inFlow
    default: isWord(byte)
    }
  }
}
