import ProtobufC
import Testing

/// Bytes that would crash, cheat or flood an unprotected libprotobuf-c. Each is refused with its own code.
@Suite struct HostileInputTests {
  // MARK: Depth

  /// `Node.metadata` with so many objects inside each other: the shape of the known crash.
  private func nestedNode(_ objects: Int) -> [UInt8] {
    var value: [UInt8] = []
    for _ in 0..<objects { value = field(5, field(1, field(1, Array("k".utf8)) + field(2, value))) }
    // The outermost is the Struct itself: its value's tag and length are left off.
    return field(3, field(1, field(1, Array("k".utf8)) + field(2, value)))
  }

  @Test func nestedMetadata() {
    let bomb = nestedNode(3_000)
    #expect(bomb.count < 60_000)
    #expect(refusal(Types.node, bomb) == .nestedTooDeep)
  }

  @Test func theDepthIsExact() {
    // A list in a list is two messages: Value, ListValue. 50 of them in a ListValue are 100.
    func nested(_ lists: Int) -> [UInt8] {
      var bytes: [UInt8] = []
      for _ in 0..<lists { bytes = field(1, field(6, bytes)) }
      return bytes
    }
    #expect(refusal(Types.listValue, nested(50)) == nil)
    #expect(refusal(Types.listValue, field(1, field(6, nested(50)))) == .nestedTooDeep)
    var limits = DecodingLimits()
    limits.maximumDepth = 4
    #expect(refusal(Types.listValue, nested(2), limits) == nil)
    #expect(refusal(Types.listValue, nested(3), limits) == .nestedTooDeep)
  }

  @Test func depthInBytesThatNobodyReadsIsNoMatter() throws {
    var deep: [UInt8] = []
    for _ in 0..<1_000 { deep = field(5, deep) }
    let any = field(1, Array("t/google.protobuf.Value".utf8)) + field(2, deep)
    #expect(try repacked(Types.any, any) == any)
    #expect(refusal(Types.node, field(2_000, deep)) == nil)
  }

  // MARK: Cut off, overflowing, malformed

  @Test func everyPrefixOfAMessage() throws {
    let whole = nestedNode(5) + field(1, Array("id".utf8))
    #expect(try repacked(Types.node, whole).count == whole.count)
    var refused = 0
    for count in 0..<whole.count {
      let code = refusal(Types.node, Array(whole[..<count]))
      #expect(code == nil || code == .truncated, "\(count) bytes: \(String(describing: code))")
      if code != nil { refused += 1 }
    }
    #expect(refused == whole.count - 2, "all but the empty message and the one that ends between the two fields")
  }

  @Test(arguments: [UInt64(1), 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 62, 1 << 63, .max])
  func aLengthPastTheEnd(_ length: UInt64) {
    #expect(refusal(Types.node, [0x0A] + varint(length)) == .truncated)
    #expect(refusal(Types.node, field(3, [0x0A] + varint(length))) == .truncated)
    #expect(refusal(Types.node, [0xFA, 0x01] + varint(length)) == .truncated, "in an unknown field")
  }

  @Test func anInnerLengthPastItsMessage() {
    // The inner field claims two bytes where its message has one left; the outer message has more.
    #expect(refusal(Types.node, [0x22, 3, 0x0A, 2, 0x41, 0x0A, 1, 0x41]) == .truncated)
  }

