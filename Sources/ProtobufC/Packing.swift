internal import CProtobufC

/// Messages to bytes. The same message gives the same bytes: libprotobuf-c writes fields in the order of their numbers.
public enum Packing {
  /// The message's bytes.
  ///
  /// - Parameter message: an initialised message of generated code.
  public static func packed(_ message: UnsafeRawPointer) -> [UInt8] {
    let message = message.assumingMemoryBound(to: ProtobufCMessage.self)
    let count = protobuf_c_message_get_packed_size(message)
    return [UInt8](unsafeUninitializedCapacity: count) { buffer, initialised in
      initialised = count == 0 ? 0 : protobuf_c_message_pack(message, buffer.baseAddress)
    }
  }

  /// The message as an element of a field of another message: tag, length, bytes.
  public static func packedField(_ number: UInt32, _ message: UnsafeRawPointer) -> [UInt8] {
    let message = message.assumingMemoryBound(to: ProtobufCMessage.self)
    let count = protobuf_c_message_get_packed_size(message)
    let prefix = WireFormat.byteCountOfLengthPrefix(field: number, byteCount: count)
    return [UInt8](unsafeUninitializedCapacity: prefix + count) { buffer, initialised in
      var next = buffer.baseAddress!
      next = WireFormat.writeVarint(UInt64(number) << 3 | WireFormat.lengthDelimited, to: next)
      next = WireFormat.writeVarint(UInt64(count), to: next)
      let written = count == 0 ? 0 : protobuf_c_message_pack(message, next)
      initialised = next - buffer.baseAddress! + written
    }
  }

  /// The message's bytes in the arena, for a `bytes` field such as that of an `Any`.
  public static func packed(_ message: UnsafeRawPointer, in arena: Arena) -> UnsafeMutableBufferPointer<UInt8> {
    let message = message.assumingMemoryBound(to: ProtobufCMessage.self)
    let count = protobuf_c_message_get_packed_size(message)
    let bytes = arena.allocate(byteCount: count).assumingMemoryBound(to: UInt8.self)
    let written = count == 0 ? 0 : protobuf_c_message_pack(message, bytes)
    return UnsafeMutableBufferPointer(start: bytes, count: written)
  }
}
