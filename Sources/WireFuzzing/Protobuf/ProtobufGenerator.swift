internal import EnvoyAPI

/// Makes encoded messages field by field, each field with a small chance to be encoded wrongly.
struct ProtobufGenerator {
  private var random: FuzzRandom
  /// One field in so many is wrong; 0: none.
  private let damage: Int
  private var budget = 200

  /// One byte that names the message's type, then the message.
  static func input(_ random: inout FuzzRandom) -> [UInt8] {
    let type = random.below(WireSchema.decoded.count)
    var generator = ProtobufGenerator(random: random, damage: random.pick([0, 0, 40, 8]))
    var bytes = generator.message(WireSchema.decoded[type], depth: 0)
    random = generator.random
    if random.oneIn(40) { bytes = nested(random.below(300), WireSchema.decoded[type], &random) }
    if random.oneIn(3) { bytes.mutate(count: 1 + random.below(4), &random) }
    return [UInt8(type)] + bytes
  }

  /// A request as a gRPC message may hold it: mostly one that the server understands.
  static func request(_ random: inout FuzzRandom) -> [UInt8] {
    if random.oneIn(3) {
      var generator = ProtobufGenerator(random: random, damage: random.pick([0, 20]))
      let bytes = generator.message(random.oneIn(2) ? .discoveryRequest : .deltaDiscoveryRequest, depth: 0)
      random = generator.random
      return bytes
    }
    let node = NodeIdentity(id: "n", cluster: random.pick(["a", "b", ""]))
    let type = random.pick([TypeURL.cluster, TypeURL.endpoint, TypeURL.listener, TypeURL.route, "type/unknown", ""])
    let names = random.oneIn(2) ? [] : [random.pick(["c0", "r0", "*", "", "absent"])]
    if random.oneIn(2) {
      var request = DiscoveryRequest()
      request.node = random.oneIn(5) ? nil : node
      request.typeURL = type
      request.resourceNames = names
      return request.encoded()
    }
    var request = DeltaDiscoveryRequest()
    request.node = random.oneIn(5) ? nil : node
    request.typeURL = type
    request.resourceNamesSubscribe = names
    return request.encoded()
  }

  private init(random: FuzzRandom, damage: Int) {
    self.random = random
    self.damage = damage
  }

  private mutating func message(_ schema: WireSchema, depth: Int) -> [UInt8] {
    var bytes: [UInt8] = []
    for field in schema.fields where budget > 0 && depth < 12 {
      let isWanted = depth == 0 ? !random.oneIn(3) : random.oneIn(2)
      let count = field.isRepeated ? random.length(upTo: 8) : (isWanted ? 1 : 0) + (random.oneIn(20) ? 1 : 0)
      for _ in 0..<count { append(field, to: &bytes, depth: depth) }
    }
    if random.oneIn(12) { appendUnknown(to: &bytes) }
    return bytes
  }

  private mutating func append(_ field: WireSchema.Field, to bytes: inout [UInt8], depth: Int) {
    budget -= 1
    let isWrong = damage > 0 && random.oneIn(damage)
    var wireType: UInt64
    var value: [UInt8]
    switch field.kind {
    case .text, .ascii:
      wireType = 2
      value = text(isWrong: isWrong && random.oneIn(2))
    case .bytes:
      wireType = 2
      value = random.bytes(random.length(upTo: 100))
    case .varint:
      wireType = 0
      value = Self.varint(random.interesting())
    case .double:
      wireType = 1
      value = random.bytes(8)
    case .message(let schema):
      wireType = 2
      value = message(schema, depth: depth + 1)
    }
    var length = UInt64(value.count)
    if isWrong {
      switch random.below(5) {
      case 0: wireType = UInt64(random.below(8))
      case 1: length = random.interesting()
      case 2: length = length &+ 1
      case 3: value = random.bytes(random.length(upTo: 20))
      default: break
      }
    }
    bytes += Self.varint(field.number << 3 | wireType, padding: isWrong && random.oneIn(4) ? random.below(10) : 0)
    if wireType == 2 { bytes += Self.varint(length, padding: isWrong && random.oneIn(4) ? random.below(10) : 0) }
    bytes += value
  }

