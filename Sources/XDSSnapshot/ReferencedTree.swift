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
    if element.references.isEmpty, referrers.isEmpty { return tree.set(element) }
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

  /// Removes some keys, then sets some elements, each of another key: one edit of the table, whatever passed from one hand
  /// to another. Many elements at once cost less than one by one.
  public mutating func apply(removing keys: [String], setting elements: [Element]) {
    for key in keys { remove(key) }
    guard elements.count >= 16 else {
      for element in elements { set(element) }
      return
    }
    for element in elements where !(element.references.isEmpty && referrers.isEmpty) {
      let old = tree[element.key]
      guard old?.references != element.references else { continue }
      if let old { forget(old) }
      for cluster in element.references { referrers[cluster, default: []].insert(element.key) }
    }
    tree.set(contentsOf: elements)
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
