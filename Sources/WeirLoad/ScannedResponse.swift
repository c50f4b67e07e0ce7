import XDSSnapshot
import XDSServer

/// What a simulated proxy wants to know of a response of either protocol. Points into the response's bytes.
struct ScannedResponse {
  struct Resource {
    /// Empty in the state of the world, where only the body has a name.
    var name: UnsafeRawBufferPointer
    var version: UnsafeRawBufferPointer
    var body: UnsafeRawBufferPointer
  }

  var type: ProxyResource?
  var version = ""
  var nonce = ""
  var resources: [Resource] = []
  var removed: [String] = []

  private static var none: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }

  /// Field numbers: `DiscoveryResponse` and `DeltaDiscoveryResponse` (envoy.service.discovery.v3) share 1, 2, 4 and 5.
  init(_ message: UnsafeRawBufferPointer, _ variant: XDSProtocol) throws {
    var typeURL = ""
    try FieldScan.forEach(in: message) { field, payload in
      switch field {
      case 1: version = String(utf8: payload)
      case 2: resources.append(try Self.resource(payload, variant))
      case 4: typeURL = String(utf8: payload)
      case 5: nonce = String(utf8: payload)
      case 6 where variant == .delta: removed.append(String(utf8: payload))
      default: break
      }
    }
    type = ProxyResource(typeURL: typeURL)
  }

  private static func resource(_ payload: UnsafeRawBufferPointer, _ variant: XDSProtocol) throws -> Resource {
    var resource = Resource(name: none, version: none, body: none)
    switch variant {
    case .stateOfTheWorld:
      resource.body = try FieldScan.last(2, in: payload) ?? none
    case .delta:
      try FieldScan.forEach(in: payload) { field, value in
        switch field {
        case 1: resource.version = value
        case 2: resource.body = try FieldScan.last(2, in: value) ?? none
        case 3: resource.name = value
        default: break
        }
      }
    }
    return resource
  }

  /// The assignments that the clusters of this response are to be asked for: of those that take their endpoints over EDS.
  func assignmentNames() throws -> [UnsafeRawBufferPointer] {
    try resources.compactMap { resource in
      // Cluster: name 1, eds_cluster_config 3 with service_name 2.
      var name = Self.none
      var config: UnsafeRawBufferPointer?
      try FieldScan.forEach(in: resource.body) { field, payload in
        if field == 1 { name = payload }
        if field == 3 { config = payload }
      }
      guard let config else { return nil }
      return try FieldScan.last(2, in: config) ?? name
    }
  }

  /// The route configurations that the listeners of this response name.
  func routeNames() throws -> [UnsafeRawBufferPointer] {
    var names: [UnsafeRawBufferPointer] = []
    for resource in resources {
      for path in Self.routeNamePaths {
        try FieldScan.forEach(at: path[...], in: resource.body) { names.append($0) }
      }
    }
    return names
  }

  /// Whether a route configuration of this response takes its virtual hosts over VHDS: RouteConfiguration.vhds is 9.
  func namesVirtualHosts() throws -> Bool {
    try resources.contains { try FieldScan.last(9, in: $0.body) != nil }
  }

  /// The collections that the assignments of this response take their endpoints from: ClusterLoadAssignment.endpoints is 2, its
  /// leds_cluster_locality_config 8, and the collection's name there 2.
  func collectionNames() throws -> [UnsafeRawBufferPointer] {
    var names: [UnsafeRawBufferPointer] = []
    for resource in resources {
      try FieldScan.forEach(at: [2, 8, 2], in: resource.body) { names.append($0) }
    }
    return names
  }

  /// HttpConnectionManager.rds (3).route_config_name (2), in a filter (3) of a filter chain (3), in that of the default
  /// filter chain (25), and in an api_listener (19): each in an Any (its value is 2).
  private static let routeNamePaths: [[UInt64]] = [[3, 3, 4, 2, 3, 2], [25, 3, 4, 2, 3, 2], [19, 1, 2, 3, 2]]
}
