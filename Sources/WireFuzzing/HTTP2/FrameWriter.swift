/// HTTP/2 frames by hand (RFC 9113, section 6), so that every field can be wrong.
struct FrameWriter {
  enum Kind {
    static let data: UInt8 = 0
    static let headers: UInt8 = 1
    static let priority: UInt8 = 2
    static let resetStream: UInt8 = 3
    static let settings: UInt8 = 4
    static let pushPromise: UInt8 = 5
    static let ping: UInt8 = 6
    static let goAway: UInt8 = 7
    static let windowUpdate: UInt8 = 8
    static let continuation: UInt8 = 9
  }
  enum Flag {
    static let endStream: UInt8 = 0x1
    static let acknowledgement: UInt8 = 0x1
    static let endHeaders: UInt8 = 0x4
    static let padded: UInt8 = 0x8
    static let priority: UInt8 = 0x20
  }

  static let clientPreface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)

  private(set) var bytes: [UInt8] = []

  mutating func raw(_ more: some Sequence<UInt8>) { bytes.append(contentsOf: more) }

  /// - Parameter length: what the frame says of its length, if that is not the truth.
  mutating func frame(_ kind: UInt8, flags: UInt8 = 0, stream: UInt32, _ payload: [UInt8], length: Int? = nil) {
    let length = UInt32(truncatingIfNeeded: length ?? payload.count)
    bytes += [UInt8(truncatingIfNeeded: length >> 16), UInt8(truncatingIfNeeded: length >> 8)]
    bytes += [UInt8(truncatingIfNeeded: length), kind, flags]
    bytes += Self.number(stream)
    bytes += payload
  }

  mutating func settings(_ entries: [(id: UInt16, value: UInt32)]) {
    frame(Kind.settings, stream: 0, entries.flatMap { Self.number16($0.id) + Self.number($0.value) })
  }

  mutating func windowUpdate(_ stream: UInt32, _ increment: UInt32) {
    frame(Kind.windowUpdate, stream: stream, Self.number(increment))
  }

  static func number(_ value: UInt32) -> [UInt8] {
    [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
  }

  static func number16(_ value: UInt16) -> [UInt8] { [UInt8(value >> 8), UInt8(value & 0xff)] }
}

/// Header blocks by hand (RFC 7541).
enum HeaderBlock {
  /// An integer with a prefix of `bits` bits, beneath `pattern` (section 5.1).
  static func integer(_ value: Int, bits: Int, pattern: UInt8) -> [UInt8] {
    let limit = (1 << bits) - 1
    guard value >= limit else { return [pattern | UInt8(value)] }
    var bytes = [pattern | UInt8(limit)]
    var rest = value - limit
    while rest >= 128 {
      bytes.append(UInt8(rest % 128) | 0x80)
      rest /= 128
    }
    return bytes + [UInt8(rest)]
  }

  static func string(_ text: some Collection<UInt8>) -> [UInt8] {
    integer(text.count, bits: 7, pattern: 0) + text
  }

  /// A literal field: 0x40 with incremental indexing, 0x00 without, 0x10 never.
  static func literal(_ name: String, _ value: some Collection<UInt8>, pattern: UInt8 = 0) -> [UInt8] {
    [pattern] + string(Array(name.utf8)) + string(value)
  }

  static func indexed(_ index: Int) -> [UInt8] { integer(index, bits: 7, pattern: 0x80) }

  static func tableSize(_ size: Int) -> [UInt8] { integer(size, bits: 5, pattern: 0x20) }

  /// `www.example.com` and `no-cache` as section C.4 encodes them with Huffman's code.
  static let huffmanTexts: [[UInt8]] = [
    [0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff],
    [0x86, 0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf],
  ]

  /// The head of a gRPC call.
  static func call(_ path: String, _ random: inout FuzzRandom) -> [UInt8] {
    let pattern = random.pick([0x40, 0x00, 0x10] as [UInt8])
    // :method POST and :scheme http are entries 3 and 6 of the static table.
    return indexed(3) + indexed(6) + literal(":path", Array(path.utf8), pattern: pattern)
      + literal(":authority", Array("weir".utf8), pattern: pattern)
      + literal("content-type", Array("application/grpc".utf8), pattern: pattern)
      + literal("te", Array("trailers".utf8))
  }
}
