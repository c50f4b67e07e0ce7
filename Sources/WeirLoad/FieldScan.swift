import ProtobufC

/// Reads a protobuf message's fields where they lie: no copies, no schema. A simulated proxy needs a name here and a nonce
/// there of messages that may be megabytes; decoding them whole, a thousand times, would measure the client.
enum FieldScan {
  /// The bytes are no protobuf message.
  struct Malformed: Error {}

  /// Tells every length-delimited field (strings, bytes, messages) in order; passes over numbers. O(fields).
  static func forEach(
    in message: UnsafeRawBufferPointer, _ body: (_ field: UInt64, _ payload: UnsafeRawBufferPointer) throws -> Void
  ) throws {
    var fields = WireFields(message)
    while let field = fields.next() {
      if let payload = field.payload { try body(field.number, payload) }
    }
    if fields.isMalformed { throw Malformed() }
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
}

extension String {
  init(utf8 bytes: UnsafeRawBufferPointer) { self = String(decoding: bytes, as: UTF8.self) }
}
