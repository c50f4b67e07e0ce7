public import HashTreeCollections

/// An element that names clusters: a virtual host, or a listener.
public protocol ReferencingElement: TreeElement {
  /// The clusters that it names, without duplicates.
  var references: [String] { get }
}

/// A `PersistentTree` (whose order is that of the hashes of its keys) that also answers "which elements name this cluster?", both ways shared between generations.
@frozen
public struct ReferencedTree<Element: ReferencingElement>: Sendable {
  @inlinable public var tree: PersistentTree<Element> { elements }
  @usableFromInline var elements = PersistentTree<Element>()
  /// Cluster name → keys of the elements that name it.
  @usableFromInline var referrers = TreeDictionary<String, Referrers>()

  /// Most clusters are named by one element, which needs no tree.
  @frozen @usableFromInline enum Referrers: Sendable {
    case one(String)
    /// At least two.
    case many(TreeSet<String>)

    @inlinable mutating func insert(_ key: String) {
      switch self {
      case .one(let only): if only != key { self = .many([only, key]) }
      case .many(var keys):
        self = .one(key)  // So that the set is not held twice while it changes.
        keys.insert(key)
        self = .many(keys)
      }
    }
  }

  @inlinable public init() {}

  /// Of elements with different keys.
  @inlinable public init(_ elements: [Element]) { apply(removing: [], setting: elements) }

  @inlinable public subscript(key: String) -> Element? { elements[key] }
  @inlinable public var contentHash: ContentHash { elements.contentHash }
  @inlinable public var count: Int { elements.count }

  /// Adds or replaces. O(log n + references).
  @inlinable public mutating func set(_ element: Element) {
    let old = elements.replace(with: element)
    if let old, old.contentHash == element.contentHash { return }
    guard old?.references != element.references else { return }
    if let old { forget(old) }
    note(element)
  }

  @inlinable public mutating func remove(_ key: String) {
    guard let old = elements[key] else { return }
    elements.remove(key)
    forget(old)
  }

  /// Removes some keys, then sets some elements, of several with one key the last: one edit of the table, whatever passed from
  /// one hand to another. Many elements at once cost less than one by one.
  @inlinable public mutating func apply(removing keys: [String], setting elements: [Element]) {
    for key in keys { remove(key) }
    guard elements.count >= 16 else {
      let isWorthIt = elements.count > 1 || self.elements.count > PersistentTree<Element>.smallCount
      if isWorthIt { self.elements.fetchPaths(to: elements) }
      for element in elements { set(element) }
      return
    }
    let before = self.elements
    self.elements.set(contentsOf: elements)
    let isDistinct = before.isEmpty && self.elements.count == elements.count
    // Where nobody names anything, there is nothing to ask.
    for element in elements where !(element.references.isEmpty && referrers.isEmpty) {
      if !isDistinct, self.elements[element.key]?.contentHash != element.contentHash { continue }
      let old = before[element.key]
      guard old?.references != element.references else { continue }
      if let old { forget(old) }
      note(element)
    }
  }

  /// The keys of the elements that name a cluster, in no order: a Swift set's differs from process to process. O(1).
  @inlinable public func keys(referencing cluster: String) -> TreeSet<String> {
    switch referrers[cluster] {
    case nil: []
    case .one(let key): [key]
    case .many(let keys): keys
    }
  }

  /// Whether any element names the cluster. O(1).
  @inlinable public func references(_ cluster: String) -> Bool { referrers[cluster] != nil }

  @inlinable mutating func note(_ element: Element) {
    let key = element.key
    for cluster in element.references {
      referrers.updateValue(forKey: cluster, default: .one(key)) { $0.insert(key) }
    }
  }

  @inlinable mutating func forget(_ element: Element) {
    for cluster in element.references {
      switch referrers[cluster] {
      case nil: break
      case .one(let key): if key == element.key { referrers[cluster] = nil }
      case .many(var keys):
        keys.remove(element.key)
        // The first of a set without order: there is only one.
        if keys.count == 1, let key = keys.first {
          referrers[cluster] = .one(key)
        } else {
          referrers[cluster] = .many(keys)
        }
      }
    }
  }
}
