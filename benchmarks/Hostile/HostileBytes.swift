import EnvoyAPI

/// Bytes that a client may send: HTTP/2 frames (RFC 9113, section 4.1), HPACK without Huffman or table (RFC 7541), gRPC's
/// prefix. Right ones, and wrong ones made of right ones.
enum HostileBytes {
  enum FrameType: UInt8 {
    case data = 0, headers = 1, priority = 2, reset = 3, settings = 4, pushPromise = 5, ping = 6, goAway = 7
    case windowUpdate = 8, continuation = 9
  }

  static let endStream: UInt8 = 0x1
  static let endHeaders: UInt8 = 0x4

  static let magic = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8)
  /// The client's preface: the magic and an empty SETTINGS frame.
  static let preface = magic + frame(.settings)

  static func big(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.bigEndian) { Array($0) }
  }

  /// - Parameter length: what the header says, if that is not the payload's.
  static func frame(
    _ type: FrameType, flags: UInt8 = 0, stream: UInt32 = 0, _ payload: [UInt8] = [], length: Int? = nil
  ) -> [UInt8] {
    Array(big(UInt32(length ?? payload.count)).dropFirst()) + [type.rawValue, flags] + big(stream) + payload
  }

  static func settings(_ entries: [(id: UInt16, value: UInt32)]) -> [UInt8] {
    frame(.settings, entries.flatMap { big($0.id) + big($0.value) })
  }

  static func windowUpdate(_ stream: UInt32, _ increment: UInt32) -> [UInt8] {
    frame(.windowUpdate, stream: stream, big(increment))
  }

  static func reset(_ stream: UInt32) -> [UInt8] { frame(.reset, stream: stream, big(UInt32(8))) }

  // MARK: HPACK

  private static func string(_ text: String) -> [UInt8] { integer(text.utf8.count, prefix: 7) + text.utf8 }

  private static func integer(_ value: Int, prefix: Int) -> [UInt8] {
    let limit = (1 << prefix) - 1
    guard value >= limit else { return [UInt8(value)] }
    var rest = value - limit
    var bytes = [UInt8(limit)]
    while rest >= 128 {
      bytes.append(UInt8(rest & 127 | 128))
      rest >>= 7
    }
    return bytes + [UInt8(rest)]
  }

  /// A literal field, never indexed.
  static func field(_ name: String, _ value: String) -> [UInt8] { [0x10] + string(name) + string(value) }

  /// A literal field that enters the dynamic table.
  static func indexedField(_ name: String, _ value: String) -> [UInt8] { [0x40] + string(name) + string(value) }

  static let delta = "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources"
  static let stateOfTheWorld = "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"

  /// The header block of a call.
  static func head(_ path: String = delta) -> [UInt8] {
    // :method POST, :scheme http, :path, :authority, content-type, te.
    [0x83, 0x86, 0x04] + string(path) + [0x01] + string("weir") + [0x0F, 0x10] + string("application/grpc")
      + field("te", "trailers")
  }

  static func call(_ stream: UInt32, _ path: String = delta, end: Bool = false) -> [UInt8] {
    frame(.headers, flags: endHeaders | (end ? endStream : 0), stream: stream, head(path))
  }

  // MARK: gRPC

  /// A message in DATA frames of at most 16 kB.
  /// - Parameter announced: the length that its prefix gives, if that is not the message's.
  static func message(_ stream: UInt32, _ bytes: [UInt8], announced: Int? = nil) -> [UInt8] {
    let framed = [0] + big(UInt32(announced ?? bytes.count)) + bytes
    var result: [UInt8] = []
    result.reserveCapacity(framed.count + framed.count / 1_000 + 64)
    for start in stride(from: 0, to: framed.count, by: 16_384) {
      result += frame(.data, stream: stream, Array(framed[start..<min(start + 16_384, framed.count)]))
    }
    return result
  }

  static func request(
    _ type: String, node: String?, subscribe: [String] = [], unsubscribe: [String] = [], nonce: String = "",
    refusal: String? = nil,
    metadata: [String: MetadataValue] = [:]
  ) -> [UInt8] {
    var request = DeltaDiscoveryRequest()
    request.node = node.map { NodeIdentity(id: $0, metadata: metadata) }
    request.typeURL = type
    request.resourceNamesSubscribe = subscribe
    request.resourceNamesUnsubscribe = unsubscribe
    request.responseNonce = nonce
    request.errorDetail = refusal.map { ErrorDetail(code: 13, message: $0) }
    return request.encoded()
  }

  /// Text whose normalisation sorts marks, in the square of their number (Unicode, UAX #15): half of them acute, half dot below.
  static func combiningMarks(_ byteCount: Int) -> String {
    String(repeating: "\u{301}", count: byteCount / 4) + String(repeating: "\u{323}", count: byteCount / 4)
  }

  /// Two names of one content hash (XXH3, 128 bits, without a secret).
  static let collidingNames: [String] = {
    func name(_ a: Character, _ b: Character) -> String {
      "eszycidpyopumzgdpamntyya\(a)oix1<'Hkaaauramvgnxaqhyoprhlhvhyojanrudfuxjdxkxwqnqvgjjspqmsbphxzmnvflrwyvxlcovqdyfqmlpxapbj"
        + "wtssmuffqhaygrrhmqlsloivrtxamzxqzeq\(b)rgnJp2vrgqnplnlarrtztkotazhufrsfczrzibvccaoayyihidztfljcffiqfviuwjowkppdajmknzgidix"
        + "qgtnahamebxfowqvnrhu"
    }
    return [name("v", "y"), name("w", "x")]
  }()

  /// A first request that claims to hold some resources.
  static func claiming(_ type: String, _ versions: [String: String]) -> [UInt8] {
    var request = DeltaDiscoveryRequest()
    request.node = NodeIdentity(id: "claims")
    request.typeURL = type
    request.initialResourceVersions = versions
    return request.encoded()
  }

  /// A request for a million assignments, each with a name of so many bytes.
  static func millionNames(of length: Int) -> [UInt8] {
    var request = request(TypeURL.endpoint, node: "million")
    // Field 3, resource_names_subscribe; the number at the name's end counts up.
    var field = [3 << 3 | 2, UInt8(length)] + [UInt8](repeating: UInt8(ascii: "0"), count: length)
    request.reserveCapacity(request.count + field.count * 1_000_000)
    for _ in 0..<1_000_000 {
      request += field
      var digit = field.count - 1
      while field[digit] == UInt8(ascii: "9") {
        field[digit] = UInt8(ascii: "0")
        digit -= 1
      }
      field[digit] += 1
    }
    return request
  }

  /// A request whose node's metadata is lists inside lists, each of two messages.
  static func nestedMetadata(depth: Int) -> [UInt8] {
    func field(_ number: UInt8, _ content: [UInt8]) -> [UInt8] {
      var length = content.count
      var varint: [UInt8] = []
      while length >= 128 {
        varint.append(UInt8(length & 127 | 128))
        length >>= 7
      }
      return [number << 3 | 2] + varint + [UInt8(length)] + content
    }
    var value: [UInt8] = []
    for _ in 0..<depth { value = field(6, field(1, value)) }
    // Struct.fields: an entry of key and value.
    let metadata = field(1, field(1, Array("deep".utf8)) + field(2, value))
    return field(1, field(1, Array("hostile".utf8)) + field(3, metadata)) + field(2, Array(TypeURL.cluster.utf8))
  }
}
