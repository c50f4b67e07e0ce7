import EnvoyAPI
import TrafficModel
import XDSSnapshot

/// An endpoint of an assignment, where it is, and how it is.
struct PlacedEndpoint: Equatable, Sendable {
  var address: String
  var port: UInt16
  var isDraining: Bool
  var region: String
  var zone: String
}

/// The endpoints that a slice gives to one port and subset of its service.
struct SlicePart: Equatable, Sendable {
  /// Ordered and without duplicates, as `PlacedEndpoint.canonical` leaves them.
  var endpoints: [PlacedEndpoint]

  struct Key: Hashable, Sendable {
    var slice: NamespacedName
    var portName: String
    /// Empty for the whole service.
    var subset: String
  }
}

extension PlacedEndpoint {
  /// In the order of locality, address and port; of one address and port the better state (ready before draining) stays,
  /// and then the lower locality.
  static func canonical(_ endpoints: [PlacedEndpoint]) -> [PlacedEndpoint] {
    if endpoints.count < 2 { return endpoints }
    var byAddress = endpoints
    byAddress.sort { a, b in
      if a.address != b.address { return a.address < b.address }
      if a.port != b.port { return a.port < b.port }
      if a.isDraining != b.isDraining { return b.isDraining }
      return a.isInLowerLocality(than: b) ?? false
    }
    var distinct: [PlacedEndpoint] = []
    distinct.reserveCapacity(byAddress.count)
    var isOneLocality = true
    for endpoint in byAddress {
      if let last = distinct.last {
        if last.address == endpoint.address, last.port == endpoint.port { continue }
        isOneLocality = isOneLocality && last.isInLowerLocality(than: endpoint) == nil
      }
      distinct.append(endpoint)
    }
    if !isOneLocality {
      distinct.sort { a, b in a.isInLowerLocality(than: b) ?? ((a.address, a.port) < (b.address, b.port)) }
    }
    return distinct
  }

  /// Nil where both are in one locality.
  func isInLowerLocality(than other: PlacedEndpoint) -> Bool? {
    if region != other.region { return region < other.region }
    return zone != other.zone ? zone < other.zone : nil
  }
}

/// A `ClusterLoadAssignment`, a fragment for each locality.
struct Assignment: Equatable, Sendable {
  var resource: Resource
  /// That there is no endpoint to serve.
  var problems: [Problem]

  /// - Parameter endpoints: canonical. If none of them is ready, those that drain are served as healthy: Kubernetes falls
  ///   back so, and Envoy would spread over them in panic anyway.
  init(cluster: String, spec: ClusterSpec, endpoints: [PlacedEndpoint]) {
    let hasReady = endpoints.contains { !$0.isDraining }
    var localities = ReferencedTree<Fragment>()
    var rest = endpoints[...]
    while let first = rest.first {
      let end = rest.firstIndex { first.isInLowerLocality(than: $0) != nil } ?? rest.endIndex
      let locality = LocalityEndpoints(
        region: first.region, zone: first.zone,
        endpoints: rest[..<end].map {
          LbEndpoint(address: $0.address, port: $0.port, health: $0.isDraining && hasReady ? .draining : .healthy)
        })
      localities.set(Fragment(key: "\(first.region)\0\(first.zone)", bytes: locality.encodedFragment()))
      rest = rest[end...]
    }
    resource = Resource(
      name: cluster, header: ClusterLoadAssignment.encodedHeader(clusterName: cluster), parts: [localities])
    problems = []
    if endpoints.isEmpty {
      let whose = spec.subset.isEmpty ? "" : "subset \(spec.subset): "
      problems = [
        Problem(
          .warning, at: nil, object: ObjectKey(.service, spec.service), field: "spec.ports",
          "\(whose)port \(spec.port) has no endpoints; requests to it get 503")
      ]
    }
  }
}
