internal import CWeirProtos
internal import ProtobufC

/// `envoy.config.endpoint.v3.ClusterLoadAssignment` in parts: its bytes are the header's and then each locality's.
public enum ClusterLoadAssignment {
  /// The bytes of the `cluster_name` field.
  public static func encodedHeader(clusterName: String) -> [UInt8] {
    Arena.withScratch { arena in
      let message = arena.make(envoy__config__endpoint__v3__cluster_load_assignment__init)
      message.pointee.cluster_name = arena.string(clusterName)
      return Packing.packed(message)
    }
  }

  /// The number of the repeated field `endpoints`.
  static let endpointsField: UInt32 = 2
}

extension LocalityEndpoints {
  /// The bytes of this locality as one element of `ClusterLoadAssignment.endpoints`. Equal localities have equal bytes.
  ///
  /// The locality's weight is its number of endpoints; a gRPC client ignores a locality that has none.
  public func encodedFragment() -> [UInt8] {
    Arena.withScratch { arena in
      Packing.packedField(ClusterLoadAssignment.endpointsField, arena.locality(self))
    }
  }
}

extension Arena {
  fileprivate func locality(
    _ locality: LocalityEndpoints
  ) -> UnsafeMutablePointer<Envoy__Config__Endpoint__V3__LocalityLbEndpoints> {
    let place = make(envoy__config__core__v3__locality__init)
    place.pointee.region = string(locality.region)
    place.pointee.zone = string(locality.zone)
    let message = make(envoy__config__endpoint__v3__locality_lb_endpoints__init)
    message.pointee.locality = place
    message.pointee.load_balancing_weight = wrapped(UInt32(clamping: locality.endpoints.count))
    message.pointee.n_lb_endpoints = locality.endpoints.count
    message.pointee.lb_endpoints = array(locality.endpoints) { endpoint($0) }
    return message
  }

  private func endpoint(
    _ endpoint: LbEndpoint
  ) -> UnsafeMutablePointer<Envoy__Config__Endpoint__V3__LbEndpoint>? {
    let host = make(envoy__config__endpoint__v3__endpoint__init)
    host.pointee.address = socketAddress(endpoint.address, port: endpoint.port)
    let message = make(envoy__config__endpoint__v3__lb_endpoint__init)
    message.pointee.host_identifier_case = ENVOY__CONFIG__ENDPOINT__V3__LB_ENDPOINT__HOST_IDENTIFIER_ENDPOINT
    message.pointee.endpoint = host
    message.pointee.health_status =
      switch endpoint.health {
      case .healthy: ENVOY__CONFIG__CORE__V3__HEALTH_STATUS__HEALTHY
      case .draining: ENVOY__CONFIG__CORE__V3__HEALTH_STATUS__DRAINING
      }
    return message
  }
}
