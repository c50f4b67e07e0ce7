/// The messages that a client can send (or a server, for the client's decoder), as far as their fields matter here; field
/// numbers from envoy/service/discovery/v3/discovery.proto, envoy/config/core/v3/base.proto and google/protobuf/struct.proto.
enum WireSchema: CaseIterable {
  case discoveryRequest, deltaDiscoveryRequest, node, value, discoveryResponse, deltaDiscoveryResponse
  // Parts of these.
  case structure, structEntry, listValue, locality, buildVersion, semanticVersion, status, any, textEntry, resource,
    controlPlane, duration, cacheControl

  indirect enum Kind {
    case text, bytes, varint, double
    /// Text that is ASCII, of 1,024 bytes at most.
    case ascii
    case message(WireSchema)
  }

  struct Field {
    let number: UInt64
    let kind: Kind
    let isRepeated: Bool
  }

  /// Those that have a decoder of their own, in the order of an input's first byte.
  static let decoded: [WireSchema] = [
    .discoveryRequest, .deltaDiscoveryRequest, .node, .value, .discoveryResponse, .deltaDiscoveryResponse,
  ]

  var fields: [Field] { Self.table[self] ?? [] }

  func field(_ number: UInt64) -> Field? { fields.first { $0.number == number } }

  private static let table: [WireSchema: [Field]] = {
    func one(_ number: UInt64, _ kind: Kind) -> Field { Field(number: number, kind: kind, isRepeated: false) }
    func many(_ number: UInt64, _ kind: Kind) -> Field { Field(number: number, kind: kind, isRepeated: true) }
    return [
      .discoveryRequest: [
        one(1, .text), one(2, .message(.node)), many(3, .text), one(4, .ascii), one(5, .ascii),
        one(6, .message(.status)),
      ],
      .deltaDiscoveryRequest: [
        one(1, .message(.node)), one(2, .ascii), many(3, .text), many(4, .text), many(5, .message(.textEntry)),
        one(6, .ascii), one(7, .message(.status)),
      ],
      .node: [
        one(1, .text), one(2, .text), one(3, .message(.structure)), one(4, .message(.locality)), one(6, .text),
        one(7, .text), one(8, .message(.buildVersion)), many(10, .text),
      ],
      .value: [
        one(1, .varint), one(2, .double), one(3, .text), one(4, .varint), one(5, .message(.structure)),
        one(6, .message(.listValue)),
      ],
      .discoveryResponse: [
        one(1, .text), many(2, .message(.any)), one(3, .varint), one(4, .text), one(5, .text),
        one(6, .message(.controlPlane)),
      ],
      .deltaDiscoveryResponse: [
        one(1, .text), many(2, .message(.resource)), one(4, .text), one(5, .text), many(6, .text),
        one(7, .message(.controlPlane)),
      ],
      .structure: [many(1, .message(.structEntry))],
      .structEntry: [one(1, .text), one(2, .message(.value))],
      .listValue: [many(1, .message(.value))],
      .locality: [one(1, .text), one(2, .text), one(3, .text)],
      .buildVersion: [one(1, .message(.semanticVersion)), one(2, .message(.structure))],
      .semanticVersion: [one(1, .varint), one(2, .varint), one(3, .varint)],
      .status: [one(1, .varint), one(2, .text), many(3, .message(.any))],
      .any: [one(1, .text), one(2, .bytes)],
      .textEntry: [one(1, .text), one(2, .text)],
      .resource: [
        one(1, .text), one(2, .message(.any)), one(3, .text), many(4, .text), one(6, .message(.duration)),
        one(7, .message(.cacheControl)),
      ],
      .controlPlane: [one(1, .text)],
      .duration: [one(1, .varint), one(2, .varint)],
      .cacheControl: [one(1, .varint)],
    ]
  }()
}
