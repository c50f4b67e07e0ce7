internal import CWeirProtos
internal import ProtobufC

extension NodeIdentity {
  /// Decodes an `envoy.config.core.v3.Node`.
  ///
  /// - Throws: `ProtobufError` for bytes that are no such message, nest deeper than 100, or would take too much memory.
  public init(decoding bytes: UnsafeRawBufferPointer) throws {
    self = try decode(MessageTypes.node, as: Envoy__Config__Core__V3__Node.self, bytes) { NodeIdentity($0) }
  }

  public init(decoding bytes: [UInt8]) throws {
    self = try bytes.withUnsafeBytes { try NodeIdentity(decoding: $0) }
  }

  /// The bytes of the `Node`. Equal identities have equal bytes: metadata is written in the order of its keys.
  public func encoded() -> [UInt8] {
    Arena.withScratch { arena in Packing.packed(arena.node(self)) }
  }

  init(_ message: Envoy__Config__Core__V3__Node) {
    let locality = message.locality?.pointee
    let version =
      switch message.user_agent_version_type_case {
      case ENVOY__CONFIG__CORE__V3__NODE__USER_AGENT_VERSION_TYPE_USER_AGENT_VERSION:
        String(field: message.user_agent_version)
      case ENVOY__CONFIG__CORE__V3__NODE__USER_AGENT_VERSION_TYPE_USER_AGENT_BUILD_VERSION:
        message.user_agent_build_version?.pointee.version.map { version in
          "\(version.pointee.major_number).\(version.pointee.minor_number).\(version.pointee.patch)"
        } ?? ""
      default: ""
      }
    self.init(
      id: String(field: message.id), cluster: String(field: message.cluster),
      metadata: message.metadata.map { [String: MetadataValue]($0.pointee) } ?? [:],
      region: String(field: locality?.region), zone: String(field: locality?.zone),
      userAgentName: String(field: message.user_agent_name), userAgentVersion: version)
  }
}

extension Arena {
  func node(_ node: NodeIdentity) -> UnsafeMutablePointer<Envoy__Config__Core__V3__Node> {
    let message = make(envoy__config__core__v3__node__init)
    message.pointee.id = string(node.id)
    message.pointee.cluster = string(node.cluster)
    if !node.metadata.isEmpty { message.pointee.metadata = structure(node.metadata) }
    if !node.region.isEmpty || !node.zone.isEmpty {
      let locality = make(envoy__config__core__v3__locality__init)
      locality.pointee.region = string(node.region)
      locality.pointee.zone = string(node.zone)
      message.pointee.locality = locality
    }
    message.pointee.user_agent_name = string(node.userAgentName)
    if !node.userAgentVersion.isEmpty {
      message.pointee.user_agent_version_type_case =
        ENVOY__CONFIG__CORE__V3__NODE__USER_AGENT_VERSION_TYPE_USER_AGENT_VERSION
      message.pointee.user_agent_version = string(node.userAgentVersion)
    }
    return message
  }
}
