import EnvoyAPI
import TrafficModel
import XDSSnapshot

extension LocalityEndpoints {
  /// What several slices give to one assignment, by region and zone, then by address and port. Of one address and port the
  /// better state stays, and then the lower locality.
  static func merged(_ parts: [Box<SlicePart>]) -> [LocalityEndpoints] {
    if parts.count == 1 { return parts[0].content.endpoints() }
    struct Placed {
      var region: String
      var zone: String
      var endpoint: LbEndpoint
    }
    var all: [Placed] = []
    for part in parts {
      for locality in part.content.endpoints() {
        for endpoint in locality.endpoints {
          all.append(Placed(region: locality.region, zone: locality.zone, endpoint: endpoint))
        }
      }
    }
    all.sort { a, b in
      if a.endpoint.address != b.endpoint.address { return a.endpoint.address < b.endpoint.address }
      if a.endpoint.port != b.endpoint.port { return a.endpoint.port < b.endpoint.port }
      if a.endpoint.health != b.endpoint.health { return a.endpoint.health == .healthy }
      return (a.region, a.zone) < (b.region, b.zone)
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
    for (locality, members) in Dictionary(grouping: distinct, by: { [$0.region, $0.zone] }) {
      merged.append(
        LocalityEndpoints(region: locality[0], zone: locality[1], endpoints: members.map(\.endpoint)))
    }
    return merged.sorted { ($0.region, $0.zone) < ($1.region, $1.zone) }
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
  /// Cost: of one part the fragments are taken as they are; several are merged and encoded, O(n log n) for n endpoints.
  ///
  /// - Parameter threshold: from how many endpoints on they are resources of their own; 0 for never.
  init(cluster: String, spec: ClusterSpec, parts: [Box<SlicePart>], loneFrom threshold: Int = 0) {
    let hasReady = parts.contains(where: \.content.hasReady)
    let isOnePart = parts.count == 1 && hasReady
    // What is there twice counts twice here, but to merge the many small ones just to see would cost them all.
    let mayBeLone = threshold > 0 && parts.reduce(0) { $0 + $1.content.endpointCount } >= threshold
    var localities = isOnePart && !mayBeLone ? [] : LocalityEndpoints.merged(parts)
    if !hasReady {
      for place in localities.indices {
        for index in localities[place].endpoints.indices { localities[place].endpoints[index].health = .healthy }
      }
    }
    let fragments = isOnePart ? parts[0].content.localities : ReferencedTree(localities.map { Fragment($0) })
    resource = Resource(
      name: cluster, header: ClusterLoadAssignment.encodedHeader(clusterName: cluster), parts: [fragments])
    if mayBeLone, localities.reduce(0, { $0 + $1.endpoints.count }) >= threshold {
      lone = LoneEndpoints(cluster: cluster, localities: localities)
    }
    problems = []
    if fragments.count == 0 {
      let whose = spec.subset.isEmpty ? "" : "subset \(spec.subset): "
      problems = [
        Problem(
          .warning, at: nil, object: ObjectKey(.service, spec.service), field: "spec.ports",
          "\(whose)port \(spec.port) has no endpoints; requests to it get 503")
      ]
    }
  }
}
