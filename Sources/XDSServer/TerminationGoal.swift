internal import EnvoyAPI
internal import Synchronization
internal import XDSSnapshot

/// Where a client may still find what is to be terminated.
enum Holdings: Sendable, Hashable {
  case none
  case some([String])
  /// The client has something that this process cannot tell.
  case unknown

  var names: [String] { if case .some(let names) = self { names } else { [] } }
}

/// That no client can pick something any more.
final class TerminationGoal: ProxyGoal {
  private let subject: TerminationSubject
  private let shared: SharedResponses
  private let state = Mutex(State())

  private struct State {
    /// Of each type, a table and where in it the subject is; others are compared with it.
    var bases: [ResourceType: (table: ResourceTable, names: Set<String>)] = [:]
    var known: [ContentHash: Set<String>] = [:]
    var served: [String] = []
  }

  init(_ subject: TerminationSubject, _ shared: SharedResponses) {
    self.subject = subject
    self.shared = shared
  }

  /// Where the subject can be picked by what is served.
  var served: [String] { state.withLock { $0.served } }

  /// O(all that is served) the first time, then O(what differs).
  func admits(_ generation: Generation) -> Bool {
    var served: Set<String>
    switch subject {
    case .endpoint(let search):
      served = rebase(.endpoint, generation.endpoints, search)
      if let lone = generation.loneEndpoints { served.formUnion(rebase(.loneEndpoint, lone.endpoints, search)) }
    case .clusters(let names):
      served = names.filter { cluster in generation.classes.values.contains { $0.references(cluster) } }
    }
    let sorted = served.sorted()
    state.withLock { $0.served = sorted }
    return served.isEmpty
  }

  func isMet(by session: ProxySession) -> Bool { holdings(of: session) == .none }
  func isMet(by departed: Departures.Departed) -> Bool { holdings(of: departed) == .none }

  /// Of a proxy that has left only the generation is known that it held, if it had confirmed all of it.
  func holdings(of departed: Departures.Departed) -> Holdings {
    guard let held = departed.held, let tables = held.classes[departed.identity.proxyClass] else { return .unknown }
    var found: Set<String>
    switch subject {
    case .endpoint(let search):
      found = names(in: held.endpoints, .endpoint, search)
      if let lone = held.loneEndpoints { found.formUnion(names(in: lone.endpoints, .loneEndpoint, search)) }
    case .clusters(let names): found = names.filter { tables.references($0) }
    }
    return found.isEmpty ? .none : .some(found.sorted())
  }

  func holdings(of session: ProxySession) -> Holdings {
    guard session.generation != nil else { return .unknown }
    var found: Set<String> = []
    switch subject {
    case .endpoint(let search):
      if session.mayFollowUntold(.endpoint) { return .unknown }
      for type in [ResourceType.endpoint, .loneEndpoint] where session.types[type.rawValue].isRequested {
        let held = session.types[type.rawValue]
        if held.claims != nil || held.holdsUntold { return .unknown }
        for table in [held.acked, held.inFlight?.table, held.quarantine?.refused].compactMap(\.self) {
          found.formUnion(names(in: table, type, search).filter { held.subscription.covers($0) })
        }
      }
    case .clusters(let clusters):
      for type in ResourceType.naming where session.mayFollowUntold(type) { return .unknown }
      for type in ResourceType.naming where session.types[type.rawValue].isRequested {
        let held = session.types[type.rawValue]
        if held.claims != nil || held.holdsUnknown || held.holdsUntold || !held.claimed.isEmpty { return .unknown }
        // A table that it has dropped and asked for again: it may use what it had until that is answered.
        if type == .route && held.subscription.names.names.contains(where: { held.acked[$0] == nil }) {
          return .unknown
        }
        found.formUnion(clusters.filter { held.mayReference($0, in: nil) })
      }
    }
    return found.isEmpty ? .none : .some(found.sorted())
  }

  // MARK: Where it is in a table

  /// Looks into a table that others will be compared with.
  private func rebase(_ type: ResourceType, _ table: ResourceTable, _ search: EndpointSearch) -> Set<String> {
    let names = names(in: table, type, search)
    state.withLock { $0.bases[type] = (table, names) }
    return names
  }

  /// The resources of a table that have the endpoint.
  private func names(in table: ResourceTable, _ type: ResourceType, _ search: EndpointSearch) -> Set<String> {
    let key = ContentHash(ContentHash(high: UInt64(type.rawValue), low: 0), table.contentHash)
    let (known, base) = state.withLock { ($0.known[key], $0.bases[type]) }
    if let known { return known }
    var names = base?.names ?? []
    if let base {
      for entry in shared.change(from: base.table, to: table).entries {
        names.remove(entry.name)
        if let new = entry.new, Self.has(new, type, search) { names.insert(entry.name) }
      }
    } else {
      table.tree.forEach { if Self.has($0, type, search) { names.insert($0.name) } }
    }
    state.withLock { state in
      if state.known.count >= 256 { state.known = [:] }
      state.known[key] = names
    }
    return names
  }

  private static func has(_ resource: Resource, _ type: ResourceType, _ search: EndpointSearch) -> Bool {
    // A client has told its version, and nobody knows what is in it.
    if resource.isClaim { return true }
    var isServing = false
    resource.forEachChunk { chunk in
      guard !isServing else { return }
      isServing = chunk.withUnsafeBytes {
        type == .loneEndpoint ? search.isServing(inEndpoint: $0) : search.isServing(inAssignment: $0)
      }
    }
    return isServing
  }
}

extension Generation.ClassTables {
  /// Whether a route or listener of the class names the cluster. O(1).
  fileprivate func references(_ cluster: String) -> Bool {
    var isFound = listeners.references(cluster)
    routes.tree.forEach { isFound = isFound || $0.references(cluster) }
    return isFound || hostByHost?.virtualHosts.references(cluster) ?? false
  }
}

extension ProxySession {
  /// The client has come back and not asked for the type yet: it may go on with what it had.
  func mayFollowUntold(_ type: ResourceType) -> Bool {
    guard hasReturned, mayFollowUnseen, scope == .aggregated, !types[type.rawValue].isRequested else { return false }
    switch type {
    case .cluster: return false
    // Envoy asks for endpoints before it asks for listeners and routes.
    case .endpoint, .loneEndpoint:
      return !types[ResourceType.listener.rawValue].isRequested || !types[ResourceType.route.rawValue].isRequested
    case .listener, .route: return true
    case .virtualHost: return generation.map { usesVirtualHosts($0) } ?? true
    }
  }
}