  @Test func malformedTags() {
    #expect(refusal(Types.node, [0x02, 0]) == .malformed, "field number 0")
    #expect(refusal(Types.node, varint(1 << 32 | 2) + [0]) == .malformed, "field number above 2^29 - 1")
    #expect(refusal(Types.node, varint(0x1FFF_FFFF << 3) + [0]) == nil, "the highest field number")
    #expect(refusal(Types.node, [0xFB, 0x01]) == .malformed, "a group begins")
    #expect(refusal(Types.node, [0xFC, 0x01]) == .malformed, "a group ends")
    #expect(refusal(Types.node, [0xFE, 0x01]) == .malformed, "no such wire type")
    #expect(refusal(Types.node, [UInt8](repeating: 0xFF, count: 11)) == .malformed, "a varint of 11 bytes")
    #expect(refusal(Types.node, [UInt8](repeating: 0xFF, count: 9)) == .truncated, "a varint cut off")
    #expect(refusal(Types.node, [0x08, 1]) == .malformed, "a number where a string belongs")
    #expect(refusal(Types.value, [0x11, 1, 2, 3]) == .truncated, "half a double")
    #expect(
      refusal(Types.value, field(2, [UInt8](repeating: 0, count: 8))) == .malformed, "only repeated fields are packed")
  }

  @Test func packedFields() throws {
    let codes = varint(200) + varint(503)
    #expect(try repacked(Types.retryPolicy, field(7, codes)) == field(7, codes))
    #expect(try repacked(Types.retryPolicy, [0x38, 5]) == field(7, [5]), "unpacked is as good")
    #expect(refusal(Types.retryPolicy, field(7, codes + [0xFF])) == .truncated)
  }

  // MARK: Strings

  @Test func stringsAreUTF8WithoutZeroBytes() throws {
    for text in ["", "ascii", "é", "€", "😀", "0123456é", "01234567😀"] {
      let bytes = text.isEmpty ? [] : field(1, Array(text.utf8))
      #expect(try repacked(Types.node, bytes) == bytes)
    }
    let wrong: [[UInt8]] = [
      [0xFF], [0x80], [0xC3], [0xC3, 0x28], [0xC0, 0x80], [0xE0, 0x80, 0x80], [0xED, 0xA0, 0x80],
      [0xF5, 0x80, 0x80, 0x80],
      [0xF4, 0x90, 0x80, 0x80], [0xF0, 0x80, 0x80, 0x80], [0xF0, 0x9F, 0x98], Array("01234567".utf8) + [0xFF],
    ]
    for bytes in wrong { #expect(refusal(Types.node, field(1, bytes)) == .invalidUTF8, "\(bytes)") }
    for bytes in [[0], Array("abc\0def".utf8), Array("0123456789\0".utf8)] {
      #expect(refusal(Types.node, field(1, bytes)) == .embeddedNUL)
    }
    #expect(refusal(Types.node, field(3, field(1, field(1, [0xFF])))) == .invalidUTF8, "the key of a map")
    #expect(try repacked(Types.any, field(2, [0, 0xFF])) == field(2, [0, 0xFF]), "bytes may be anything")
  }

  @Test func anErrorSaysWhere() throws {
    let error = #expect(throws: ProtobufError.self) {
      try repacked(Types.node, field(1, Array("ok".utf8)) + field(4, field(2, Array("ab\0".utf8))))
    }
    #expect(error?.offset == 10)
    #expect(error?.message == "envoy.config.core.v3.Locality: zone")
  }

  // MARK: Cost

  @Test func twoBytesThatAskForAStruct() {
    // Two bytes, an empty element, become a struct and a pointer to it.
    let empties = (0..<1_000_000).flatMap { _ in [UInt8](arrayLiteral: 0x0A, 0) }
    var limits = DecodingLimits()
    limits.maximumExpansion = 8
    #expect(refusal(Types.listValue, empties, limits) == .tooLarge)
    limits = DecodingLimits()
    limits.maximumMemory = 1 << 20
    #expect(refusal(Types.listValue, empties, limits) == .tooLarge)
    limits = DecodingLimits()
    limits.maximumElementCount = 999_999
    #expect(refusal(Types.listValue, empties, limits) == .tooLarge)
    limits = DecodingLimits()
    limits.maximumByteCount = 1_999_999
    #expect(refusal(Types.listValue, empties, limits) == .tooLarge)
  }

  /// A message that may come once and comes often is merged, and libprotobuf-c joins its arrays anew each time: the square of
  /// the repetitions.
  @Test func repeatedMergesAreBounded() {
    let element = field(3, field(1, field(1, Array("k".utf8))))
    #expect(refusal(Types.node, element + element) == nil, "twice is ordinary protobuf")
    let many = (0..<100_000).flatMap { _ in element }
    #expect(refusal(Types.node, many) == .tooLarge)
  }

  @Test func aLargeHonestRequestPasses() throws {
    let entries = (0..<50_000).flatMap { number in
      field(5, field(1, Array("outbound|80||service-\(number).shop".utf8)) + field(2, Array("0123456789abcdef".utf8)))
    }
    #expect(try repacked(Types.request, entries) == entries)
  }

  // MARK: Chance

  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func randomBytes(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let types = [Types.node, Types.value, Types.request, Types.cluster, Types.listener]
    var passed = 0
    for round in 0..<5_000 {
      let count = Int.random(in: 0...64, using: &generator)
      let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
      let code = refusal(types[round % types.count], bytes)
      #expect(code != .refused, "seed \(seed), round \(round): the check passed what libprotobuf-c refuses: \(bytes)")
      if code == nil { passed += 1 }
    }
    print("random bytes, seed \(seed): \(passed) of 5000 passed")
  }

  @Test(arguments: [11, 12, 13, 14] as [UInt64])
  func mutatedMessages(_ seed: UInt64) {
    var generator = SeededGenerator(seed: seed)
    let whole =
      nestedNode(6) + field(1, Array("sidecar".utf8)) + field(4, field(1, Array("région".utf8)))
      + field(8, field(1, [0x08, 1, 0x10, 40])) + field(10, Array("feature".utf8)) + field(999, Array("unknown".utf8))
    var passed = 0
    for round in 0..<5_000 {
      var bytes = whole
      for _ in 0..<Int.random(in: 1...4, using: &generator) {
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
        case 1: bytes.remove(at: place)
        default: bytes.insert(UInt8.random(in: 0...255, using: &generator), at: place)
        }
      }
      let code = refusal(Types.node, bytes)
      #expect(code != .refused, "seed \(seed), round \(round): the check passed what libprotobuf-c refuses: \(bytes)")
      if code == nil { passed += 1 }
    }
    print("mutated messages, seed \(seed): \(passed) of 5000 passed")
  }
}
