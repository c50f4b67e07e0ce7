internal import XDSSnapshot

extension Generation {
  /// What a proxy of the class is to hold otherwise than in another generation; all types where one of them
  /// lacks the class. O(1).
  func changedTypes(since other: Generation, for proxyClass: ProxyClass) -> TypeSet {
    guard let mine = classes[proxyClass], let theirs = other.classes[proxyClass] else { return .all }
    var changed = mine.changedTypes(since: theirs)
    if clusters.contentHash != other.clusters.contentHash { changed.insert(.cluster) }
    // What it has of its clusters is what its listeners name.
    if proxyClass.fetchesClusters && changed.contains(.listener) { changed.insert(.cluster) }
    if endpoints.contentHash != other.endpoints.contentHash
      || loneEndpoints?.assignments.contentHash != other.loneEndpoints?.assignments.contentHash
    {
      changed.insert(.endpoint)
    }
    if loneEndpoints?.endpoints.contentHash != other.loneEndpoints?.endpoints.contentHash {
      changed.insert(.loneEndpoint)
    }
    return changed
  }

  /// Whether the generations differ at most in which classes they have. O(classes).
  func isSameButForClasses(as other: Generation) -> Bool {
    sharesTables(with: other) && classes.allSatisfy { other.classes[$0.key]?.isSame(as: $0.value) ?? true }
  }

  private func sharesTables(with other: Generation) -> Bool {
    clusters.contentHash == other.clusters.contentHash && endpoints.contentHash == other.endpoints.contentHash
      && loneEndpoints?.assignments.contentHash == other.loneEndpoints?.assignments.contentHash
      && loneEndpoints?.endpoints.contentHash == other.loneEndpoints?.endpoints.contentHash
  }
}

extension Generation.ClassTables {
  fileprivate func isSame(as other: Self) -> Bool { changedTypes(since: other).isEmpty }

  fileprivate func changedTypes(since other: Self) -> TypeSet {
    var changed: TypeSet = []
    if listeners.contentHash != other.listeners.contentHash
      || hostByHost?.listeners.contentHash != other.hostByHost?.listeners.contentHash
    {
      changed.insert(.listener)
    }
    if routes.contentHash != other.routes.contentHash { changed.insert(.route) }
    if hostByHost?.virtualHosts.contentHash != other.hostByHost?.virtualHosts.contentHash {
      changed.insert(.virtualHost)
    }
    return changed
  }
}
