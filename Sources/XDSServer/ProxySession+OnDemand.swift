internal import XDSSnapshot

// Clusters on demand (ODCDS). Such a client has a wildcard for clusters, as every Envoy, and is sent nothing for it but what its
// TCP listeners name; a request that is routed to a cluster which it does not have waits while it asks for that by name, and
// what it has asked for it gets and keeps up to date. One that is not there is told as removed, which ends the request at once.
//
// A route waits only for clusters that the client has asked for: to one that it has not, the first request waits.
extension ProxySession {
  /// The clusters as this client is to have them. O(1) for most clients, and for others when it is known, else O(names asked for,
  /// and listeners).
  func clusters(_ generation: Generation) -> ResourceTable {
    guard proxyClass.fetchesClusters else { return generation.clusters }
    let names = types[ResourceType.cluster.rawValue].subscription.names
    let listeners = generation.table(.listener, for: proxyClass) ?? .init()
    let parts = [
      ContentHash(high: UInt64(ResourceType.cluster.rawValue), low: 0), generation.clusters.contentHash,
      listeners.contentHash, ContentHash(high: names.identity.sum, low: names.identity.mixed),
    ]
    return shared.target(of: parts) {
      var table = generation.clusters.restricted(to: names)
      listeners.tree.forEach { listener in
        for name in listener.references { if let cluster = generation.clusters[name] { table.set(cluster) } }
      }
      return .init(table: table)
    }.table
  }
}
