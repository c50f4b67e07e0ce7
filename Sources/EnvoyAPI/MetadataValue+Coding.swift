internal import CWeirProtos
internal import ProtobufC

extension MetadataValue {
  /// Decodes a `google.protobuf.Value`.
  ///
  /// - Throws: `ProtobufError` for bytes that are no such message, nest deeper than 100 messages (a JSON object takes three,
  ///   an array two), or would take too much memory.
  public init(decoding bytes: UnsafeRawBufferPointer) throws {
    self = try decode(MessageTypes.value, as: Google__Protobuf__Value.self, bytes) { MetadataValue($0) }
  }

  public init(decoding bytes: [UInt8]) throws {
    self = try bytes.withUnsafeBytes { try MetadataValue(decoding: $0) }
  }

  /// The bytes of the `Value`. Equal values have equal bytes: objects are written in the order of their keys.
  public func encoded() -> [UInt8] {
    Arena.withScratch { arena in Packing.packed(arena.value(self)) }
  }

  /// The depth of recursion is bounded by the check before unpacking.
  init(_ message: Google__Protobuf__Value) {
    switch message.kind_case {
    case GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE: self = .number(message.number_value)
    case GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE: self = .string(String(field: message.string_value))
    case GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE: self = .bool(message.bool_value != 0)
    case GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE:
      self = .object(message.struct_value.map { [String: MetadataValue]($0.pointee) } ?? [:])
    case GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE:
      self = .list(
        message.list_value.map { list in
          Array(list.pointee.n_values, list.pointee.values) { MetadataValue($0.pointee) }
        } ?? [])
    // A value of no kind is an error in JSON; here it is nothing, as `null` is.
    default: self = .null
    }
  }
}

extension [String: MetadataValue] {
  /// A key given twice has its last value, as in every map.
  init(_ message: Google__Protobuf__Struct) {
    self.init(minimumCapacity: message.n_fields)
    for index in 0..<message.n_fields {
      guard let entry = message.fields[index] else { continue }
      self[String(field: entry.pointee.key)] = entry.pointee.value.map { MetadataValue($0.pointee) } ?? .null
    }
  }
}

extension Arena {
  func structure(_ fields: [String: MetadataValue]) -> UnsafeMutablePointer<Google__Protobuf__Struct> {
    let message = make(google__protobuf__struct__init)
    message.pointee.n_fields = fields.count
    message.pointee.fields = array(fields.sorted { $0.key < $1.key }) { key, value in
      let entry = make(google__protobuf__struct__fields_entry__init)
      entry.pointee.key = string(key)
      entry.pointee.value = self.value(value)
      return entry
    }
    return message
  }

  fileprivate func value(_ value: MetadataValue) -> UnsafeMutablePointer<Google__Protobuf__Value> {
    let message = make(google__protobuf__value__init)
    switch value {
    case .null:
      message.pointee.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NULL_VALUE
      message.pointee.null_value = GOOGLE__PROTOBUF__NULL_VALUE__NULL_VALUE
    case .number(let number):
      message.pointee.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_NUMBER_VALUE
      message.pointee.number_value = number
    case .string(let text):
      message.pointee.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRING_VALUE
      message.pointee.string_value = string(text)
    case .bool(let flag):
      message.pointee.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_BOOL_VALUE
      message.pointee.bool_value = flag ? 1 : 0
    case .object(let fields):
      message.pointee.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_STRUCT_VALUE
      message.pointee.struct_value = structure(fields)
    case .list(let values):
      let list = make(google__protobuf__list_value__init)
      list.pointee.n_values = values.count
      list.pointee.values = array(values) { self.value($0) }
      message.pointee.kind_case = GOOGLE__PROTOBUF__VALUE__KIND_LIST_VALUE
      message.pointee.list_value = list
    }
    return message
  }
}
