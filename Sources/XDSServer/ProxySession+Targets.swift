internal import XDSSnapshot

// Make before break, per proxy (Envoy, "Eventual consistency considerations"): what a stream is to hold now is the newest
// generation, less what would break the proxy at this moment. Nothing here remembers anything: as what the client has
// accepted changes, the next look gives the next table.
//
//     a cluster that is new      CDS ─▶ EDS ─▶ both accepted: warm ─▶ hosts and listeners that name it
//     a cluster that is gone     RDS, LDS without it ─▶ accepted ─▶ CDS without it ─▶ accepted ─▶ EDS without it
extension ProxySession {
  /// The table of a type that the client is to hold now; what differs from the generation is listed in `held`. Nil while
  /// the type must wait as a whole.
  mutating func target(_ type: ResourceType, _ generation: Generation) -> ResourceTable? {
    if !self[type].held.isEmpty { self[type].held = [] }
    guard let now = table(type, generation) else { return nil }
    if type != .loneEndpoint && now.contentHash == self[type].acked.contentHash || scope != .aggregated { return now }
    switch type {
    case .cluster, .endpoint:
      let target = keeping(type, now, generation)
      self[type].held = target.held
      return target.table
    case .loneEndpoint:
      // Which of them it is to have depends on the assignments that it comes with.
      guard self[.endpoint].isRequested else { return nil }
      let target = keepingCollections(now, generation)
      self[type].held = target.held
      return target.table
    case .listener, .route, .virtualHost:
      let target = waiting(type, now, generation)
      self[type].held = target.held
      if self[type].holdsUnknown || !self[type].claimed.isEmpty { unbacked.formUnion(refusedClusters(generation)) }
      // What the client holds now is not known here, so none of it could be put in the place of what must wait.
      return self[type].holdsUnknown && !target.held.isEmpty ? nil : target.table
    }
  }

  // MARK: What is gone

  /// The table with those of the client's resources that are gone but must stay for now. O(removals); O(1) while nothing has
  /// changed that it depends on, for a client may claim to hold a hundred thousand that never were, and go on asking.
  private mutating func keeping(
    _ type: ResourceType, _ now: ResourceTable, _ generation: Generation
  ) -> SharedResponses.Target {
    let change = shared.change(from: types[type.rawValue].acked, to: now)
    guard change.removals > 0 else {
      if kept[type] != nil { kept[type] = nil }
      return .init(table: now)
    }
    guard change.removals > Self.fewRemovals else { return keeping(type, now, generation, change) }
    let key = grounds(of: type, now, generation)
    if let known = kept[type], known.grounds == key { return known.target }
    let target = keeping(type, now, generation, change)
    kept[type] = (key, target)
    return target
  }

  private static let fewRemovals = 16
  /// Clusters that a client may come with, beside as many as there are, and which stay though they are unknown here. No proxy has
  /// been away for so long; and to keep what it says that it has costs something with each publication.
  static let mostUnknown = 4096

  /// All that `keeping` depends on.
  private func grounds(of type: ResourceType, _ now: ResourceTable, _ generation: Generation) -> ContentHash {
    let own = types[type.rawValue]
    var grounds = ContentHash(now.contentHash, own.acked.contentHash, own.subscription.contentHash)
    func add(_ hash: ContentHash?) { grounds = ContentHash(grounds, hash ?? .empty) }
    func add(_ flags: Bool...) { add(ContentHash(high: flags.reduce(1) { $0 << 1 | ($1 ? 1 : 0) }, low: 0)) }
    add(generation.clusters.contentHash)
    guard type == .cluster else {
      let clusters = types[ResourceType.cluster.rawValue]
      add(clusters.subscription.contentHash)
      add(clusters.acked.contentHash)
      add(clusters.inFlight?.table.contentHash)
      return grounds
    }
    add(mayFollowUnseen, arrivedUnknown, usesVirtualHosts(generation))
    add(arrived.contentHash)
    for type in ResourceType.naming {
      let session = types[type.rawValue]
      add(session.isRequested, session.holdsUnknown, session.claimed.isEmpty, session.subscription.isWildcard)
      add(table(type, generation)?.contentHash)
      guard session.isRequested, !session.holdsUnknown, session.claimed.isEmpty else { continue }
      add(session.acked.contentHash)
      add(session.inFlight?.table.contentHash)
      add(session.inFlight.map { ContentHash(high: $0.nonce.generation, low: UInt64($0.nonce.repetition)) })
      add(session.quarantine?.refused.contentHash)
      // Names that none of these tables has make no difference, and are the easiest to ask for.
      let names = session.subscription.names
      let tables = [session.acked, table(type, generation), session.inFlight?.table, session.quarantine?.refused]
      if tables.contains(where: { $0?.count ?? 0 > names.identity.count }) {
        add(session.subscription.contentHash)
      } else {
        for case let table? in tables {
          table.tree.forEach { if session.subscription.covers($0.name) { add(ContentHash(text: $0.name)) } }
        }
      }
    }
    return grounds
  }

