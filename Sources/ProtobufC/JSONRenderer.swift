internal import CProtobufC

/// Renders any message as proto3 JSON (protobuf.dev, "ProtoJSON Format"), by libprotobuf-c's descriptors.
///
/// Fields come in the order of their numbers, entries of a map in the order of the wire, and a key given twice with its last
/// value. A map is told by what protoc makes of it: a repeated message named `…Entry` after its field, of `key` and `value`.
public struct JSONRenderer: Sendable {
  private let registry: MessageRegistry
  private let limits: DecodingLimits

  /// - Parameter registry: the types by which an `Any` is expanded.
  public init(registry: MessageRegistry, limits: DecodingLimits = .standard) {
    self.registry = registry
    self.limits = limits
  }

  /// - Throws: `unknownType` if the registry lacks the type, or why the bytes are no such message.
  public func render(typeURL: String, bytes: UnsafeRawBufferPointer) throws(ProtobufError) -> String {
    guard let type = registry.type(for: typeURL) else {
      throw ProtobufError(code: .unknownType, message: "no message is known as \(typeURL)")
    }
    do {
      return try Arena.withScratch { arena in
        let message = try arena.unpack(type, from: bytes, limits: limits)
        var writer = JSONMessageWriter(registry: registry, limits: limits, arena: arena)
        try writer.message(message.assumingMemoryBound(to: ProtobufCMessage.self))
        return String(decoding: writer.output, as: UTF8.self)
      }
    } catch let error as ProtobufError {
      throw error
    } catch {
      preconditionFailure("only ProtobufError is thrown here: \(error)")
    }
  }
}

/// Writes one message and those inside it.
struct JSONMessageWriter {
  typealias Message = UnsafePointer<ProtobufCMessage>
  typealias Field = UnsafePointer<ProtobufCFieldDescriptor>

  let registry: MessageRegistry
  let limits: DecodingLimits
  let arena: Arena
  var output: [UInt8] = []
  /// `Any` inside `Any`: the check before unpacking sees each of them apart, so their depth adds up here.
  var anyDepth = 0

  init(registry: MessageRegistry, limits: DecodingLimits, arena: Arena) {
    self.registry = registry
    self.limits = limits
    self.arena = arena
  }

  mutating func message(_ message: Message) throws(ProtobufError) {
    let name = String(cString: message.pointee.descriptor.pointee.name)
    if try wellKnown(message, name) { return }
    write("{")
    var first = true
    try fields(of: message, &first)
    write("}")
  }

  /// Writes the fields that are set; `first` is false once one is written.
  mutating func fields(of message: Message, _ first: inout Bool) throws(ProtobufError) {
    let descriptor = message.pointee.descriptor.pointee
    for index in 0..<Int(descriptor.n_fields) {
      let field = descriptor.fields + index
      guard isSet(field, in: message) else { continue }
      if !first { write(",") }
      first = false
      string(lowerCamelCase(String(cString: field.pointee.name)))
      write(":")
      try fieldValue(field, in: message)
    }
  }

  mutating func fieldValue(_ field: Field, in message: Message) throws(ProtobufError) {
    let member = UnsafeRawPointer(message) + Int(field.pointee.offset)
    guard field.pointee.label == PROTOBUF_C_LABEL_REPEATED else { return try value(field, at: member) }
    let count = quantifier(field, in: message, as: Int.self)
    let array = member.load(as: UnsafeRawPointer?.self)
    if isMap(field, in: message) { return try map(array, count) }
    write("[")
    if let array {
      for index in 0..<count {
        if index > 0 { write(",") }
        try value(field, at: array + index * field.pointee.type.elementByteCount)
      }
    }
    write("]")
  }

  private mutating func map(_ array: UnsafeRawPointer?, _ count: Int) throws(ProtobufError) {
    let entries = (0..<(array == nil ? 0 : count)).map { index in
      array!.load(fromByteOffset: index * MemoryLayout<UnsafeRawPointer>.stride, as: Message.self)
    }
    var keys = JSONMessageWriter(registry: registry, limits: limits, arena: arena)
    var last: [[UInt8]: Int] = [:]
    var texts: [[UInt8]] = []
    for (index, entry) in entries.enumerated() {
      keys.output.removeAll(keepingCapacity: true)
      let key = entry.pointee.descriptor.pointee.fields!
      try keys.value(key, at: UnsafeRawPointer(entry) + Int(key.pointee.offset))
      texts.append(keys.output)
      last[keys.output] = index
    }
    write("{")
    var first = true
    for (index, entry) in entries.enumerated() where last[texts[index]] == index {
      if !first { write(",") }
      first = false
      // JSON's keys are strings, whatever the map's are.
      let quoted = texts[index].first == UInt8(ascii: "\"")
      if !quoted { write("\"") }
      output.append(contentsOf: texts[index])
      if !quoted { write("\"") }
      write(":")
      let field = entry.pointee.descriptor.pointee.fields! + 1
      try value(field, at: UnsafeRawPointer(entry) + Int(field.pointee.offset))
    }
    write("}")
  }

