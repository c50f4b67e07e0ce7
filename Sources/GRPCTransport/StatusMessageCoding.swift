/// The percent-encoding of `grpc-message` (gRPC over HTTP2, "Responses"): bytes from space to '~' stand for themselves,
/// except '%'; all others are written as %XX. Undecodable escapes are kept as they are.
enum StatusMessageCoding {
  /// Bytes of an encoded message. It may repeat what a client has sent, which is not to come back three times as long, and
  /// peers take no more than some kilobytes of trailers. The rest is cut off, between two characters.
  static let limit = 1024

  static func encode(_ message: String) -> String {
    func isPlain(_ byte: UInt8) -> Bool { (0x20...0x7e).contains(byte) && byte != UInt8(ascii: "%") }
    if message.utf8.count <= limit && message.utf8.allSatisfy(isPlain) { return message }
    let digits = Array("0123456789ABCDEF".utf8)
    var bytes: [UInt8] = []
    for scalar in message.unicodeScalars {
      let length = bytes.count
      for byte in String(scalar).utf8 {
        if isPlain(byte) {
          bytes.append(byte)
        } else {
          bytes.append(contentsOf: [UInt8(ascii: "%"), digits[Int(byte >> 4)], digits[Int(byte & 0xf)]])
        }
      }
      if bytes.count > limit {
        bytes.removeLast(bytes.count - length)
        break
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  static func decode(_ value: String) -> String {
    guard value.utf8.contains(UInt8(ascii: "%")) else { return value }
    let input = Array(value.utf8)
    var bytes: [UInt8] = []
    var index = 0
    while index < input.count {
      if input[index] == UInt8(ascii: "%"), index + 2 < input.count, let high = hex(input[index + 1]),
        let low = hex(input[index + 2])
      {
        bytes.append(high << 4 | low)
        index += 3
      } else {
        bytes.append(input[index])
        index += 1
      }
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private static func hex(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
  }
}
