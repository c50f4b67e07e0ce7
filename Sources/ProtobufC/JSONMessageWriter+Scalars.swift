internal import CProtobufC

extension JSONMessageWriter {
  mutating func write(_ text: String) { output.append(contentsOf: text.utf8) }

  mutating func number(_ number: Double) {
    if number.isFinite { write(number.description) } else { nonFinite(number) }
  }

  mutating func nonFinite(_ number: Double) {
    write(number.isNaN ? "\"NaN\"" : number > 0 ? "\"Infinity\"" : "\"-Infinity\"")
  }

  mutating func enumeration(_ value: Int32, _ descriptor: UnsafePointer<ProtobufCEnumDescriptor>) {
    if String(cString: descriptor.pointee.name) == "google.protobuf.NullValue" { return write("null") }
    // A number that the enum does not have stays a number.
    guard let known = protobuf_c_enum_descriptor_get_value(descriptor, value) else { return write(String(value)) }
    string(String(cString: known.pointee.name))
  }

  /// A string in quotes, escaped as RFC 8259, section 7 asks.
  mutating func string(_ text: String) {
    output.append(UInt8(ascii: "\""))
    for byte in text.utf8 {
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): output += [UInt8(ascii: "\\"), byte]
      case UInt8(ascii: "\n"): write("\\n")
      case UInt8(ascii: "\r"): write("\\r")
      case UInt8(ascii: "\t"): write("\\t")
      case 0..<0x20:
        write("\\u00")
        output += [Self.hexadecimal[Int(byte >> 4)], Self.hexadecimal[Int(byte & 15)]]
      default: output.append(byte)
      }
    }
    output.append(UInt8(ascii: "\""))
  }

  /// Bytes in quotes, as base64 with padding (RFC 4648, section 4).
  mutating func base64(_ bytes: ProtobufCBinaryData) {
    let bytes = UnsafeBufferPointer(start: bytes.data, count: bytes.data == nil ? 0 : bytes.len)
    output.append(UInt8(ascii: "\""))
    var start = 0
    while start < bytes.count {
      let count = min(3, bytes.count - start)
      var group: UInt32 = 0
      for offset in 0..<3 { group = group << 8 | (offset < count ? UInt32(bytes[start + offset]) : 0) }
      for offset in 0..<4 {
        let digit = Self.base64Digits[Int(group >> (18 - 6 * UInt32(offset)) & 63)]
        output.append(offset <= count ? digit : UInt8(ascii: "="))
      }
      start += count
    }
    output.append(UInt8(ascii: "\""))
  }

  private static let hexadecimal = Array("0123456789abcdef".utf8)
  private static let base64Digits = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
}
