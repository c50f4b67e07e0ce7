internal import XDSSnapshot

extension ProxySession {
  /// The response that takes the client from one table to another.
  ///
  /// - Parameter answersRequest: the client has asked for some of what is owed.
  func plan(
    _ type: ResourceType, from: ResourceTable, to: ResourceTable, owed: Owed, clusters: ResourceTable,
    answersRequest: Bool = false
  ) -> ResponsePlan {
    let isFirst = from.count == 0 && { if case .everything = owed { true } else { false } }()
    var key = ResponsePlan.Key(
      type: type, variant: variant, from: from.contentHash, to: to.contentHash,
      subscription: self[type].subscription.identity, owed: owed.identity)
    if type == .virtualHost, let routeTable = generation?.classes[proxyClass]?.hostByHost?.routeTable {
      key.nothing = "\(routeTable)/_none_"
    }
    key.answersRequest = answersRequest && variant == .stateOfTheWorld && !type.isFullState
    var related = ResponsePlan.Clusters(subscription: self[.cluster].subscription)
    if type == .endpoint, let generation {
      // Where everything is sent anyhow, it does not matter which clusters changed.
      if !isFirst && endpointsAsOf.contentHash != clusters.contentHash {
        key.clustersFrom = endpointsAsOf.contentHash
        key.clustersTo = clusters.contentHash
        related.renewed = shared.change(from: endpointsAsOf, to: clusters)
      }
      if variant == .stateOfTheWorld && !(owed.isNothing && related.renewed.entries.isEmpty)
        && clusters.contentHash != generation.clusters.contentHash
      {
        key.clustersSent = clusters.contentHash
        key.clustersNow = generation.clusters.contentHash
        key.clustersArrived = arrived.contentHash
        key.namesArrived = arrivedNames.identity
        related.doomed = shared.change(from: clusters, to: generation.clusters)
        related.arrived = arrived
        related.arrivedNames = arrivedNames
      }
      if !related.renewed.entries.isEmpty || !related.doomed.entries.isEmpty {
        key.clusterSubscription = self[.cluster].subscription.identity
      }
    }
    return shared.plan(
      key, from: from, to: to, subscription: self[type].subscription, owed: owed,
      clusters: related)
  }
}