  private func keeping(
    _ type: ResourceType, _ now: ResourceTable, _ generation: Generation, _ change: TableChange
  ) -> SharedResponses.Target {
    var table = now
    var held: [HeldItem] = []
    let isBeyondBelief =
      type == .cluster && types[type.rawValue].heldClaims?.unknownCount ?? 0 > Self.mostUnknown + now.count
    for entry in change.entries {
      if isBeyondBelief && entry.old?.isClaim ?? false { continue }
      guard entry.new == nil, let old = entry.old, types[type.rawValue].subscription.covers(old.name) else { continue }
      let stays =
        type == .cluster
        ? !mayWithdraw(old.name, generation) : generation.clusters[old.name] == nil && holdsCluster(old.name)
      guard stays else { continue }
      table.set(old)
      held.append(HeldItem(resource: old.name, reason: .inUse))
    }
    return .init(table: table, held: held)
  }

  /// Whether nothing that the client has can still name the cluster.
  ///
  /// - Parameter isHeldBack: what names the cluster in the generation is not sent while the cluster is not there.
  func mayWithdraw(_ cluster: String, _ generation: Generation, isHeldBack: Bool = false) -> Bool {
    for type in ResourceType.naming {
      let session = types[type.rawValue]
      if type == .virtualHost && !usesVirtualHosts(generation) { continue }
      guard session.isRequested else {
        // A client that has come back asks for clusters a moment before it asks for the routes that it still follows.
        // Those can name what it came with only.
        if mayFollowUnseen && (arrivedUnknown || arrived[cluster] != nil) { return false }
        continue
      }
      guard let current = table(type, generation) else { return false }
      if session.mayReference(cluster, in: isHeldBack ? nil : current) { return false }
    }
    return true
  }

  private func holdsCluster(_ name: String) -> Bool {
    let clusters = types[ResourceType.cluster.rawValue]
    return clusters.subscription.covers(name)
      && (clusters.acked[name] != nil || clusters.inFlight?.table[name] != nil)
  }

  /// Whether a cluster of a response that the client has refused can be removed. If the client came without it and has refused it
  /// by name whenever it was sent, nothing that names the cluster has ever been able to use it.
  ///
  /// - Parameter isSilent: the client waits for one that it cannot build. If it came without the cluster, what it came with
  ///   did without, too, and is not worse off.
  func mayTakeBack(
    _ cluster: String, _ generation: Generation, isHeldBack: Bool = false, isSilent: Bool = false
  ) -> Bool {
    let clusters = types[ResourceType.cluster.rawValue]
    if !clusters.holdsUnknown, !arrivedUnknown, clusters.acked[cluster] == nil, arrived[cluster] == nil {
      if clusters.quarantine?.untaken.contains(cluster) ?? false { return true }
      if isSilent,
        ResourceType.naming.allSatisfy({ !types[$0.rawValue].mayKnowinglyReference(cluster, in: nil) })
      {
        return true
      }
    }
    return mayWithdraw(cluster, generation, isHeldBack: isHeldBack)
  }

  // MARK: What is new

  /// The table with its predecessors in place of the virtual hosts and listeners that name a cluster which is not warm.
  private func waiting(_ type: ResourceType, _ now: ResourceTable, _ generation: Generation) -> SharedResponses.Target {
    // A client that takes its clusters by name asks for them after the route: a cluster that it has not asked for must
    // not hold the route.
    let newest = self.clusters(generation)
    guard self[.cluster].isRequested, warm.contentHash != newest.contentHash else { return .init(table: now) }
    let clusters = types[ResourceType.cluster.rawValue]
    let change = shared.change(from: warm, to: newest)
    guard change.additions > 0 else { return .init(table: now) }
    let acked = self[type].acked
    let subscription = self[type].subscription
    // A resource whose content the client knows alone can wait only as a whole. It does not wait for a cluster that the
    // client has refused, which may never come: one host without its cluster is better than no change to any host.
    let holdsUnknown = self[type].holdsUnknown
    let refused = holdsUnknown || !self[type].claimed.isEmpty ? refusedClusters(generation) : []
    var refusedNames = NameSet.Identity()
    for name in refused { refusedNames.add(name) }
    let parts = [
      ContentHash(high: UInt64(type.rawValue), low: holdsUnknown ? 1 : 0), now.contentHash, acked.contentHash,
      warm.contentHash, newest.contentHash, clusters.subscription.contentHash, subscription.contentHash,
      ContentHash(high: refusedNames.sum, low: refusedNames.mixed),
    ]
    return shared.target(of: parts) {
      let cold = change.entries.lazy.filter { $0.old == nil && clusters.subscription.covers($0.name) }.map(\.name)
      var composition = Composition(
        now: now, acked: acked, subscription: subscription, hasFragments: type == .route)
      for cluster in cold where !(holdsUnknown && refused.contains(cluster)) {
        composition.hold(cluster, isRefused: refused.contains(cluster))
      }
      return composition.target
    }
  }

