internal import CWeirProtos
internal import ProtobufC

extension DiscoveryRequest {
  /// Decodes a request. Fields that `DiscoveryRequest` does not have are passed over.
  ///
  /// - Throws: `ProtobufError` for bytes that are no such message, nest deeper than 100, or would take too much memory; for
  ///   text that is not safe to compare; and for a type URL or a nonce that is not ASCII or has more than 1,024 bytes.
  public init(decoding bytes: UnsafeRawBufferPointer) throws {
    self = try decode(
      MessageTypes.discoveryRequest, as: Envoy__Service__Discovery__V3__DiscoveryRequest.self, bytes
    ) { message in
      var request = DiscoveryRequest()
      request.versionInfo = String(field: message.version_info)
      request.node = message.node.map { NodeIdentity($0.pointee) }
      request.resourceNames = Array(message.n_resource_names, message.resource_names) { String(field: $0) }
      request.typeURL = try String(ascii: message.type_url, "DiscoveryRequest.type_url")
      request.responseNonce = try String(ascii: message.response_nonce, "DiscoveryRequest.response_nonce")
      request.errorDetail = message.error_detail.map { ErrorDetail($0.pointee) }
      return request
    }
  }

  public init(decoding bytes: [UInt8]) throws {
    self = try bytes.withUnsafeBytes { try DiscoveryRequest(decoding: $0) }
  }

  /// The request's bytes. Equal requests have equal bytes.
  public func encoded() -> [UInt8] {
    Arena.withScratch { arena in
      let message = arena.make(envoy__service__discovery__v3__discovery_request__init)
      message.pointee.version_info = arena.string(versionInfo)
      message.pointee.node = node.map { arena.node($0) }
      message.pointee.n_resource_names = resourceNames.count
      message.pointee.resource_names = arena.strings(resourceNames)
      message.pointee.type_url = arena.string(typeURL)
      message.pointee.response_nonce = arena.string(responseNonce)
      message.pointee.error_detail = errorDetail.map { arena.status($0) }
      return Packing.packed(message)
    }
  }
}

extension DeltaDiscoveryRequest {
  /// Decodes a request. Fields that `DeltaDiscoveryRequest` does not have are passed over.
  ///
  /// - Throws: `ProtobufError` for bytes that are no such message, nest deeper than 100, or would take too much memory; for
  ///   text that is not safe to compare; and for a type URL or a nonce that is not ASCII or has more than 1,024 bytes.
  public init(decoding bytes: UnsafeRawBufferPointer) throws {
    self = try decode(
      MessageTypes.deltaDiscoveryRequest, as: Envoy__Service__Discovery__V3__DeltaDiscoveryRequest.self, bytes
    ) { message in
      var request = DeltaDiscoveryRequest()
      request.node = message.node.map { NodeIdentity($0.pointee) }
      request.typeURL = try String(ascii: message.type_url, "DeltaDiscoveryRequest.type_url")
      request.resourceNamesSubscribe = Array(
        message.n_resource_names_subscribe, message.resource_names_subscribe
      ) { String(field: $0) }
      request.resourceNamesUnsubscribe = Array(
        message.n_resource_names_unsubscribe, message.resource_names_unsubscribe
      ) { String(field: $0) }
      request.initialResourceVersions.reserveCapacity(message.n_initial_resource_versions)
      for index in 0..<message.n_initial_resource_versions {
        guard let entry = message.initial_resource_versions[index]?.pointee else { continue }
        request.initialResourceVersions[String(field: entry.key)] = String(field: entry.value)
      }
      request.responseNonce = try String(ascii: message.response_nonce, "DeltaDiscoveryRequest.response_nonce")
      request.errorDetail = message.error_detail.map { ErrorDetail($0.pointee) }
      return request
    }
  }

  public init(decoding bytes: [UInt8]) throws {
    self = try bytes.withUnsafeBytes { try DeltaDiscoveryRequest(decoding: $0) }
  }

  /// The request's bytes. Equal requests have equal bytes: initial versions are written in the order of their names.
  public func encoded() -> [UInt8] {
    Arena.withScratch { arena in
      let message = arena.make(envoy__service__discovery__v3__delta_discovery_request__init)
      message.pointee.node = node.map { arena.node($0) }
      message.pointee.type_url = arena.string(typeURL)
      message.pointee.n_resource_names_subscribe = resourceNamesSubscribe.count
      message.pointee.resource_names_subscribe = arena.strings(resourceNamesSubscribe)
      message.pointee.n_resource_names_unsubscribe = resourceNamesUnsubscribe.count
      message.pointee.resource_names_unsubscribe = arena.strings(resourceNamesUnsubscribe)
      message.pointee.n_initial_resource_versions = initialResourceVersions.count
      message.pointee.initial_resource_versions = arena.array(
        initialResourceVersions.sorted { $0.key < $1.key }
      ) { name, version in
        let entry = arena.make(
          envoy__service__discovery__v3__delta_discovery_request__initial_resource_versions_entry__init)
        entry.pointee.key = arena.string(name)
        entry.pointee.value = arena.string(version)
        return entry
      }
      message.pointee.response_nonce = arena.string(responseNonce)
      message.pointee.error_detail = errorDetail.map { arena.status($0) }
      return Packing.packed(message)
    }
  }
}

extension ErrorDetail {
  fileprivate init(_ message: Google__Rpc__Status) {
    self.init(code: message.code, message: String(field: message.message))
  }
}

extension Arena {
  fileprivate func status(_ detail: ErrorDetail) -> UnsafeMutablePointer<Google__Rpc__Status> {
    let message = make(google__rpc__status__init)
    message.pointee.code = detail.code
    message.pointee.message = string(detail.message)
    return message
  }
}
