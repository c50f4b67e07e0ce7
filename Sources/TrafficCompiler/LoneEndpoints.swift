import EnvoyAPI
import XDSSnapshot

/// An assignment whose endpoints are resources of their own (LEDS).
struct LoneEndpoints: Equatable, Sendable {
  /// The assignment: a collection for each locality.
  var assignment: Resource
  /// The endpoints of all collections. Each refers to its collection.
  var endpoints: ReferencedTree<Resource>

  /// Nil if an address is not one that Envoy reads.
  ///
  /// Names come from content: an endpoint's from its address and port, so that one that drains keeps its name.
  ///
  /// Cost: O(n log n) for n endpoints.
  init?(cluster: String, localities: [LocalityEndpoints]) {
    var fragments = ReferencedTree<Fragment>()
    var all: [Resource] = []
    var collections: [String] = []
    for locality in localities {
      let directory = Self.directory(of: cluster, region: locality.region, zone: locality.zone)
      let collection = directory + "*"
      collections.append(collection)
      fragments.set(
        Fragment(
          key: "\(locality.region)\0\(locality.zone)",
          bytes: LocalityEndpoints.encodedFragment(
            region: locality.region, zone: locality.zone, collection: collection)))
      for endpoint in locality.endpoints {
        guard let bytes = endpoint.encodedAlone() else { return nil }
        // No character of an address needs to be escaped so.
        let address = endpoint.address.replacing(":", with: "-")
        all.append(
          Resource(
            name: "\(directory)\(address)_\(endpoint.port)", namelessBytes: bytes, references: [collection]))
      }
    }
    endpoints = .init()
    endpoints.apply(removing: [], setting: all)
    assignment = Resource(
      name: cluster, header: ClusterLoadAssignment.encodedHeader(clusterName: cluster), parts: [fragments],
      references: collections)
  }

  /// Cluster and locality by their hash: what is in their names, Envoy might write otherwise than it came.
  private static func directory(of cluster: String, region: String, zone: String) -> String {
    let hash = ContentHash(ContentHash(text: cluster), ContentHash(text: region), ContentHash(text: zone))
    return "xdstp://weir/envoy.config.endpoint.v3.LbEndpoint/\(hash)/"
  }

  static func == (a: Self, b: Self) -> Bool { a.assignment == b.assignment && a.endpoints.tree == b.endpoints.tree }
}
