public import NIOCore

/// gRPC's length-prefixed messages (gRPC over HTTP2, "Length-Prefixed-Message"): one byte that says whether the message
/// is compressed, four bytes of length (big endian), the message.
public enum GRPCFraming {
  /// Bytes before each message.
  public static let prefixLength = 5

  /// The message with its prefix, in one new buffer (copies the message once). Frame once, then give the result to any
  /// number of calls (``GRPCCall/send(framed:)``).
  public static func frame(_ message: ByteBuffer) -> ByteBuffer {
    var framed = ByteBufferAllocator().buffer(capacity: prefixLength + message.readableBytes)
    writePrefix(length: message.readableBytes, into: &framed)
    framed.writeImmutableBuffer(message)
    return framed
  }

  /// Like ``frame(_:)-(ByteBuffer)`` for any bytes.
  public static func frame(_ message: some Collection<UInt8>) -> ByteBuffer {
    var framed = ByteBufferAllocator().buffer(capacity: prefixLength + message.count)
    writePrefix(length: message.count, into: &framed)
    framed.writeBytes(message)
    return framed
  }

  /// Writes the prefix of an uncompressed message. The length must fit in 32 bits.
  public static func writePrefix(length: Int, into buffer: inout ByteBuffer) {
    buffer.writeInteger(UInt8(0))
    buffer.writeInteger(UInt32(length))
  }
}
