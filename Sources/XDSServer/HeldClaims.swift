internal import GRPCTransport
internal import XDSSnapshot

/// How what a client says that it holds differs from a table.
struct ClaimDifference: Sendable {
  typealias Claim = (name: String, version: String)

  /// In the table, and not claimed.
  var missing: [String] = []
  /// Claimed in another version than the table's.
  var outdated: [Claim] = []
  /// Claimed, and not in the table.
  var unknown: [Claim] = []

  var isEmpty: Bool { missing.isEmpty && outdated.isEmpty && unknown.isEmpty }

  /// What it comes to, in any order: the same for all who say the same, and nobody can craft two of one identity.
  struct Identity: Hashable, Sendable {
    let type: ResourceType
    let table: ContentHash
    private var missing = NameSet.Identity()
    private var claims = NameSet.Identity()

    init(_ type: ResourceType, _ table: ResourceTable) {
      self.type = type
      self.table = table.contentHash
    }

    /// By `NameHash`.
    mutating func lacks(_ name: ContentHash) { missing.add(name) }

    /// - Parameter version: nil if it makes no difference.
    mutating func claims(_ name: ContentHash, _ version: ContentHash?) {
      claims.add(version.map { ContentHash(name, $0) } ?? name)
    }
  }

  func identity(_ type: ResourceType, _ table: ResourceTable) -> Identity {
    var identity = Identity(type, table)
    for name in missing { identity.lacks(NameSet.Identity.nameHash(name)) }
    for (name, version) in outdated {
      identity.claims(
        NameSet.Identity.nameHash(name), type.namesClusters ? NameSet.Identity.nameHash(version) : nil)
    }
    for (name, version) in unknown {
      identity.claims(NameSet.Identity.nameHash(name), NameSet.Identity.nameHash(version))
    }
    return identity
  }
}

/// What clients hold that have come with something else than what is served: shared by all of them that came with the same, as
/// proxies do after an upgrade, and charged once.
final class HeldClaims: Sendable {
  /// What they hold.
  let table: ResourceTable
  /// The names of it, of which the content is of no meaning: where a name is in the table that is served, so is what is here.
  let names: ResourceTable
  /// Whose content only the client knows (types that name clusters).
  let claimed: Set<String>
  /// Whose content is known, though it is served no longer.
  let sent: [Resource]
  let missingCount: Int
  let unknownCount: Int
  let byteCount: Int
  private let memory: BufferAccount?

  /// What a claim takes, beside the text of one that is not in the table: a resource, and its place in tables.
  static let bytesPerOutdated = 224
  static let bytesPerMissing = 112
  static let bytesPerUnknown = 352
  /// What a stream has of its own for each that it goes on holding.
  static let bytesPerUnknownOfStream = 128

  /// - Parameter sentResource: a resource that was sent lately, by its name and version.
  init(
    _ difference: ClaimDifference, _ type: ResourceType, _ table: ResourceTable, memory: BufferAccount? = nil,
    sentResource: (String, ContentHash) -> Resource?
  ) {
    let names = table.without(difference.missing)
    var claimed: Set<String> = []
    var sent: [Resource] = []
    var byteCount =
      difference.missing.count * Self.bytesPerMissing + difference.outdated.count * Self.bytesPerOutdated
    func resource(_ claim: ClaimDifference.Claim, isKnown: Bool) -> Resource {
      let hash = ContentHash(version: claim.version)
      if type.namesClusters {
        if let hash, let resource = sentResource(claim.name, hash) {
          sent.append(resource)
          // It may be a copy for this client, as those of listeners are (`SentResources`).
          if case .bytes(let body) = resource.body { byteCount += body.count }
          return resource
        }
        claimed.insert(claim.name)
      } else if isKnown {
        // It is replaced by what is served, whatever it was.
        return .claim(name: claim.name, version: "")
      }
      byteCount += claim.name.utf8.count + claim.version.utf8.count
      return .claim(name: claim.name, version: claim.version)
    }
    let unknown = difference.unknown.map { resource($0, isKnown: false) }
    byteCount += unknown.count * Self.bytesPerUnknown
    let outdated = difference.outdated.map { resource($0, isKnown: true) }
    var known = names
    known.apply(removing: [], setting: unknown)
    self.names = known
    known.apply(removing: [], setting: outdated)
    self.table = known
    self.claimed = claimed
    self.sent = sent
    missingCount = difference.missing.count
    unknownCount = unknown.count
    self.byteCount = byteCount
    self.memory = memory
    memory?.chargeAnyway(byteCount, for: .names)
  }

  deinit { memory?.release(byteCount, for: .names) }
}

extension ResourceTable {
  fileprivate func without(_ names: [String]) -> ResourceTable {
    guard names.count > count / 4 else {
      var table = self
      for name in names { table.remove(name) }
      return table
    }
    let gone = Set(names)
    var kept: [Resource] = []
    tree.forEach { if !gone.contains($0.name) { kept.append($0) } }
    return ResourceTable(kept)
  }
}

extension SharedResponses {
  /// What a client holds whose claims differ from a table. O(differences) unless another client has come with
  /// the same.
  func held(
    _ identity: ClaimDifference.Identity, _ table: ResourceTable, _ difference: () -> ClaimDifference
  ) -> HeldClaims {
    if let known = claims.known(identity) { return known }
    let made = HeldClaims(difference(), identity.type, table, memory: memory) {
      sentResource(identity.type, $0, version: $1)
    }
    // Made before: that is too much work for a pool that all event loops share.
    return claims.object(identity) { made }
  }
}