  /// The clusters that will not get warm with what they are now: the client has refused them or their endpoints.
  private func refusedClusters(_ generation: Generation) -> Set<String> {
    let endpoints = types[ResourceType.endpoint.rawValue]
    if endpoints.awaitsSubscription { return [] }
    var names: Set<String> = []
    let assignments = assignments(generation)
    for (name, content) in endpoints.quarantine?.blocked ?? [:] where content.isContent(of: assignments[name]) {
      names.insert(name)
    }
    let clusters = types[ResourceType.cluster.rawValue]
    for (name, content) in clusters.quarantine?.blocked ?? [:] where content.isContent(of: generation.clusters[name]) {
      // Held in another version, or possibly in this one, it gets warm with its endpoints.
      let isComing =
        clusters.acked[name] != nil && endpoints.subscription.covers(name) && generation.endpoints[name] != nil
      if !isComing { names.insert(name) }
    }
    return names
  }
}

/// Puts what the client has accepted in the place of what must wait.
private struct Composition {
  private var table: ResourceTable
  private var held: [HeldItem] = []
  private let now: ResourceTable
  private let acked: ResourceTable
  private let subscription: Subscription
  /// Resources of fragments that are new to the client, with their parts as composed so far.
  private var composed: [(resource: Resource, header: [UInt8], parts: [ReferencedTree<Fragment>], old: Resource?)] = []
  private var isChanged: [Bool] = []

  /// - Parameter hasFragments: whether resources may be of fragments, which wait one by one.
  init(now: ResourceTable, acked: ResourceTable, subscription: Subscription, hasFragments: Bool) {
    table = now
    self.now = now
    self.acked = acked
    self.subscription = subscription
    guard hasFragments else { return }
    func consider(_ resource: Resource) {
      let old = acked[resource.name]
      guard case .fragments(let header, let parts) = resource.body, old?.contentHash != resource.contentHash else {
        return
      }
      composed.append((resource, header, parts, old))
    }
    if subscription.isWildcard {
      now.tree.forEach(consider)
    } else if subscription.names.identity.count <= now.count {
      for name in subscription.names.names { if let resource = now[name] { consider(resource) } }
    } else {
      now.tree.forEach { if subscription.names.contains($0.name) { consider($0) } }
    }
    isChanged = composed.map { _ in false }
  }

  /// Holds what names the cluster. O(what names it · log n).
  mutating func hold(_ cluster: String, isRefused: Bool) {
    for name in now.keys(referencing: cluster) {
      guard subscription.covers(name), acked[name]?.contentHash != now[name]?.contentHash else { continue }
      keepWhole(name, cluster)
    }
    for index in composed.indices {
      if let old = composed[index].old, old.isClaim {
        // Which hosts the client has is not known, so the resource waits as a whole.
        if !isRefused && composed[index].resource.references(cluster) { keepWhole(old.name, cluster) }
      } else {
        keepFragments(index, cluster)
      }
    }
  }

  private mutating func keepWhole(_ name: String, _ cluster: String) {
    if let old = acked[name] { table.set(old) } else { table.remove(name) }
    held.append(HeldItem(resource: name, reason: .waitsForCluster(cluster)))
  }

  private mutating func keepFragments(_ index: Int, _ cluster: String) {
    let (resource, _, parts, old) = composed[index]
    guard case .fragments(_, let original) = resource.body else { return }
    var oldParts: [ReferencedTree<Fragment>] = []
    if case .fragments(_, let parts)? = old?.body { oldParts = parts }
    for part in parts.indices {
      for key in original[part].keys(referencing: cluster) {
        let before = part < oldParts.count ? oldParts[part][key] : nil
        if let before, before.contentHash == original[part][key]?.contentHash { continue }
        if let before { composed[index].parts[part].set(before) } else { composed[index].parts[part].remove(key) }
        isChanged[index] = true
        held.append(HeldItem(resource: resource.name, part: key, reason: .waitsForCluster(cluster)))
      }
    }
  }

  var target: SharedResponses.Target {
    var table = table
    for (index, item) in composed.enumerated() where isChanged[index] {
      table.set(Resource(name: item.resource.name, header: item.header, parts: item.parts))
    }
    return .init(table: table, held: held)
  }
}
