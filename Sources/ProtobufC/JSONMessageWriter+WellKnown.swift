internal import CProtobufC

// The messages of google.protobuf that have a JSON form of their own. Their structs are read by field name through the
// descriptors, as all others are: this target knows no generated code.

extension JSONMessageWriter {
  /// Writes the message if it is one of those.
  mutating func wellKnown(_ message: Message, _ name: String) throws(ProtobufError) -> Bool {
    switch name {
    case "google.protobuf.Any": try any(message)
    case "google.protobuf.Duration": duration(message)
    case "google.protobuf.Struct": try structure(message)
    case "google.protobuf.Value": try value(message)
    case "google.protobuf.ListValue": try list(message)
    case "google.protobuf.DoubleValue", "google.protobuf.FloatValue", "google.protobuf.Int64Value",
      "google.protobuf.UInt64Value", "google.protobuf.Int32Value", "google.protobuf.UInt32Value",
      "google.protobuf.BoolValue", "google.protobuf.StringValue", "google.protobuf.BytesValue":
      try bareValue(message)
    default: return false
    }
    return true
  }

  /// `{"@type": …}` with the fields of the message inside, or with `value` where that message has a JSON form of its own.
  private mutating func any(_ message: Message) throws(ProtobufError) {
    let typeURL = read("type_url", of: message, as: UnsafePointer<CChar>?.self).map { String(cString: $0) } ?? ""
    let content = read("value", of: message, as: ProtobufCBinaryData.self)
    write("{")
    guard !typeURL.isEmpty || content.len > 0 else { return write("}") }
    write("\"@type\":")
    string(typeURL)
    guard let type = registry.type(for: typeURL) else {
      write(",\"value\":")
      base64(content)
      return write("}")
    }
    anyDepth += 1
    defer { anyDepth -= 1 }
    guard anyDepth <= 16 else {
      throw ProtobufError(code: .nestedTooDeep, message: "more than 16 Any inside each other")
    }
    let bytes = UnsafeRawBufferPointer(start: content.data, count: content.data == nil ? 0 : content.len)
    let inner = try arena.unpack(type, from: bytes, limits: limits).assumingMemoryBound(to: ProtobufCMessage.self)
    if hasOwnForm(type.name) {
      write(",\"value\":")
      try self.message(UnsafePointer(inner))
    } else {
      var first = false
      try fields(of: UnsafePointer(inner), &first)
    }
    write("}")
  }

  private func hasOwnForm(_ name: String) -> Bool {
    guard name.hasPrefix("google.protobuf.") else { return false }
    return name != "google.protobuf.Empty" && !name.hasSuffix("Entry")
  }

  /// Seconds with 0, 3, 6 or 9 decimals, whichever shows the value whole.
  private mutating func duration(_ message: Message) {
    let seconds = read("seconds", of: message, as: Int64.self)
    let nanos = read("nanos", of: message, as: Int32.self)
    write("\"")
    if seconds < 0 || nanos < 0 { write("-") }
    write(String(seconds.magnitude))
    if nanos != 0 {
      let digits = String(nanos.magnitude)
      let padded = String(repeating: "0", count: max(0, 9 - digits.count)) + digits
      let count = padded.hasSuffix("000000") ? 3 : padded.hasSuffix("000") ? 6 : 9
      write("." + padded.prefix(count))
    }
    write("s\"")
  }

  private mutating func structure(_ message: Message) throws(ProtobufError) {
    guard count("fields", of: message) > 0 else { return write("{}") }
    try fieldValue(field("fields", of: message), in: message)
  }

  private mutating func list(_ message: Message) throws(ProtobufError) {
    guard count("values", of: message) > 0 else { return write("[]") }
    try fieldValue(field("values", of: message), in: message)
  }

  private mutating func value(_ message: Message) throws(ProtobufError) {
    let descriptor = message.pointee.descriptor.pointee
    let kind = quantifier(descriptor.fields, in: message, as: UInt32.self)
    guard let field = protobuf_c_message_descriptor_get_field(message.pointee.descriptor, kind) else {
      return write("null")
    }
    try fieldValue(field, in: message)
  }

  /// A wrapper is its value.
  private mutating func bareValue(_ message: Message) throws(ProtobufError) {
    try fieldValue(field("value", of: message), in: message)
  }

  private func field(_ name: String, of message: Message) -> Field {
    guard let field = protobuf_c_message_descriptor_get_field_by_name(message.pointee.descriptor, name) else {
      preconditionFailure("\(String(cString: message.pointee.descriptor.pointee.name)) has no field \(name)")
    }
    return field
  }

  private func read<Value>(_ name: String, of message: Message, as: Value.Type) -> Value {
    (UnsafeRawPointer(message) + Int(field(name, of: message).pointee.offset)).load(as: Value.self)
  }

  private func count(_ name: String, of message: Message) -> Int {
    quantifier(field(name, of: message), in: message, as: Int.self)
  }
}
