internal import CWeirProtos
internal import ProtobufC

/// The types of the messages that are decoded here.
enum MessageTypes {
  static let discoveryRequest = MessageType(initialisedBy: envoy__service__discovery__v3__discovery_request__init)
  static let discoveryResponse = MessageType(initialisedBy: envoy__service__discovery__v3__discovery_response__init)
  static let deltaDiscoveryRequest = MessageType(
    initialisedBy: envoy__service__discovery__v3__delta_discovery_request__init)
  static let deltaDiscoveryResponse = MessageType(
    initialisedBy: envoy__service__discovery__v3__delta_discovery_response__init)
  static let node = MessageType(initialisedBy: envoy__config__core__v3__node__init)
  static let value = MessageType(initialisedBy: google__protobuf__value__init)

  /// Every message under protos/xds.
  static let all = MessageRegistry(
    sequence(state: 0) { number in
      defer { number += 1 }
      return weir_xds_message(number).map { MessageType(descriptor: $0) }
    })
}