  private mutating func appendUnknown(to bytes: inout [UInt8]) {
    let number = random.oneIn(4) ? random.interesting() & 0xffff_ffff : UInt64(20 + random.below(2000))
    switch random.below(4) {
    case 0: bytes += Self.varint(number << 3) + Self.varint(random.interesting())
    case 1: bytes += Self.varint(number << 3 | 5) + random.bytes(4)
    case 2: bytes += Self.varint(number << 3 | 3) + Self.varint(number << 3 | 4)
    default:
      let value = random.bytes(random.length(upTo: 40))
      bytes += Self.varint(number << 3 | 2) + Self.varint(UInt64(value.count)) + value
    }
  }

  private mutating func text(isWrong: Bool) -> [UInt8] {
    if isWrong {
      // An embedded zero, an overlong form, a surrogate, a value beyond Unicode, a lone continuation, a cut character.
      return random.pick([
        [0x61, 0x00, 0x62], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0x80], [0xe2],
      ])
    }
    switch random.below(9) {
    case 0: return []
    case 8: return marks()
    case 1: return Array("é☃𝄞".utf8)
    case 2: return [UInt8](repeating: 0x78, count: random.length(upTo: 5000))
    case 3: return Array(TypeURL.cluster.utf8)
    default: return random.bytes(random.length(upTo: 30)).map { 0x20 + $0 % 0x5f }
    }
  }

  /// What takes long to compare: runs of combining marks in an order that is not theirs, marks that are two, and characters
  /// of many scalars. Mostly with no more of them in a row than are allowed.
  private mutating func marks() -> [UInt8] {
    let limit = random.oneIn(20) ? 4000 : 32
    var text = random.oneIn(2) ? "e" : ""
    for _ in 0..<1 + random.below(4) {
      for mark in random.pick(
        [
          ["\u{301}", "\u{323}"], ["\u{F73}"], ["\u{344}", "\u{327}"], ["\u{1D165}", "\u{1D16E}"],
          ["\u{200D}", "\u{1F468}"],
          ["\u{1F1E9}"], ["\u{1112}\u{1161}\u{11AB}", "\u{11A8}"], ["東", "ü"],
        ] as [[String]])
      { text += String(repeating: mark, count: random.below(limit)) }
      text += random.pick(["", "x", "\u{E9}"])
    }
    return Array(text.utf8)
  }

  /// A message inside a message, and so on, where the schema allows it.
  private static func nested(_ depth: Int, _ schema: WireSchema, _ random: inout FuzzRandom) -> [UInt8] {
    // list_value of a Value, values of a ListValue: two levels for three bytes or more.
    var bytes: [UInt8] = []
    for _ in 0..<depth {
      bytes = [0x0a] + varint(UInt64(bytes.count)) + bytes
      bytes = [0x32] + varint(UInt64(bytes.count)) + bytes
    }
    switch schema {
    case .value: return bytes
    case .node: return field(3, field(1, field(2, bytes)))
    case .discoveryRequest: return field(2, field(3, field(1, field(2, bytes))))
    case .deltaDiscoveryRequest: return field(1, field(3, field(1, field(2, bytes))))
    default: return field(2, bytes)
    }
  }

  private static func field(_ number: UInt64, _ value: [UInt8]) -> [UInt8] {
    varint(number << 3 | 2) + varint(UInt64(value.count)) + value
  }

  /// - Parameter padding: bytes more than the number needs, as a careless encoder may write them.
  static func varint(_ value: UInt64, padding: Int = 0) -> [UInt8] {
    var bytes: [UInt8] = []
    var rest = value
    while rest >= 0x80 {
      bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
      rest >>= 7
    }
    guard padding > 0 else { return bytes + [UInt8(rest)] }
    return bytes + [UInt8(rest) | 0x80] + [UInt8](repeating: 0x80, count: padding - 1) + [0]
  }
}
