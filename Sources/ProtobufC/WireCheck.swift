internal import CProtobufC

/// Reads the bytes of a message as libprotobuf-c will, before it does, and refuses what would harm.
///
/// libprotobuf-c 1.4.1 recurses as deep as the message nests, so that 30 kB of nested metadata overflow a thread's stack; it
/// takes any bytes for a string and lets the string end at its first zero byte; and it allocates a whole struct for two bytes of
/// empty message. What this check lets through is bounded in depth, count and memory, and its strings are strings.
///
/// The check follows descriptors: bytes of an unknown field, of `bytes` and of an `Any` are not looked into.
struct WireCheck {
  private let bytes: UnsafeRawBufferPointer
  private let limits: DecodingLimits
  private let maximumMemory: Int
  /// What the decoded message will take.
  private(set) var memory = 0
  private(set) var elementCount = 0

  init(bytes: UnsafeRawBufferPointer, limits: DecodingLimits) {
    self.bytes = bytes
    self.limits = limits
    maximumMemory = limits.memory(forByteCount: bytes.count)
  }

  mutating func run(_ type: MessageType) throws(ProtobufError) {
    guard bytes.count <= limits.maximumByteCount else {
      throw ProtobufError(
        code: .tooLarge, message: "\(type.name) of \(bytes.count) bytes exceeds \(limits.maximumByteCount)")
    }
    try message(type.descriptor, in: 0..<bytes.count, depth: 0)
  }

  private mutating func message(
    _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, in range: Range<Int>, depth: Int
  ) throws(ProtobufError) {
    guard depth <= limits.maximumDepth else {
      throw failure(.nestedTooDeep, "more than \(limits.maximumDepth) messages inside each other", descriptor, range)
    }
    try take(descriptor.pointee.sizeof_message, descriptor, at: range.lowerBound)
    var position = range.lowerBound
    while position < range.upperBound {
      let start = position
      let tag = try varint(&position, range.upperBound, descriptor)
      let number = tag >> 3
      guard number >= 1, number <= 0x1FFF_FFFF else {
        throw failure(.malformed, "field number \(number)", descriptor, start..<position)
      }
      try count(1, descriptor, at: start)
      let value = try extent(of: tag & 7, from: &position, to: range.upperBound, descriptor)
      guard let field = protobuf_c_message_descriptor_get_field(descriptor, UInt32(number)) else {
        // libprotobuf-c keeps unknown fields.
        try take(MemoryLayout<ProtobufCMessageUnknownField>.size + value.count, descriptor, at: start)
        continue
      }
      try self.field(field, wireType: tag & 7, value, of: descriptor, depth: depth)
    }
  }

  /// Checks a known field whose bytes (without tag and length) are `value`.
  private mutating func field(
    _ field: UnsafePointer<ProtobufCFieldDescriptor>, wireType: UInt64, _ value: Range<Int>,
    of descriptor: UnsafePointer<ProtobufCMessageDescriptor>, depth: Int
  ) throws(ProtobufError) {
    let type = field.pointee.type
    let repeated = field.pointee.label == PROTOBUF_C_LABEL_REPEATED
    if repeated { try take(16, descriptor, at: value.lowerBound) }
    guard wireType == type.wireType else {
      guard repeated, wireType == WireFormat.lengthDelimited, type.isPackable else {
        throw failure(.malformed, "wire type \(wireType) for \(name(field))", descriptor, value)
      }
      return try packed(type, value, name(field), of: descriptor)
    }
    switch type {
    case PROTOBUF_C_TYPE_MESSAGE:
      try message(
        field.pointee.descriptor.assumingMemoryBound(to: ProtobufCMessageDescriptor.self), in: value, depth: depth + 1)
    case PROTOBUF_C_TYPE_STRING:
      try take(value.count + 8, descriptor, at: value.lowerBound)
      switch StringScan.scan(UnsafeRawBufferPointer(rebasing: bytes[value])) {
      case .text: break
      case .notUTF8(let offset):
        throw failure(.invalidUTF8, name(field), descriptor, value.lowerBound + offset..<value.upperBound)
      case .zeroByte(let offset):
        throw failure(.embeddedNUL, name(field), descriptor, value.lowerBound + offset..<value.upperBound)
      case .tooManyMarks(let offset):
        throw failure(
          .tooManyMarks, "\(name(field)): more than \(StringScan.maximumMarks) combining marks in a row", descriptor,
          value.lowerBound + offset..<value.upperBound)
      }
    case PROTOBUF_C_TYPE_BYTES:
      try take(value.count + 8, descriptor, at: value.lowerBound)
    default:
      break
    }
  }

