import CWeirProtos
import ProtobufC
import Testing

enum Types {
  static let node = MessageType(initialisedBy: envoy__config__core__v3__node__init)
  static let value = MessageType(initialisedBy: google__protobuf__value__init)
  static let listValue = MessageType(initialisedBy: google__protobuf__list_value__init)
  static let any = MessageType(initialisedBy: google__protobuf__any__init)
  static let retryPolicy = MessageType(initialisedBy: envoy__config__route__v3__retry_policy__init)
  static let request = MessageType(initialisedBy: envoy__service__discovery__v3__delta_discovery_request__init)
  static let cluster = MessageType(initialisedBy: envoy__config__cluster__v3__cluster__init)
  static let listener = MessageType(initialisedBy: envoy__config__listener__v3__listener__init)
}

/// Unpacks, and packs again what came out.
@discardableResult
func repacked(_ type: MessageType, _ bytes: [UInt8], _ limits: DecodingLimits = .standard) throws -> [UInt8] {
  try Arena.withScratch { arena in
    try bytes.withUnsafeBytes { Packing.packed(try arena.unpack(type, from: $0, limits: limits)) }
  }
}

/// Why the bytes are refused; nil if they are not.
func refusal(_ type: MessageType, _ bytes: [UInt8], _ limits: DecodingLimits = .standard) -> ProtobufError.Code? {
  do {
    try repacked(type, bytes, limits)
    return nil
  } catch let error as ProtobufError {
    return error.code
  } catch {
    Issue.record(error)
    return nil
  }
}

/// A field with tag and length.
func field(_ number: UInt32, _ bytes: [UInt8]) -> [UInt8] {
  var result: [UInt8] = []
  bytes.withUnsafeBytes { WireFormat.appendElement(number, $0, to: &result) }
  return result
}

func varint(_ value: UInt64) -> [UInt8] {
  var result: [UInt8] = []
  WireFormat.appendVarint(value, to: &result)
  return result
}

/// SplitMix64 (Steele, Lea, Flood 2014): the same numbers for the same seed, so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
  var state: UInt64
  init(seed: UInt64) { state = seed }
  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
