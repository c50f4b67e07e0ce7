internal import CWeirProtos
internal import Glibc
internal import ProtobufC

/// `envoy.config.endpoint.v3.ClusterLoadAssignment` in parts: its bytes are the header's and then each locality's.
public enum ClusterLoadAssignment {
  /// The bytes of the `cluster_name` field.
  public static func encodedHeader(clusterName: String) -> [UInt8] {
    Arena.withScratch { arena in
      arena.withMemo { memo in
        memo.assignmentHeader(clusterName) { name in
          let message = arena.make(envoy__config__endpoint__v3__cluster_load_assignment__init)
          message.pointee.cluster_name = arena.string(name)
          return Packing.packed(message)
        }
      }
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

/// Endpoints that are encoded once, for every locality and assignment that they are in.
public struct EncodedEndpoints: Sendable {
  /// Each endpoint as an element of `LocalityLbEndpoints.lb_endpoints`.
  private var bytes: [UInt8] = []
  /// Where each ends.
  private var ends: [Int32] = []

  private static let endpointsField: UInt32 = 2

  public init() {}

  public var count: Int { ends.count }

  private func start(_ index: Int) -> Int { index == 0 ? 0 : Int(ends[index - 1]) }

  public mutating func reserveCapacity(_ count: Int) {
    ends.reserveCapacity(count)
    bytes.reserveCapacity(count * 40)
  }

  public mutating func append(_ endpoint: LbEndpoint) {
    Arena.withScratch { arena in
      arena.withMemo { memo in
        memo.append(endpoint, to: &bytes) { Packing.packedField(Self.endpointsField, arena.endpoint($0)) }
      }
    }
    ends.append(Int32(bytes.count))
  }

  /// Appends one that another list has already.
  public mutating func append(_ index: Int, of other: EncodedEndpoints) {
    bytes.append(contentsOf: other.bytes[other.start(index)..<Int(other.ends[index])])
    ends.append(Int32(bytes.count))
  }

  /// What `LocalityEndpoints.encodedFragment` makes of some of the endpoints, from the bytes that are there.
  ///
  /// - Parameters:
  ///   - positions: one for each endpoint of the locality.
  ///   - index: the endpoint at a position.
  public func localityFragment(
    region: String, zone: String, endpoints positions: Range<Int>, at index: (Int) -> Int
  ) -> [UInt8] {
    // In the order of the fields' numbers: the endpoints stand between these two.
    let (before, after) = Arena.withScratch { arena in
      arena.withMemo { memo in
        (
          memo.locality(region: region, zone: zone) {
            let place = arena.make(envoy__config__endpoint__v3__locality_lb_endpoints__init)
            place.pointee.locality = arena.place(region: region, zone: zone)
            return Packing.packed(place)
          },
          memo.weight(positions.count) {
            let weight = arena.make(envoy__config__endpoint__v3__locality_lb_endpoints__init)
            weight.pointee.load_balancing_weight = arena.wrapped(UInt32(clamping: positions.count))
            return Packing.packed(weight)
          }
        )
      }
    }
    var count = before.count + after.count
    for position in positions { count += Int(ends[index(position)]) - start(index(position)) }
    return bytes.withUnsafeBufferPointer { encoded in
      Packing.field(ClusterLoadAssignment.endpointsField, byteCount: count) { body in
        before.withUnsafeBufferPointer { body.append($0) }
        var position = positions.lowerBound
        while position < positions.upperBound {
          // Neighbours are copied together.
          let first = index(position)
          var last = first
          while position + 1 < positions.upperBound, index(position + 1) == last + 1 {
            position += 1
            last += 1
          }
          position += 1
          body.append(UnsafeBufferPointer(rebasing: encoded[start(first)..<Int(ends[last])]))
        }
        after.withUnsafeBufferPointer { body.append($0) }
      }
    }
  }
}

extension LocalityEndpoints {
  /// As `encodedFragment`, of a locality whose endpoints are resources of their own (LEDS), taken from the stream that the
  /// assignment came on. It has no weight: no load balancer that Weir configures reads it, and the number of endpoints would
  /// make each that comes or goes change the assignment.
  ///
  /// - Parameter collection: the endpoints, as a glob.
  public static func encodedFragment(region: String, zone: String, collection: String) -> [UInt8] {
    Arena.withScratch { arena in
      let leds = arena.make(envoy__config__endpoint__v3__leds_cluster_locality_config__init)
      leds.pointee.leds_config = arena.aggregatedConfigSource()
      leds.pointee.leds_collection_name = arena.string(collection)
      let message = arena.make(envoy__config__endpoint__v3__locality_lb_endpoints__init)
      message.pointee.locality = arena.place(region: region, zone: zone)
      message.pointee.lb_config_case =
        ENVOY__CONFIG__ENDPOINT__V3__LOCALITY_LB_ENDPOINTS__LB_CONFIG_LEDS_CLUSTER_LOCALITY_CONFIG
      message.pointee.leds_cluster_locality_config = leds
      return Packing.packedField(ClusterLoadAssignment.endpointsField, message)
    }
  }
}

extension LbEndpoint {
  /// The bytes of an endpoint that is a resource of its own; nil if its address is none. Envoy refuses an assignment with such
  /// an address, but one in an endpoint alone it does not survive (`std::terminate`, 1.40).
  public func encodedAlone() -> [UInt8]? {
    guard address.isIPAddress else { return nil }
    return Arena.withScratch { arena in Packing.packed(arena.endpoint(self)) }
  }
}

extension String {
  /// Whether Envoy takes the text for an IP address: it asks `inet_pton`, too.
  fileprivate var isIPAddress: Bool {
    var storage = in6_addr()
    return inet_pton(AF_INET, self, &storage) == 1 || inet_pton(AF_INET6, self, &storage) == 1
  }
}

extension Arena {
  fileprivate func place(region: String, zone: String) -> UnsafeMutablePointer<Envoy__Config__Core__V3__Locality> {
    let place = make(envoy__config__core__v3__locality__init)
    place.pointee.region = string(region)
    place.pointee.zone = string(zone)
    return place
  }

  fileprivate func locality(
    _ locality: LocalityEndpoints
  ) -> UnsafeMutablePointer<Envoy__Config__Endpoint__V3__LocalityLbEndpoints> {
    let message = make(envoy__config__endpoint__v3__locality_lb_endpoints__init)
    message.pointee.locality = place(region: locality.region, zone: locality.zone)
    message.pointee.load_balancing_weight = wrapped(UInt32(clamping: locality.endpoints.count))
    message.pointee.n_lb_endpoints = locality.endpoints.count
    message.pointee.lb_endpoints = array(locality.endpoints) { Optional(endpoint($0)) }
    return message
  }

  fileprivate func endpoint(
    _ endpoint: LbEndpoint
  ) -> UnsafeMutablePointer<Envoy__Config__Endpoint__V3__LbEndpoint> {
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
