internal import XDSSnapshot

extension Generation {
  /// Whether a proxy of the class is to hold the same. O(1).
  func isSame(as other: Generation, for proxyClass: ProxyClass) -> Bool {
    guard let mine = classes[proxyClass], let theirs = other.classes[proxyClass] else { return false }
    return sharesTables(with: other) && mine.isSame(as: theirs)
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
  fileprivate func isSame(as other: Self) -> Bool {
    listeners.contentHash == other.listeners.contentHash && routes.contentHash == other.routes.contentHash
      && hostByHost?.listeners.contentHash == other.hostByHost?.listeners.contentHash
      && hostByHost?.virtualHosts.contentHash == other.hostByHost?.virtualHosts.contentHash
  }
}
