internal import XDSSnapshot

extension ProxySession {
  /// The response that takes the client from one table to another.
  ///
  /// It changes nothing. But were it not `mutating`, Swift 6 would copy the session for the call, as the machine code shows, and retain some
  /// twenty objects: a twentieth of a push.
  ///
  /// - Parameters:
  ///   - clusters: those that the client has, or is being sent, if they are others than when it was last sent endpoints.
  ///   - answersRequest: the client has asked for some of what is owed.
  mutating func plan(
    _ type: ResourceType, from: ResourceTable, to: ResourceTable, owed: Owed, clusters: ResourceTable? = nil,
    answersRequest: Bool = false
  ) -> ResponsePlan {
    var key = ResponsePlan.Key(
      type: type, variant: variant, from: from.contentHash, to: to.contentHash,
      subscription: self[type].subscription.identity, owed: owed.identity)
    if type == .virtualHost, let routeTable = generation?.classes[proxyClass]?.hostByHost?.routeTable {
      key.nothing = "\(routeTable)/_none_"
    }
    key.answersRequest = answersRequest && variant == .stateOfTheWorld && !type.isFullState
    guard type == .endpoint, clusters != nil || variant == .stateOfTheWorld, let generation else {
      return shared.plan(
        key, from: from, to: to, subscription: self[type].subscription, owed: owed,
        clusters: ResponsePlan.Clusters(subscription: self[.cluster].subscription))
    }
    var related = ResponsePlan.Clusters(subscription: self[.cluster].subscription)
    // Where everything is sent anyhow, it does not matter which clusters changed.
    let isFirst = from.count == 0 && { if case .everything = owed { true } else { false } }()
    if let clusters, !isFirst {
      key.clustersFrom = endpointsAsOf.contentHash
      key.clustersTo = clusters.contentHash
      related.renewed = shared.change(from: endpointsAsOf, to: clusters)
    }
    let sent = clusters ?? endpointsAsOf
    if variant == .stateOfTheWorld && !(owed.isNothing && related.renewed.entries.isEmpty)
      && sent.contentHash != generation.clusters.contentHash
    {
      key.clustersSent = sent.contentHash
      key.clustersNow = generation.clusters.contentHash
      key.clustersArrived = arrived.contentHash
      key.namesArrived = arrivedNames.identity
      related.doomed = shared.change(from: sent, to: generation.clusters)
      related.arrived = arrived
      related.arrivedNames = arrivedNames
    }
    if !related.renewed.entries.isEmpty || !related.doomed.entries.isEmpty {
      key.clusterSubscription = self[.cluster].subscription.identity
    }
    return shared.plan(
      key, from: from, to: to, subscription: self[type].subscription, owed: owed, clusters: related)
  }
}
