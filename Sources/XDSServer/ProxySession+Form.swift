internal import XDSSnapshot

/// Which proxies get their virtual hosts one by one (VHDS), of those that can take them so.
public enum VirtualHostDelivery: Sendable, Hashable {
  case always
  /// A proxy that starts while there are so many hosts, or more. One that comes back keeps the form that it has: going from one
  /// to the other replaces its listener, and so ends what its connections carry after a time (`--drain-time-s` of Envoy).
  case automatic(threshold: Int)
}

// The two forms in which a proxy gets its virtual hosts: in its route table, or one by one. They have listeners and route
// tables of their own, and a proxy goes from one to the other by a listener that it warms beside the one that it has. So
// every stream is answered in both, and what is decided here, once, is which listener it gets.
extension ProxySession {
  /// The table of a type as this client is to have it; nil while its class has not been compiled, and of virtual hosts and
  /// lone endpoints if none are served to it.
  func table(_ type: ResourceType, _ generation: Generation) -> ResourceTable? {
    if type == .listener && takesHostByHost, let listeners = generation.classes[proxyClass]?.hostByHost?.listeners {
      return listeners
    }
    if type == .cluster { return clusters(generation) }
    if type == .endpoint { return assignments(generation) }
    return generation.table(type, for: proxyClass)
  }

  /// Decides, when the client first asks for listeners.
  mutating func chooseForm(_ claims: TypeSession.Claims, _ generation: Generation) {
    guard variant == .delta, scope == .aggregated, let tables = generation.classes[proxyClass],
      let hostByHost = tables.hostByHost
    else { return }
    switch delivery {
    case .always: takesHostByHost = true
    case .automatic(let threshold):
      takesHostByHost = hostByHost.virtualHosts.count >= threshold
      for entry in shared.change(from: tables.listeners, to: hostByHost.listeners).entries {
        guard let version = claims.versions[entry.name].flatMap({ ContentHash(version: $0) }) else { continue }
        if version == entry.new?.contentHash { takesHostByHost = true }
        if version == entry.old?.contentHash { takesHostByHost = false }
      }
    }
  }

  /// Whether the client can have virtual hosts that are resources of their own.
  func usesVirtualHosts(_ generation: Generation) -> Bool {
    guard let hostByHost = generation.classes[proxyClass]?.hostByHost else { return false }
    return types[ResourceType.virtualHost.rawValue].isRequested
      || types[ResourceType.route.rawValue].subscription.covers(hostByHost.routeTable)
  }

  /// Envoy asks for virtual hosts once on a stream, for all route tables together. If it has done so before it got this table,
  /// it waits for the table's hosts without asking.
  mutating func oweVirtualHosts(_ plan: ResponsePlan, _ generation: Generation) {
    guard self[.virtualHost].isRequested, let routeTable = generation.classes[proxyClass]?.hostByHost?.routeTable,
      self[.route].acked[routeTable] == nil, plan.resources.contains(where: { $0.name == routeTable })
    else { return }
    self[.virtualHost].owed = .everything
  }
}
