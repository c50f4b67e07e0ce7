import CWeirProtos
import ProtobufC
import Testing

@Suite struct WireFormatTests {
  @Test func varintsTakeTheBytesTheyAnnounce() {
    var values: [UInt64] = [0, 1, .max]
    for shift in 0..<64 { values += [1 << shift, 1 << shift - 1, 1 << shift + 1] }
    for value in values {
      let bytes = varint(value)
      #expect(bytes.count == WireFormat.byteCountOfVarint(value), "\(value)")
      #expect(bytes.reversed().reduce(UInt64(0)) { $0 << 7 | UInt64($1 & 0x7F) } == value)
      #expect(bytes.last! < 0x80 && bytes.dropLast().allSatisfy { $0 >= 0x80 })
    }
  }

  /// protobuf.dev, "Encoding": field 2 with "testing" is 12 07 74 65 73 74 69 6e 67.
  @Test func theExampleInTheSpecification() {
    #expect(field(2, Array("testing".utf8)) == [0x12, 0x07, 0x74, 0x65, 0x73, 0x74, 0x69, 0x6E, 0x67])
    #expect(varint(150) == [0x96, 0x01])
  }

  @Test func emptyFieldsAndEmptyElements() {
    var bytes: [UInt8] = []
    WireFormat.appendField(1, "", to: &bytes)
    #expect(bytes == [])
    WireFormat.appendElement(1, "", to: &bytes)
    #expect(bytes == [0x0A, 0])
    WireFormat.appendField(16, "é", to: &bytes)
    #expect(bytes == [0x0A, 0, 0x82, 0x01, 2, 0xC3, 0xA9])
    #expect(WireFormat.byteCountOfField(16, byteCount: 2) == 5)
  }

  @Test(arguments: [0, 1, 127, 128, 20_000])
  func aPackedFieldIsTheMessageWithTagAndLength(_ count: Int) {
    Arena.withScratch { arena in
      let message = arena.make(envoy__config__core__v3__locality__init)
      message.pointee.region = arena.string(String(repeating: "r", count: count))
      #expect(Packing.packedField(2, message) == field(2, Packing.packed(message)))
      #expect(Array(Packing.packed(message, in: arena)) == Packing.packed(message))
    }
  }

  @Test func typesHaveTheirNames() {
    #expect(Types.node.name == "envoy.config.core.v3.Node")
    let registry = MessageRegistry([Types.node, Types.value])
    #expect(registry.names == ["envoy.config.core.v3.Node", "google.protobuf.Value"])
    #expect(registry.type(for: "type.googleapis.com/google.protobuf.Value")?.name == "google.protobuf.Value")
    #expect(registry.type(for: "google.protobuf.Value") == nil)
    #expect(registry.type(for: "type.googleapis.com/google.protobuf.Any") == nil)
  }
}
