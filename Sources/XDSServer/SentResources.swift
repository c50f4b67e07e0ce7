internal import XDSSnapshot

/// Listeners and route tables that clients may hold, by their versions: a client that comes back says no more.
///
/// What such a resource names is all that matters of it. Of a listener that names no cluster, as most do not, its name is enough, and
/// that as a hash: thousands of kinds of proxies that come and go, each with a listener of its own, would else leave hundreds
/// of objects behind, each on a page that nothing else is on.
struct SentResources: Sendable {
  private enum Kept {
    case whole(Resource)
    /// The hash of the name of a listener that names nothing.
    case listener(ContentHash)
  }

  private var kept: History<Kept>

  /// - Parameter limit: so many are kept, the last ones.
  init(limit: Int) { kept = History(limit: limit) }

  mutating func add(_ resource: Resource, _ type: ResourceType) {
    kept.add(
      type == .listener && resource.namesNothing ? .listener(ContentHash(text: resource.name)) : .whole(resource),
      of: resource.contentHash)
  }

  /// What has this name and version, or a claim to it (`Resource.claim`) in place of a listener that names nothing. A claim has a hash of
  /// its own, as streams share what they derive from tables by the tables' hashes, and one without content is not to come into those
  /// of others. Nil if nothing of this name has the version.
  func resource(_ name: String, version: ContentHash) -> Resource? {
    switch kept[version] {
    case .whole(let resource): resource.name == name ? resource : nil
    case .listener(let hash): hash == ContentHash(text: name) ? .claim(name: name, version: version.text) : nil
    case nil: nil
    }
  }
}

extension Resource {
  fileprivate var namesNothing: Bool {
    if case .bytes = body { references.isEmpty } else { false }
  }
}
