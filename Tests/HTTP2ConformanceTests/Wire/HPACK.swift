/// Header blocks by hand (RFC 7541): every representation, and what is wrong about it, is the test's choice.
enum HPACK {
  /// An integer with a prefix of so many bits; `pattern` fills the bits above it (RFC 7541, section 5.1).
  static func integer(_ value: Int, prefix: Int, pattern: UInt8 = 0) -> [UInt8] {
    let limit = (1 << prefix) - 1
    guard value >= limit else { return [pattern | UInt8(value)] }
    var bytes = [pattern | UInt8(limit)]
    var rest = value - limit
    while rest >= 128 {
      bytes.append(UInt8(rest & 0x7f) | 0x80)
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  static func string(_ text: String, huffman: Bool = false) -> [UInt8] {
    string(huffman ? Huffman.encode(text) : Array(text.utf8), isHuffman: huffman)
  }

  static func string(_ bytes: [UInt8], isHuffman: Bool) -> [UInt8] {
    integer(bytes.count, prefix: 7, pattern: isHuffman ? 0x80 : 0) + bytes
  }

  static func indexed(_ index: Int) -> [UInt8] { integer(index, prefix: 7, pattern: 0x80) }

  enum Literal {
    case incremental
    case withoutIndexing
    case neverIndexed

    var form: (prefix: Int, pattern: UInt8) {
      switch self {
      case .incremental: (6, 0x40)
      case .withoutIndexing: (4, 0)
      case .neverIndexed: (4, 0x10)
      }
    }
  }

  static func literal(_ literal: Literal, nameIndex: Int, _ value: String, huffman: Bool = false) -> [UInt8] {
    integer(nameIndex, prefix: literal.form.prefix, pattern: literal.form.pattern) + string(value, huffman: huffman)
  }

  static func literal(_ literal: Literal, _ name: String, _ value: String, huffman: Bool = false) -> [UInt8] {
    [literal.form.pattern] + string(name, huffman: huffman) + string(value, huffman: huffman)
  }

  static func sizeUpdate(_ size: Int) -> [UInt8] { integer(size, prefix: 5, pattern: 0x20) }

  /// All fields as literals without indexing: the decoder's state stays as it is.
  static func block(_ fields: [(String, String)]) -> [UInt8] {
    fields.flatMap { literal(.withoutIndexing, $0.0, $0.1) }
  }

  // MARK: Reading

  /// The fields of a block whose writer has no dynamic table (SETTINGS_HEADER_TABLE_SIZE 0). Nil when it is anything else.
  static func fields(_ block: [UInt8]) -> [(name: String, value: String)]? {
    var rest = block[...]
    var fields: [(name: String, value: String)] = []
    while let first = rest.first {
      if first & 0x80 != 0 {
        guard let index = readInteger(&rest, prefix: 7), let field = staticTable[index] else { return nil }
        fields.append(field)
      } else if first & 0xe0 == 0x20 {
        guard readInteger(&rest, prefix: 5) == 0 else { return nil }
      } else {
        guard let index = readInteger(&rest, prefix: first & 0x40 != 0 ? 6 : 4),
          let name = index == 0 ? readString(&rest) : staticTable[index]?.name, let value = readString(&rest)
        else { return nil }
        fields.append((name, value))
      }
    }
    return fields
  }

  private static func readInteger(_ bytes: inout ArraySlice<UInt8>, prefix: Int) -> Int? {
    guard let first = bytes.popFirst() else { return nil }
    let limit = (1 << prefix) - 1
    var value = Int(first) & limit
    guard value == limit else { return value }
    var shift = 0
    while let byte = bytes.popFirst(), shift < 28 {
      value += Int(byte & 0x7f) << shift
      if byte & 0x80 == 0 { return value }
      shift += 7
    }
    return nil
  }

  private static func readString(_ bytes: inout ArraySlice<UInt8>) -> String? {
    guard let first = bytes.first, let length = readInteger(&bytes, prefix: 7), length <= bytes.count else {
      return nil
    }
    let content = bytes.prefix(length)
    bytes = bytes.dropFirst(length)
    return first & 0x80 != 0 ? Huffman.decode(content) : String(decoding: content, as: UTF8.self)
  }

  /// What this server can answer with, of the static table (RFC 7541, appendix A).
  private static let staticTable: [Int: (name: String, value: String)] = [
    8: (":status", "200"), 9: (":status", "204"), 10: (":status", "206"), 11: (":status", "304"),
    12: (":status", "400"),
    13: (":status", "404"), 14: (":status", "500"), 22: ("allow", ""), 28: ("content-length", ""),
    31: ("content-type", ""), 33: ("date", ""), 54: ("server", ""),
  ]
}

/// Heads of requests.
enum Request {
  /// A call; `replacing` puts another value in a field's place, `without` names one that is left out.
  static func fields(
    _ path: String, replacing: [String: String] = [:], without: String? = nil
  ) -> [(String, String)] {
    [
      (":method", "POST"), (":scheme", "http"), (":path", path), (":authority", "weir"),
      ("content-type", "application/grpc"), ("te", "trailers"),
    ].filter { $0.0 != without }.map { ($0.0, replacing[$0.0] ?? $0.1) }
  }

  static func block(
    _ path: String = "/test/Echo", replacing: [String: String] = [:], without: String? = nil,
    adding: [(String, String)] = []
  ) -> [UInt8] {
    HPACK.block(fields(path, replacing: replacing, without: without) + adding)
  }

  /// Four indexed fields of the static table: GET / over http, and an authority.
  static let get = HPACK.indexed(2) + HPACK.indexed(6) + HPACK.indexed(4) + HPACK.block([(":authority", "weir")])

  /// A gRPC message: the flag, the length, the bytes.
  static func message(_ bytes: [UInt8], flag: UInt8 = 0, length: UInt32? = nil) -> [UInt8] {
    [flag] + bigEndian(length ?? UInt32(bytes.count)) + bytes
  }
}
