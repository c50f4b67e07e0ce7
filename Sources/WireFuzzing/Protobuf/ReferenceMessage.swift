/// A message read by the rules of protobuf.dev's "Encoding" and Weir's own (no zero bytes in text, no groups, known fields
/// with their own wire type, 100 levels, no more than 30 marks in a row), with nothing of libprotobuf-c in it.
struct ReferenceMessage {
  enum Refusal: Error, Equatable {
    case malformed, truncated, text, depth
  }

  /// Length-delimited fields in the order of the wire.
  private(set) var texts: [UInt64: [[UInt8]]] = [:]
  private(set) var numbers: [UInt64: [UInt64]] = [:]
  /// A tag or a length that takes more bytes than libprotobuf-c reads (five), a varint whose tenth byte says more than 64
  /// bits hold, or a message in parts: Weir may refuse these.
  private(set) var isUnusual = false

  init(_ schema: WireSchema, _ bytes: ArraySlice<UInt8>, depth: Int = 0) throws(Refusal) {
    guard depth <= 100 else { throw .depth }
    var position = bytes.startIndex
    while position < bytes.endIndex {
      let tag = try varint(bytes, &position, maximum: 5)
      let number = tag >> 3
      guard number >= 1, number <= 0x1fff_ffff else { throw .malformed }
      let field = schema.field(number)
      switch tag & 7 {
      case 0:
        let value = try varint(bytes, &position, maximum: 10)
        if let field {
          guard case .varint = field.kind else { throw .malformed }
          numbers[number, default: []].append(value)
        }
      case 1, 5:
        let size = tag & 7 == 1 ? 8 : 4
        guard bytes.endIndex - position >= size else { throw .truncated }
        position += size
        if let field {
          guard case .double = field.kind, size == 8 else { throw .malformed }
        }
      case 2:
        let length = try varint(bytes, &position, maximum: 5)
        guard length <= UInt64(bytes.endIndex - position) else { throw .truncated }
        let value = bytes[position..<position + Int(length)]
        position += Int(length)
        if let field { try take(value, of: field, depth: depth) }
      default:
        throw .malformed
      }
    }
    guard depth == 0 else { return }
    for field in schema.fields {
      guard case .ascii = field.kind, let value = texts[field.number]?.last else { continue }
      guard value.count <= 1024, value.allSatisfy({ $0 < 0x80 }) else { throw .text }
    }
  }

  private mutating func take(_ value: ArraySlice<UInt8>, of field: WireSchema.Field, depth: Int) throws(Refusal) {
    switch field.kind {
    case .text:
      try checkText(value)
    case .ascii:
      try checkText(value)
    // Of a field given twice the last counts, so only that is looked at, once the message has been read.
    case .bytes:
      break
    case .message(let schema):
      let inner = try ReferenceMessage(schema, value, depth: depth + 1)
      // Parts of a message are merged by libprotobuf-c, which refuses some that have no kind in a `oneof`.
      let isAgain = !field.isRepeated && texts[field.number] != nil
      isUnusual = isUnusual || inner.isUnusual || isAgain
    case .varint, .double:
      throw .malformed
    }
    texts[field.number, default: []].append(Array(value))
  }

  private func checkText(_ value: ArraySlice<UInt8>) throws(Refusal) {
    guard !value.contains(0), let text = String(validating: value, as: UTF8.self) else { throw .text }
    var marks = 0
    for scalar in text.unicodeScalars {
      // Three Tibetan vowels, and a Greek mark, are two marks each.
      let isDouble = ["\u{344}", "\u{F73}", "\u{F75}", "\u{F81}"].contains(scalar)
      let isMark = isDouble || scalar.properties.canonicalCombiningClass.rawValue > 0
      marks = isMark ? marks + (isDouble ? 2 : 1) : 0
      guard marks <= 30 else { throw .text }
    }
  }

  private mutating func varint(
    _ bytes: ArraySlice<UInt8>, _ position: inout Int, maximum: Int
  ) throws(Refusal) -> UInt64 {
    var value: UInt64 = 0
    for count in 0..<10 {
      guard position < bytes.endIndex else { throw .truncated }
      let byte = bytes[position]
      position += 1
      value |= UInt64(byte & 0x7f) << UInt64(7 * count)
      if count == 9 && byte > 1 { isUnusual = true }
      if byte < 0x80 {
        if count >= maximum { isUnusual = true }
        return value
      }
    }
    throw .malformed
  }

  func strings(_ number: UInt64) -> [String] {
    texts[number, default: []].map { String(decoding: $0, as: UTF8.self) }
  }

  /// A single string: the last one counts.
  func string(_ number: UInt64) -> String { strings(number).last ?? "" }

  /// A single message: what is given in parts is joined, which joining the bytes does.
  func message(_ number: UInt64, _ schema: WireSchema) throws(Refusal) -> ReferenceMessage? {
    guard let parts = texts[number] else { return nil }
    return try ReferenceMessage(schema, ArraySlice(parts.joined()))
  }
}
