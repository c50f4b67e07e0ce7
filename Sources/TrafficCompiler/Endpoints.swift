import EnvoyAPI
import TrafficModel
import XDSSnapshot

/// The endpoints of one locality that share a port.
///
/// A list of localities is canonical if it is in the order of region and zone, each locality's endpoints are in the order of
/// their addresses, none is empty, and no address is there twice: the better state (ready before draining) stays, and then
/// the lower locality.
struct Locality: Equatable, Sendable {
  var region: String
  var zone: String
  var endpoints: [Endpoint]

  struct Endpoint: Equatable, Sendable {
    var address: String
    var isDraining: Bool
  }

  /// Takes out what is there twice in different localities.
  static func distinct(_ localities: [Locality]) -> [Locality] {
    var best: [String: (locality: Int, isDraining: Bool)] = [:]
    var count = 0
    for (index, locality) in localities.enumerated() {
      count += locality.endpoints.count
      for endpoint in locality.endpoints {
        if let present = best[endpoint.address], !present.isDraining || endpoint.isDraining { continue }
        best[endpoint.address] = (index, endpoint.isDraining)
      }
    }
    if best.count == count { return localities }
    var distinct = localities
    for index in localities.indices {
      distinct[index].endpoints.removeAll { best[$0.address]?.locality != index }
    }
    return distinct.filter { !$0.endpoints.isEmpty }
  }
}

extension LocalityEndpoints {
  /// What several slices give to one assignment, by region and zone, then by address and port. Of one address and port the
  /// better state stays, and then the lower locality.
  static func merged(_ parts: [SlicePart]) -> [LocalityEndpoints] {
    if parts.count == 1 { return parts[0].localities.map { LocalityEndpoints($0, port: parts[0].port) } }
    struct Placed {
      var locality: Locality
      var endpoint: LbEndpoint
    }
    var all: [Placed] = []
    for part in parts {
      for locality in part.localities {
        let place = Locality(region: locality.region, zone: locality.zone, endpoints: [])
        for endpoint in LocalityEndpoints(locality, port: part.port).endpoints {
          all.append(Placed(locality: place, endpoint: endpoint))
        }
      }
    }
    func isLower(_ a: Locality, _ b: Locality) -> Bool { (a.region, a.zone) < (b.region, b.zone) }
    all.sort { a, b in
      if a.endpoint.address != b.endpoint.address { return a.endpoint.address < b.endpoint.address }
      if a.endpoint.port != b.endpoint.port { return a.endpoint.port < b.endpoint.port }
      if a.endpoint.health != b.endpoint.health { return a.endpoint.health == .healthy }
      return isLower(a.locality, b.locality)
    }
    var distinct: [Placed] = []
    for placed in all {
      if let last = distinct.last?.endpoint, last.address == placed.endpoint.address, last.port == placed.endpoint.port
      {
        continue
      }
      distinct.append(placed)
    }
    // The order by address stays within each locality.
    var merged: [LocalityEndpoints] = []
    for (locality, members) in Dictionary(grouping: distinct, by: { [$0.locality.region, $0.locality.zone] }) {
      merged.append(
        LocalityEndpoints(region: locality[0], zone: locality[1], endpoints: members.map(\.endpoint)))
    }
    return merged.sorted { ($0.region, $0.zone) < ($1.region, $1.zone) }
  }

  private init(_ locality: Locality, port: UInt16) {
    self.init(
      region: locality.region, zone: locality.zone,
      endpoints: locality.endpoints.map {
        LbEndpoint(address: $0.address, port: port, health: $0.isDraining ? .draining : .healthy)
      })
  }
}

/// A `ClusterLoadAssignment`, a fragment for each locality.
struct Assignment: Equatable, Sendable {
  var resource: Resource
  /// The same with its endpoints as resources of their own, if there are enough of them.
  var lone: LoneEndpoints?
  /// That there is no endpoint to serve.
  var problems: [Problem]

  /// If no endpoint is ready, those that drain are served as healthy: Kubernetes falls back so, and Envoy would spread over
  /// them in panic anyway.
  ///
  /// - Parameter threshold: from how many endpoints on they are resources of their own; 0 for never.
  init(cluster: String, spec: ClusterSpec, parts: [SlicePart], loneFrom threshold: Int = 0) {
    var localities = LocalityEndpoints.merged(parts)
    let hasReady = localities.contains { $0.endpoints.contains { $0.health == .healthy } }
    var fragments = ReferencedTree<Fragment>()
    for place in localities.indices {
      if !hasReady {
        for index in localities[place].endpoints.indices { localities[place].endpoints[index].health = .healthy }
      }
      let locality = localities[place]
      fragments.set(Fragment(key: "\(locality.region)\0\(locality.zone)", bytes: locality.encodedFragment()))
    }
    resource = Resource(
      name: cluster, header: ClusterLoadAssignment.encodedHeader(clusterName: cluster), parts: [fragments])
    if threshold > 0, localities.reduce(0, { $0 + $1.endpoints.count }) >= threshold {
      lone = LoneEndpoints(cluster: cluster, localities: localities)
    }
    problems = []
    if localities.isEmpty {
      let whose = spec.subset.isEmpty ? "" : "subset \(spec.subset): "
      problems = [
        Problem(
          .warning, at: nil, object: ObjectKey(.service, spec.service), field: "spec.ports",
          "\(whose)port \(spec.port) has no endpoints; requests to it get 503")
      ]
    }
  }
}
