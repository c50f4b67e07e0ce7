internal import XDSSnapshot

// When is a cluster warm on a proxy? When its CDS was accepted and its endpoints, sent after the cluster, were too. A
// client that accepts a cluster without having asked for its endpoints (Envoy asks before it accepts; gRPC may ask later)
// needs none: the cluster counts as warm, so that nothing waits for a request that may never come. (If it has asked for
// them and given them up before they came, it does not.) A warm cluster
// stays warm until it is withdrawn: an Envoy that warms its next version goes on using the one before.
extension ProxySession {
  /// Adds what has become warm. O(1) when nothing is on its way, else O(clusters that are not warm yet).
  mutating func warmUp(after type: ResourceType) {
    guard attention.contains(.cluster), self[.cluster].isRequested,
      warm.contentHash != self[.cluster].acked.contentHash
    else { return }
    let clusters = types[ResourceType.cluster.rawValue]
    let endpoints = types[ResourceType.endpoint.rawValue]
    if endpoints.awaitsSubscription { return }
    let sent = clusters.newest
    let isComing = endpoints.inFlight != nil || !endpoints.owed.isNothing
    // Collections are asked for one by one, and not each by name.
    let hasCollections = takesLoneEndpoints && generation?.loneEndpoints?.endpoints.count ?? 0 > 0
    let isQuiet =
      !isComing && !hasCollections && clusters.inFlight == nil && endpoints.claims == nil && endpoints.quarantine == nil
      && clusters.quarantine == nil && givenUp.isEmpty
      && endpointsAsOf.contentHash == sent.contentHash
      && (variant == .delta || clusters.acked.contentHash == generation?.clusters.contentHash)
      && generation.map { shared.change(from: endpoints.acked, to: $0.endpoints).additions == 0 } ?? true
    if isQuiet || (!endpoints.isRequested && clusters.inFlight == nil && clusters.quarantine == nil) {
      warm = clusters.acked
      return
    }
    let change = shared.change(from: warm, to: clusters.acked)
    // During start-up thousands are on their way: the answer to their endpoints comes soon and settles all at once.
    if type == .cluster && isComing && change.entries.count > 256 { return }
    for entry in change.entries {
      guard let new = entry.new else {
        warm.remove(entry.name)
        continue
      }
      if entry.old == nil && isCold(new.name, clusters, endpoints, sent) { continue }
      warm.set(new)
    }
  }

  /// The client gives up endpoints, or takes up some that it had given up. O(names), and not more while others are on their
  /// way, which a client could leave so and go on asking.
  mutating func warmUp(dropping names: [String]) {
    let clusters = types[ResourceType.cluster.rawValue]
    let endpoints = types[ResourceType.endpoint.rawValue]
    for name in names {
      if endpoints.subscription.covers(name) {
        if !givenUp.isEmpty { givenUp.remove(name) }
      } else if warm[name] == nil, clusters.acked[name] != nil || clusters.inFlight?.table[name] != nil {
        givenUp.insert(name)
      }
    }
    guard endpoints.inFlight != nil || !endpoints.owed.isNothing else { return warmUp(after: .endpoint) }
    guard clusters.isRequested, warm.contentHash != clusters.acked.contentHash, !endpoints.awaitsSubscription else {
      return
    }
    let sent = clusters.newest
    for name in names where !endpoints.subscription.covers(name) && warm[name] == nil {
      if let cluster = clusters.acked[name], !isCold(name, clusters, endpoints, sent) { warm.set(cluster) }
    }
  }

  /// Whether a cluster that is accepted, and was not warm before, is not so yet.
  private func isCold(
    _ name: String, _ clusters: TypeSession, _ endpoints: TypeSession, _ sent: ResourceTable
  ) -> Bool {
    // Being withdrawn now, or by a response that was refused: the client may have dropped it all the same.
    if sent[name] == nil { return true }
    // It has come back with a version that has the cluster, and does not ask for its endpoints: it may have dropped it since.
    if clusters.holdsUntold && arrived[name] != nil && !endpoints.subscription.covers(name) { return true }
    if clusters.quarantine?.dropped.contains(name) ?? false {
      // A client that came with clusters unknown here asks for the endpoints of those that it has.
      guard clusters.holdsUnknown, endpoints.subscription.covers(name), endpoints.acked[name] != nil else {
        return true
      }
    }
    return isAwaited(name, endpoints, sent)
  }

  /// Whether the cluster's endpoints are still to be sent, or to be accepted.
  private func isAwaited(_ name: String, _ endpoints: TypeSession, _ sent: ResourceTable) -> Bool {
    guard endpoints.subscription.covers(name) else {
      // Whether the client wants them is known when it accepts its clusters. One that had asked for them, and gave them up
      // before they came, has a cluster without endpoints, and may take them up again with its next word.
      return types[ResourceType.cluster.rawValue].inFlight != nil || givenUp.contains(name)
    }
    if endpoints.acked[name] == nil, let generation {
      // They are there now, and about to be sent.
      if generation.endpoints[name] != nil { return true }
      // In the state of the world a client cannot be told that there are none: it waits for those of a cluster that is
      // gone, and has to get them should it come back.
      if variant == .stateOfTheWorld && generation.clusters[name] == nil { return true }
    }
    if let assignment = endpoints.acked[name], awaitsCollections(of: assignment) { return true }
    return endpoints.owed.contains(name) || endpoints.claims != nil
      || endpoints.inFlight?.plan.names.contains(name) ?? false
      || endpoints.quarantine?.doubtful.contains(name) ?? false
      || endpointsAsOf[name]?.contentHash != sent[name]?.contentHash
  }
}
