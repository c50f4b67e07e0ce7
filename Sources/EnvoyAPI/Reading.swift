internal import CWeirProtos
internal import ProtobufC

// From unpacked messages to Swift values. Nothing here keeps a pointer.

/// Decodes bytes as a message of `type` and reads it with `read`.
func decode<Message, Value>(
  _ type: MessageType, as: Message.Type, _ bytes: UnsafeRawBufferPointer, _ read: (Message) throws -> Value
) throws -> Value {
  try Arena.withScratch { arena in
    try read(try arena.unpack(type, from: bytes).assumingMemoryBound(to: Message.self).pointee)
  }
}

extension String {
  /// A string field. Null is the default, an empty string.
  init(field: UnsafePointer<CChar>?) {
    self = field.map { String(cString: $0) } ?? ""
  }

  /// Bytes of a string field that is ASCII; no type URL and no nonce has as many.
  static let maximumASCII = 1024

  /// A string field that is ASCII by its specification.
  ///
  /// - Parameter name: message and field.
  /// - Throws: `ProtobufError` before there is a text, if it is not ASCII, or is longer than any.
  init(ascii field: UnsafePointer<CChar>?, _ name: String) throws(ProtobufError) {
    var count = 0
    while let byte = field?[count], byte != 0 {
      guard byte > 0 else { throw ProtobufError(code: .notASCII, message: "\(name) is not ASCII") }
      count += 1
      guard count <= Self.maximumASCII else {
        throw ProtobufError(code: .tooLarge, message: "\(name) has more than \(Self.maximumASCII) bytes")
      }
    }
    self.init(field: field)
  }
}

extension Array {
  /// A repeated field: its count and the array of its elements.
  init<Pointee>(
    _ count: Int, _ elements: UnsafeMutablePointer<UnsafeMutablePointer<Pointee>?>?,
    _ convert: (UnsafeMutablePointer<Pointee>) -> Element
  ) {
    // libprotobuf-c leaves no gaps in the arrays that it unpacks.
    self = UnsafeBufferPointer(start: elements, count: elements == nil ? 0 : count).map { convert($0!) }
  }
}

extension [UInt8] {
  init(field: ProtobufCBinaryData) {
    self = Array(UnsafeBufferPointer(start: field.data, count: field.data == nil ? 0 : field.len))
  }
}
