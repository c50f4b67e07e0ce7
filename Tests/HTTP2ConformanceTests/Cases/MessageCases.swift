// h2spec's http2 group, section 8 (numbers of RFC 7540; RFC 9113 has them in 8.1 to 8.3), and its hpack group.
extension ConformanceCase {
  /// Most of section 8: a request that is malformed is a stream error of type PROTOCOL_ERROR.
  private static func malformed(_ id: String, _ title: String, _ block: [UInt8]) -> ConformanceCase {
    ConformanceCase("http2/8.1.2\(id)", title, .streamError([.protocolError]), send: [.headers(1, block)])
  }

  private static func call(_ length: String, _ frames: [Frame]) -> [Frame] {
    [.headers(1, Request.block(adding: [("content-length", length)]), endStream: false)] + frames
  }

  static let messages: [ConformanceCase] = [
    ConformanceCase(
      "http2/8.1/1", "a second HEADERS without END_STREAM", .streamError([.protocolError]),
      send: [
        .headers(1, hold, endStream: false), .headers(1, HPACK.block([("x-test", "1")]), endStream: false),
        .data(1, [1, 2, 3, 4], endStream: true),
      ]),
    malformed("/1", "a field name in upper case", Request.block(adding: [("X-TEST", "ok")])),

    malformed(".1/1", "an unknown pseudo-field", HPACK.block([(":test", "ok")]) + greet),
    malformed(".1/2", "a response's pseudo-field", HPACK.block([(":status", "200")]) + greet),
    ConformanceCase(
      "http2/8.1.2.1/3", "a pseudo-field in trailers", .streamError([.protocolError]),
      send: [
        .headers(1, hold, endStream: false), .data(1, Request.message([1])),
        .headers(1, HPACK.block([(":method", "200")])),
      ]),
    malformed(
      ".1/4", "a pseudo-field after a regular one",
      HPACK.block([("x-test", "ok")]) + greet),

    malformed(".2/1", "a connection-specific field", Request.block(adding: [("connection", "keep-alive")])),
    malformed(".2/2", "TE other than \"trailers\"", Request.block(replacing: ["te": "trailers, deflate;q=0.5"])),

    malformed(".3/1", "an empty :path", Request.block(replacing: [":path": ""])),
    malformed(".3/2", "no :method", Request.block(without: ":method")),
    malformed(".3/3", "no :scheme", Request.block(without: ":scheme")),
    malformed(".3/4", "no :path", Request.block(without: ":path")),
    malformed(".3/5", ":method twice", HPACK.block([(":method", "POST")]) + greet),
    malformed(".3/6", ":scheme twice", HPACK.block([(":scheme", "http")]) + greet),
    malformed(".3/7", ":path twice", HPACK.block([(":path", "/test/Greet")]) + greet),

    ConformanceCase(
      "http2/8.1.2.6/1", "content-length other than the DATA's length", .streamError([.protocolError]),
      send: call("1", [.data(1, Request.message([1, 2]), endStream: true)])),
    ConformanceCase(
      "http2/8.1.2.6/2", "content-length other than the sum of several DATAs", .streamError([.protocolError]),
      send: call("1", [.data(1, Request.message([])), .data(1, Request.message([1]), endStream: true)])),

    ConformanceCase(
      "http2/8.2/1", "PUSH_PROMISE", .connectionError([.protocolError]),
      send: [
        .headers(1, hold, endStream: false),
        Frame(
          kind: Frame.Kind.pushPromise, flags: Frame.Flags.endHeaders, stream: 1, payload: bigEndian(2) + Request.get),
      ]),
  ]

  /// Every fault of HPACK is a connection error, for the decoder's state is lost (RFC 9113, section 4.3).
  private static func broken(_ id: String, _ title: String, _ block: [UInt8]) -> ConformanceCase {
    ConformanceCase("hpack/\(id)", title, .connectionError([.compressionError]), send: [.headers(1, block)])
  }

  /// A literal whose name is good and whose value is these Huffman-coded bytes.
  private static func huffmanValue(_ bytes: [UInt8]) -> [UInt8] {
    greet + [0] + HPACK.string("x-test") + HPACK.string(bytes, isHuffman: true)
  }

  static let hpack: [ConformanceCase] = [
    // 61 fields are static, and the dynamic table is empty.
    broken("2.3.3/1", "an indexed field with an index beyond the tables", greet + HPACK.indexed(70)),
    broken(
      "2.3.3/2", "a literal with a name index beyond the tables",
      greet + HPACK.literal(.incremental, nameIndex: 70, "empty")),
    broken("4.2/1", "a dynamic table size update at the end of a block", greet + HPACK.sizeUpdate(1)),
    broken(
      "5.2/1", "a Huffman string with more than 7 bits of padding", huffmanValue(Huffman.encode("test", extra: 1))),
    broken(
      "5.2/2", "a Huffman string padded with zeros", huffmanValue(Huffman.encode("test", padWithOnes: false))),
    broken(
      "5.2/3", "a Huffman string with the end symbol in it",
      huffmanValue(Huffman.encode("test", suffix: [Huffman.endOfString]))),
    broken("6.1/1", "an indexed field with index 0", greet + HPACK.indexed(0)),
    broken(
      "6.3/1", "a dynamic table size update above SETTINGS_HEADER_TABLE_SIZE", HPACK.sizeUpdate(4097) + greet),
  ]

  static let all =
    generic + genericHPACK + startingHTTP2 + frames + streamStates + dataAndHeaders + settings + pingAndGoAway + windows
    + continuations + errorCodes + messages + hpack
}
