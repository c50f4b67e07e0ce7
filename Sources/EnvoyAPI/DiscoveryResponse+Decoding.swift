internal import CWeirProtos
internal import ProtobufC

extension DiscoveryResponse {
  /// Decodes a response, as a client does.
  ///
  /// - Throws: `ProtobufError` for bytes that are no such message or would take too much memory.
  public init(decoding bytes: UnsafeRawBufferPointer) throws {
    self = try decode(
      MessageTypes.discoveryResponse, as: Envoy__Service__Discovery__V3__DiscoveryResponse.self, bytes
    ) { message in
      var response = DiscoveryResponse()
      response.versionInfo = String(field: message.version_info)
      response.typeURL = String(field: message.type_url)
      response.nonce = String(field: message.nonce)
      response.resources = Array(message.n_resources, message.resources) { [UInt8](field: $0.pointee.value) }
      return response
    }
  }

  public init(decoding bytes: [UInt8]) throws {
    self = try bytes.withUnsafeBytes { try DiscoveryResponse(decoding: $0) }
  }
}

extension DeltaDiscoveryResponse {
  /// Decodes a response, as a client does.
  ///
  /// - Throws: `ProtobufError` for bytes that are no such message or would take too much memory.
  public init(decoding bytes: UnsafeRawBufferPointer) throws {
    self = try decode(
      MessageTypes.deltaDiscoveryResponse, as: Envoy__Service__Discovery__V3__DeltaDiscoveryResponse.self, bytes
    ) { message in
      var response = DeltaDiscoveryResponse()
      response.systemVersionInfo = String(field: message.system_version_info)
      response.typeURL = String(field: message.type_url)
      response.nonce = String(field: message.nonce)
      response.resources = Array(message.n_resources, message.resources) { resource in
        Resource(
          name: String(field: resource.pointee.name), version: String(field: resource.pointee.version),
          body: resource.pointee.resource.map { [UInt8](field: $0.pointee.value) })
      }
      response.removedResources = Array(message.n_removed_resources, message.removed_resources) { String(field: $0) }
      return response
    }
  }

  public init(decoding bytes: [UInt8]) throws {
    self = try bytes.withUnsafeBytes { try DeltaDiscoveryResponse(decoding: $0) }
  }
}
