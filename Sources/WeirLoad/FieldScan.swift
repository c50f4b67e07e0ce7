/// Reads a protobuf message's fields where they lie: no copies, no schema. A simulated proxy needs a name here and a nonce
/// there of messages that may be megabytes; decoding them whole, a thousand times, would measure the client.
enum FieldScan {
  /// The bytes are no protobuf message.
  struct Malformed: Error {}

  /// Tells every length-delimited field (strings, bytes, messages) in order; passes over numbers. O(fields).
  static func forEach(
    in message: UnsafeRawBufferPointer, _ body: (_ field: UInt64, _ payload: UnsafeRawBufferPointer) throws -> Void
  ) throws {
    var offset = 0
    while offset < message.count {
      let tag = try varint(message, &offset)
      switch tag & 7 {
      case 0: _ = try varint(message, &offset)
      case 1: offset += 8
      case 5: offset += 4
      case 2:
        let length = try varint(message, &offset)
        guard length <= UInt64(message.count - offset) else { throw Malformed() }
        try body(tag >> 3, UnsafeRawBufferPointer(rebasing: message[offset..<offset + Int(length)]))
        offset += Int(length)
      default: throw Malformed()
      }
      guard offset <= message.count else { throw Malformed() }
    }
  }

  /// The last occurrence of a field; nil if it is not there.
  static func last(_ field: UInt64, in message: UnsafeRawBufferPointer) throws -> UnsafeRawBufferPointer? {
    var found: UnsafeRawBufferPointer?
    try forEach(in: message) { if $0 == field { found = $1 } }
    return found
  }

  /// Tells every payload at a path of field numbers, through repeated fields.
  static func forEach(
    at path: ArraySlice<UInt64>, in message: UnsafeRawBufferPointer, _ body: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    guard let field = path.first else { return try body(message) }
    try forEach(in: message) { number, payload in
      if number == field { try forEach(at: path.dropFirst(), in: payload, body) }
    }
  }

  private static func varint(_ bytes: UnsafeRawBufferPointer, _ offset: inout Int) throws -> UInt64 {
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while offset < bytes.count, shift < 64 {
      let byte = bytes[offset]
      offset += 1
      value |= UInt64(byte & 0x7f) << shift
      if byte < 0x80 { return value }
      shift += 7
    }
    throw Malformed()
  }
}

extension String {
  init(utf8 bytes: UnsafeRawBufferPointer) { self = String(decoding: bytes, as: UTF8.self) }
}