  /// Writes one value of the field's type that lies at `member`.
  private mutating func value(_ field: Field, at member: UnsafeRawPointer) throws(ProtobufError) {
    switch field.pointee.type {
    case PROTOBUF_C_TYPE_INT32, PROTOBUF_C_TYPE_SINT32, PROTOBUF_C_TYPE_SFIXED32:
      write(String(member.load(as: Int32.self)))
    case PROTOBUF_C_TYPE_UINT32, PROTOBUF_C_TYPE_FIXED32:
      write(String(member.load(as: UInt32.self)))
    // 64 bits do not fit a JSON number everywhere, so they are strings.
    case PROTOBUF_C_TYPE_INT64, PROTOBUF_C_TYPE_SINT64, PROTOBUF_C_TYPE_SFIXED64:
      write("\"\(member.load(as: Int64.self))\"")
    case PROTOBUF_C_TYPE_UINT64, PROTOBUF_C_TYPE_FIXED64:
      write("\"\(member.load(as: UInt64.self))\"")
    case PROTOBUF_C_TYPE_FLOAT:
      let number = member.load(as: Float.self)
      number.isFinite ? write(number.description) : nonFinite(Double(number))
    case PROTOBUF_C_TYPE_DOUBLE:
      number(member.load(as: Double.self))
    case PROTOBUF_C_TYPE_BOOL:
      write(member.load(as: Int32.self) != 0 ? "true" : "false")
    case PROTOBUF_C_TYPE_ENUM:
      enumeration(
        member.load(as: Int32.self), field.pointee.descriptor.assumingMemoryBound(to: ProtobufCEnumDescriptor.self))
    case PROTOBUF_C_TYPE_STRING:
      string(member.load(as: UnsafePointer<CChar>?.self).map { String(cString: $0) } ?? "")
    case PROTOBUF_C_TYPE_BYTES:
      base64(member.load(as: ProtobufCBinaryData.self))
    default:
      guard let message = member.load(as: Message?.self) else { return write("null") }
      try self.message(message)
    }
  }
}

// MARK: What is set

extension JSONMessageWriter {
  func quantifier<Value>(_ field: Field, in message: Message, as: Value.Type) -> Value {
    (UnsafeRawPointer(message) + Int(field.pointee.quantifier_offset)).load(as: Value.self)
  }

  /// Presence as proto3 has it: a oneof by its case, a message by its pointer, a scalar by not being its default.
  private func isSet(_ field: Field, in message: Message) -> Bool {
    if field.pointee.flags & PROTOBUF_C_FIELD_FLAG_ONEOF.rawValue != 0 {
      return quantifier(field, in: message, as: UInt32.self) == field.pointee.id
    }
    if field.pointee.label == PROTOBUF_C_LABEL_REPEATED { return quantifier(field, in: message, as: Int.self) > 0 }
    let member = UnsafeRawPointer(message) + Int(field.pointee.offset)
    switch field.pointee.type {
    case PROTOBUF_C_TYPE_MESSAGE: return member.load(as: UnsafeRawPointer?.self) != nil
    case PROTOBUF_C_TYPE_STRING: return member.load(as: UnsafePointer<CChar>?.self).map { $0.pointee != 0 } ?? false
    case PROTOBUF_C_TYPE_BYTES: return member.load(as: ProtobufCBinaryData.self).len > 0
    default:
      return field.pointee.type.elementByteCount == 8
        ? member.load(as: UInt64.self) != 0 : member.load(as: UInt32.self) != 0
    }
  }

  private func isMap(_ field: Field, in message: Message) -> Bool {
    guard field.pointee.type == PROTOBUF_C_TYPE_MESSAGE else { return false }
    let entry = field.pointee.descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self).pointee
    guard entry.n_fields == 2, String(cString: entry.fields[0].name) == "key",
      String(cString: entry.fields[1].name) == "value"
    else { return false }
    let camelCase = lowerCamelCase("_" + String(cString: field.pointee.name))
    let owner = String(cString: message.pointee.descriptor.pointee.name)
    return String(cString: entry.name) == "\(owner).\(camelCase)Entry"
  }

  /// protoc's rule for JSON names: an underscore goes, and the letter after it is upper case.
  private func lowerCamelCase(_ name: String) -> String {
    var result = ""
    var upper = false
    for character in name {
      if character == "_" {
        upper = true
      } else {
        result.append(upper ? character.uppercased() : String(character))
        upper = false
      }
    }
    return result
  }
}

extension ProtobufCType {
  /// The size of a value of this type in a generated struct or array.
  var elementByteCount: Int {
    switch self {
    case PROTOBUF_C_TYPE_INT64, PROTOBUF_C_TYPE_SINT64, PROTOBUF_C_TYPE_SFIXED64, PROTOBUF_C_TYPE_UINT64,
      PROTOBUF_C_TYPE_FIXED64, PROTOBUF_C_TYPE_DOUBLE, PROTOBUF_C_TYPE_STRING, PROTOBUF_C_TYPE_MESSAGE:
      8
    case PROTOBUF_C_TYPE_BYTES: MemoryLayout<ProtobufCBinaryData>.stride
    default: 4
    }
  }
}