  /// Checks the elements of a packed field.
  private mutating func packed(
    _ type: ProtobufCType, _ value: Range<Int>, _ name: String, of descriptor: UnsafePointer<ProtobufCMessageDescriptor>
  ) throws(ProtobufError) {
    var elements = 0
    switch type.wireType {
    case 1, 5:
      let size = type.wireType == 1 ? 8 : 4
      guard value.count.isMultiple(of: size) else {
        throw failure(.malformed, "packed \(name) of \(value.count) bytes", descriptor, value)
      }
      elements = value.count / size
    default:
      var position = value.lowerBound
      while position < value.upperBound {
        _ = try varint(&position, value.upperBound, descriptor)
        elements += 1
      }
    }
    try count(elements, descriptor, at: value.lowerBound)
    try take(elements * 8, descriptor, at: value.lowerBound)
  }

  /// Moves past a field's value and says where its bytes are.
  private func extent(
    of wireType: UInt64, from position: inout Int, to end: Int, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>
  ) throws(ProtobufError) -> Range<Int> {
    var start = position
    switch wireType {
    case 0:
      _ = try varint(&position, end, descriptor)
    case 1, 5:
      position += wireType == 1 ? 8 : 4
      guard position <= end else { throw failure(.truncated, "number cut off", descriptor, start..<end) }
    case WireFormat.lengthDelimited:
      let length = try varint(&position, end, descriptor)
      guard length <= UInt64(end - position) else {
        throw failure(.truncated, "length \(length) with \(end - position) bytes left", descriptor, start..<end)
      }
      start = position
      position += Int(length)
    default:
      // Groups (3, 4) are not in proto3, and 6 and 7 do not exist.
      throw failure(.malformed, "wire type \(wireType)", descriptor, start..<end)
    }
    return start..<position
  }

  private func varint(
    _ position: inout Int, _ end: Int, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>
  ) throws(ProtobufError) -> UInt64 {
    let start = position
    var value: UInt64 = 0
    var shift: UInt64 = 0
    while position < end {
      let byte = UInt64(bytes[position])
      position += 1
      value |= (byte & 0x7F) << shift
      if byte < 0x80 { return value }
      shift += 7
      if shift == 70 { throw failure(.malformed, "varint of more than 10 bytes", descriptor, start..<position) }
    }
    throw failure(.truncated, "varint cut off", descriptor, start..<position)
  }

  private mutating func take(
    _ byteCount: Int, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, at offset: Int
  ) throws(ProtobufError) {
    memory += byteCount
    guard memory <= maximumMemory else {
      throw failure(.tooLarge, "would take more than \(maximumMemory) bytes decoded", descriptor, offset..<offset)
    }
  }

  private mutating func count(
    _ elements: Int, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>, at offset: Int
  ) throws(ProtobufError) {
    elementCount += elements
    guard elementCount <= limits.maximumElementCount else {
      throw failure(.tooLarge, "more than \(limits.maximumElementCount) fields", descriptor, offset..<offset)
    }
  }

  private func name(_ field: UnsafePointer<ProtobufCFieldDescriptor>) -> String { String(cString: field.pointee.name) }

  private func failure(
    _ code: ProtobufError.Code, _ message: String, _ descriptor: UnsafePointer<ProtobufCMessageDescriptor>,
    _ range: Range<Int>
  ) -> ProtobufError {
    ProtobufError(
      code: code, message: "\(String(cString: descriptor.pointee.name)): \(message)", offset: range.lowerBound)
  }
}

extension ProtobufCType {
  /// The wire type of a single value of this type (protobuf.dev, "Encoding").
  var wireType: UInt64 {
    switch self {
    case PROTOBUF_C_TYPE_SFIXED64, PROTOBUF_C_TYPE_FIXED64, PROTOBUF_C_TYPE_DOUBLE: 1
    case PROTOBUF_C_TYPE_STRING, PROTOBUF_C_TYPE_BYTES, PROTOBUF_C_TYPE_MESSAGE: WireFormat.lengthDelimited
    case PROTOBUF_C_TYPE_SFIXED32, PROTOBUF_C_TYPE_FIXED32, PROTOBUF_C_TYPE_FLOAT: 5
    default: 0
    }
  }

  var isPackable: Bool { wireType != WireFormat.lengthDelimited }
}
