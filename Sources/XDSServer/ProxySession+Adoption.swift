internal import XDSSnapshot

// A client that reconnects says what it holds: version by version in delta (`initial_resource_versions`), one version for
// all in the state of the world (`version_info`). Versions are hashes of content, so the claim means the same to every
// process that serves the same content.
extension ProxySession {
  /// Takes the claims of a type's first request for what the client holds.
  ///
  /// - Complexity: O(claims + names) in delta, O(1) in the state of the world.
  mutating func adopt(_ type: ResourceType, _ generation: Generation) {
    guard let claims = self[type].claims else { return }
    if type == .listener { chooseForm(claims, generation) }
    if type == .endpoint { chooseWhole(claims, generation) }
    guard let table = table(type, generation) else { return }
    self[type].claims = nil
    switch variant {
    case .delta:
      if let comparison = claims.comparison {
        hold(comparison.claims, comparison.table, without: comparison.askedAnew, type)
        self[type].owed = comparison.askedAnew.isEmpty ? .nothing : .names(comparison.askedAnew)
      } else {
        adopt(claims.versions, type, table)
      }
    case .stateOfTheWorld: adopt(claims.versionInfo, type, table)
    }
    if claims.isAskedAnew { self[type].owed = .everything }
    if type == .cluster {
      hasReturned = !claims.isEmpty
      mayFollowUnseen = hasReturned
      arrivedUnknown = self[.cluster].holdsUnknown
      // What the client came with it uses already. In the state of the world it names the last response that it accepted,
      // and may have taken away parts of it with one that it refused: the endpoints that it asks for tell what is there.
      if variant == .delta { warm = self[.cluster].acked }
      arrived = self[.cluster].acked
      if let held = self[.cluster].heldClaims {
        // Which they are is all that matters, and so it is what most have in common that is kept.
        arrived = held.names
        for name in claims.comparison?.askedAnew ?? [] { arrived.remove(name) }
      }
      if scope == .aggregated { endpointsAsOf = self[.cluster].acked }
    }
    // All of a collection is owed whenever it is subscribed to; what is told beside that is what changes from now on.
    if type == .loneEndpoint { self[type].acked = table }
    if type == .endpoint { arrivedNames = self[.endpoint].subscription.names }
    if type == .endpoint && hasReturned { cool(self[.endpoint].owed) }
  }

  /// A cluster whose endpoints the client does not claim may never have been warm: it is not until they are accepted.
  private mutating func cool(_ owed: Owed) {
    switch owed {
    case .nothing: break
    case .names(let names): for name in names { warm.remove(name) }
    case .everything: warm = ResourceTable()
    }
  }

  private mutating func adopt(_ versions: [String: String], _ type: ResourceType, _ table: ResourceTable) {
    guard !versions.isEmpty else { return }
    let subscription = self[type].subscription
    var difference = ClaimDifference()
    var owed = Owed.nothing
    func compare(_ name: String, _ version: String?, _ resource: Resource?) {
      switch (version, resource) {
      case (nil, nil): break
      case (nil, _?): difference.missing.append(name)
      case (let version?, nil): difference.unknown.append((name, version))
      case (let version?, let resource?):
        if ContentHash(version: version) != resource.contentHash { difference.outdated.append((name, version)) }
      }
    }
    if subscription.isWildcard {
      var known = 0
      table.tree.forEach { resource in
        let version = versions[resource.name]
        if version != nil { known += 1 }
        compare(resource.name, version, resource)
      }
      if known < versions.count {
        for (name, version) in versions where table[name] == nil { compare(name, version, nil) }
      }
    } else {
      for name in subscription.names.names { compare(name, versions[name], table[name]) }
    }
    for name in subscription.names.names where versions[name] == nil { owed.add(name) }

    let held = difference.isEmpty ? nil : shared.held(difference.identity(type, table), table) { difference }
    hold(held, table, without: [], type)
    self[type].owed = owed
  }

  /// Takes a table, or what the client came with instead, for what the client holds.
  private mutating func hold(
    _ claims: HeldClaims?, _ table: ResourceTable, without forgotten: Set<String>, _ type: ResourceType
  ) {
    var held = claims?.table ?? table
    for name in forgotten { held.remove(name) }
    self[type].acked = held
    self[type].claimed = claims?.claimed ?? []
    self[type].heldClaims = claims
    if claims == nil { claimants.remove(type) } else { claimants.insert(type) }
    for resource in claims?.sent ?? [] where held[resource.name] != nil { noteUnbacked(resource) }
  }

  private mutating func adopt(_ versionInfo: String, _ type: ResourceType, _ table: ResourceTable) {
    guard !versionInfo.isEmpty else { return }
    let subscription = self[type].subscription
    let version = ContentHash(version: versionInfo)
    switch type {
    case .cluster, .listener:
      if subscription.isWildcard {
        let known = version == table.contentHash ? table : version.flatMap { shared.sentTable(version: $0) }
        if let known {
          take(known, type)
          return
        }
      } else {
        let whole = plan(type, from: ResourceTable(), to: table, owed: .everything)
        if whole.version == versionInfo {
          take(table, type)
          return
        }
      }
      self[type].holdsUnknown = true
    case .route:
      // A response with one route table carries that table's own version.
      if let version, subscription.names.identity.count == 1, let name = subscription.names.names.first,
        let known = table[name].flatMap({ $0.contentHash == version ? $0 : nil })
          ?? shared.sentResource(type, name, version: version)
      {
        self[type].acked.set(known)
        noteUnbacked(known)
      } else {
        self[type].holdsUnknown = true
      }
    case .endpoint: self[type].holdsUntold = true
    case .virtualHost, .loneEndpoint: break
    }
  }

  /// The client came with something that may name clusters which it does not have. O(references).
  private mutating func noteUnbacked(_ resource: Resource) {
    func note(_ clusters: [String]) {
      for name in clusters where types[ResourceType.cluster.rawValue].acked[name] == nil { unbacked.insert(name) }
    }
    note(resource.references)
    for part in resource.fragments ?? [] { part.tree.forEach { note($0.references) } }
  }

  /// Takes a table for what the client holds: it has accepted it, and no other since.
  private mutating func take(_ table: ResourceTable, _ type: ResourceType) {
    self[type].acked = table
    self[type].holdsUntold = true
    self[type].owed = shared.hasNotedRefusal(after: table.contentHash) ? .everything : .nothing
  }
}

extension Subscription {
  /// The identity as part of a key.
  var contentHash: ContentHash {
    ContentHash(
      ContentHash(high: names.identity.sum, low: names.identity.mixed),
      ContentHash(high: UInt64(names.identity.count), low: isWildcard ? 1 : 0))
  }
}
