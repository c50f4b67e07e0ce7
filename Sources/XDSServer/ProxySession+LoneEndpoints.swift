internal import XDSSnapshot

// Endpoints as resources of their own (LEDS). An assignment that has many names collections in their place, one for each
// locality, and the client subscribes to these by their globs.
//
// A client that comes back subscribes to its collections anew and does not say what it has of them; what has gone meanwhile
// it would use for ever. So it gets such assignments whole first, endpoints and all, which leaves nothing of before. With the
// next change of an assignment that it has accepted so, it goes over to collections again.
extension ProxySession {
  /// The assignments as this client is to have them.
  func assignments(_ generation: Generation) -> ResourceTable {
    guard takesLoneEndpoints, let lone = generation.loneEndpoints else { return generation.endpoints }
    if wholeAssignments.identity.count == 0 { return lone.assignments }
    let names = wholeAssignments
    let parts = [
      ContentHash(high: UInt64(ResourceType.loneEndpoint.rawValue), low: 0), lone.assignments.contentHash,
      generation.endpoints.contentHash, ContentHash(high: names.identity.sum, low: names.identity.mixed),
    ]
    return shared.target(of: parts) {
      var table = lone.assignments
      for name in names.names { if let whole = generation.endpoints[name] { table.set(whole) } }
      return .init(table: table)
    }.table
  }

  /// Decides, when the client first asks for endpoints, which it gets whole.
  mutating func chooseWhole(_ claims: TypeSession.Claims, _ generation: Generation) {
    guard takesLoneEndpoints, let lone = generation.loneEndpoints, !claims.versions.isEmpty else { return }
    let names = claims.versions.keys.filter { lone.assignments[$0].map { !$0.references.isEmpty } ?? true }
    wholeAssignments = shared.names.set(of: names)
  }

  /// Lets go of those that have changed since the client accepted them whole. O(1) for most clients.
  mutating func releaseWhole(_ generation: Generation) {
    guard wholeAssignments.identity.count > 0, !self[.endpoint].awaitsClaims else { return }
    let released = wholeAssignments.names.filter { name in
      guard let held = types[ResourceType.endpoint.rawValue].acked[name] else {
        return generation.endpoints[name] == nil && !types[ResourceType.endpoint.rawValue].subscription.covers(name)
      }
      return !held.isClaim && held.contentHash != generation.endpoints[name]?.contentHash
    }
    if !released.isEmpty {
      wholeAssignments = shared.names.updated(wholeAssignments, adding: EmptyCollection(), removing: released)
    }
  }

  /// What of the owed collections is answered. One whose assignment the client gets whole is about to be given up.
  func answerable(_ owed: Owed, _ generation: Generation) -> Owed {
    guard wholeAssignments.identity.count > 0, let lone = generation.loneEndpoints else { return owed }
    var answered = owed
    if case .everything = owed {
      answered = .nothing
      answered.add(Array(types[ResourceType.loneEndpoint.rawValue].subscription.names.names))
    }
    answered.keep { collection in
      !lone.assignments.keys(referencing: collection).contains { wholeAssignments.contains($0) }
    }
    return answered
  }

  /// An assignment that is told again is warmed again, with what its collections bring then. Envoy does not ask for a collection
  /// that it has subscribed to already.
  mutating func oweCollections(_ plan: ResponsePlan) {
    guard takesLoneEndpoints, self[.loneEndpoint].isRequested else { return }
    for assignment in plan.resources {
      for collection in assignment.references where self[.loneEndpoint].subscription.names.contains(collection) {
        self[.loneEndpoint].owed.add(collection)
      }
    }
  }

  /// The endpoints with those of collections that have gone as a whole, but that the client's assignments still name.
  func keepingCollections(_ now: ResourceTable, _ generation: Generation) -> SharedResponses.Target {
    let lone = types[ResourceType.loneEndpoint.rawValue]
    let change = shared.change(from: lone.acked, to: now)
    guard change.removals > 0 else { return .init(table: now) }
    let current = assignments(generation)
    let held = types[ResourceType.endpoint.rawValue].acked
    var table = now
    var kept: Set<String> = []
    for entry in change.entries {
      guard entry.new == nil, let old = entry.old, let collection = old.references.first,
        lone.subscription.names.contains(collection), held.references(collection), !current.references(collection)
      else { continue }
      table.set(old)
      kept.insert(collection)
    }
    return .init(table: table, held: kept.sorted().map { HeldItem(resource: $0, reason: .inUse) })
  }

  /// Whether the endpoints of the assignment's collections are still to be sent, or to be accepted.
  func awaitsCollections(of assignment: Resource) -> Bool {
    let lone = types[ResourceType.loneEndpoint.rawValue]
    return assignment.references.contains { collection in
      !lone.subscription.names.contains(collection) || lone.owed.contains(collection)
        || lone.inFlight?.plan.names.contains(collection) ?? false
    }
  }
}

extension TypeSession {
  fileprivate var awaitsClaims: Bool { claims != nil }
}

extension String {
  /// The collection that a resource of this name is in, as a glob; nil for most names. (xDS, "xdstp:// structured resource
  /// naming": the last part of the name stands for any.)
  var collection: String? {
    guard utf8.starts(with: "xdstp://".utf8), let slash = utf8.lastIndex(of: UInt8(ascii: "/")) else { return nil }
    return self[...slash] + "*"
  }

  var isCollection: Bool { utf8.starts(with: "xdstp://".utf8) && utf8.suffix(2).elementsEqual("/*".utf8) }
}
