public import HashTreeCollections

/// An element that names clusters: a virtual host, or a listener.
public protocol ReferencingElement: TreeElement {
  /// The clusters that it names, without duplicates.
  var references: [String] { get }
}

/// A `PersistentTree` that also answers "which elements name this cluster?", both ways shared between generations.
public struct ReferencedTree<Element: ReferencingElement>: Sendable {
  public private(set) var tree = PersistentTree<Element>()
  /// Cluster name → keys of the elements that name it.
  private var referrers = TreeDictionary<String, TreeSet<String>>()

  public init() {}

  public subscript(key: String) -> Element? { tree[key] }
  public var contentHash: ContentHash { tree.contentHash }
  public var count: Int { tree.count }

  /// Adds or replaces. O(log n + references).
  public mutating func set(_ element: Element) {
    let old = tree[element.key]
    if let old, old.contentHash == element.contentHash { return }
    tree.set(element)
    guard old?.references != element.references else { return }
    if let old { forget(old) }
    for cluster in element.references {
      referrers[cluster, default: []].insert(element.key)
    }
  }

  public mutating func remove(_ key: String) {
    guard let old = tree[key] else { return }
    tree.remove(key)
    forget(old)
  }

  /// The keys of the elements that name a cluster. O(1).
  public func keys(referencing cluster: String) -> TreeSet<String> { referrers[cluster] ?? [] }

  /// Whether any element names the cluster. O(1).
  public func references(_ cluster: String) -> Bool { referrers[cluster] != nil }

  private mutating func forget(_ element: Element) {
    for cluster in element.references {
      guard var keys = referrers[cluster] else { continue }
      keys.remove(element.key)
      referrers[cluster] = keys.isEmpty ? nil : keys
    }
  }
}
