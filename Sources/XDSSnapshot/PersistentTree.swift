/// What a `PersistentTree` holds: a value with a key, whose content hash covers the key as well.
public protocol TreeElement: Sendable {
  var key: String { get }
  var contentHash: ContentHash { get }
  /// The encoded size of the element in bytes.
  var byteCount: Int { get }
}

/// An immutable map in key order that shares structure with the map it was made from.
///
/// It is a treap whose priorities are hashes of the keys, so its shape, and with it the hash over the tree, depends on
/// what it holds and never on the order of edits:
///
///                 m  hash = H(left.hash, element.hash, right.hash)
///               /   \
///              c     t        priority(m) > priority(c), priority(t)
///
/// An edit copies the path to the root (expected 2 ln n nodes); the difference of two trees visits only what they do not
/// share. Setting an element that is already there gives back the same tree, so equality of results shows as identity.
@frozen
public struct PersistentTree<Element: TreeElement>: Sendable {
  @usableFromInline final class Node: Sendable {
    // First what an edit reads of a neighbour that it does not copy, so that it costs one cache line.
    @usableFromInline let contentHash: ContentHash
    @usableFromInline let count: Int
    @usableFromInline let byteCount: Int
    @usableFromInline let element: Element
    @usableFromInline let left: Node?
    @usableFromInline let right: Node?
    @usableFromInline let priority: UInt64

    @inlinable init(_ element: Element, priority: UInt64, left: Node?, right: Node?) {
      self.element = element
      self.priority = priority
      self.left = left
      self.right = right
      count = 1 + (left?.count ?? 0) + (right?.count ?? 0)
      byteCount = element.byteCount + (left?.byteCount ?? 0) + (right?.byteCount ?? 0)
      contentHash = ContentHash(
        left?.contentHash ?? .empty, element.contentHash, right?.contentHash ?? .empty)
    }

    /// Whether this node belongs above one of another key.
    @inlinable func outranks(_ other: Node) -> Bool {
      priority != other.priority ? priority > other.priority : element.key < other.element.key
    }
  }

  @usableFromInline var root: Node?

  @inlinable public init() {}

  @inlinable init(root: Node?) { self.root = root }

  @inlinable public var count: Int { root?.count ?? 0 }
  @inlinable public var isEmpty: Bool { root == nil }
  /// The sum of the elements' encoded sizes.
  @inlinable public var byteCount: Int { root?.byteCount ?? 0 }
  /// The hash over the tree: equal content, equal hash, however it came to be. O(1).
  @inlinable public var contentHash: ContentHash { root?.contentHash ?? .empty }

  /// Whether both are the same tree in memory (and so equal). O(1); false does not mean that they differ.
  @inlinable public func isIdentical(to other: Self) -> Bool { root === other.root }

  /// The element of a key. O(log n).
  @inlinable public subscript(key: String) -> Element? {
    var node = root
    while let current = node {
      if key == current.element.key { return current.element }
      node = key < current.element.key ? current.left : current.right
    }
    return nil
  }

  /// Adds the element, or puts it in the place of the one with its key. O(log n).
  @inlinable public mutating func set(_ element: Element) {
    root = Self.set(element, priority: stablePriority(of: element.key), in: root)
  }

  /// Removes the element of a key, if there is one. O(log n).
  @inlinable public mutating func remove(_ key: String) {
    root = Self.remove(key, from: root)
  }

  /// Visits the elements in key order.
  @inlinable public func forEach(_ body: (Element) throws -> Void) rethrows {
    try Self.visit(root, body)
  }

  @inlinable static func visit(_ node: Node?, _ body: (Element) throws -> Void) rethrows {
    guard let node else { return }
    try visit(node.left, body)
    try body(node.element)
    try visit(node.right, body)
  }

  @inlinable static func set(_ element: Element, priority: UInt64, in node: Node?) -> Node {
    guard let node else { return Node(element, priority: priority, left: nil, right: nil) }
    if element.key == node.element.key {
      if element.contentHash == node.element.contentHash { return node }
      return Node(element, priority: priority, left: node.left, right: node.right)
    }
    if element.key < node.element.key {
      let left = set(element, priority: priority, in: node.left)
      if left === node.left { return node }
      guard left.outranks(node) else { return copy(node, left: left, right: node.right) }
      return copy(left, left: left.left, right: copy(node, left: left.right, right: node.right))
    }
    let right = set(element, priority: priority, in: node.right)
    if right === node.right { return node }
    guard right.outranks(node) else { return copy(node, left: node.left, right: right) }
    return copy(right, left: copy(node, left: node.left, right: right.left), right: right.right)
  }

  @inlinable static func remove(_ key: String, from node: Node?) -> Node? {
    guard let node else { return nil }
    if key == node.element.key { return merge(node.left, node.right) }
    if key < node.element.key {
      let left = remove(key, from: node.left)
      return left === node.left ? node : copy(node, left: left, right: node.right)
    }
    let right = remove(key, from: node.right)
    return right === node.right ? node : copy(node, left: node.left, right: right)
  }

  /// Joins two trees of which every key of the first is lower than every key of the second.
  @inlinable static func merge(_ a: Node?, _ b: Node?) -> Node? {
    guard let a else { return b }
    guard let b else { return a }
    return a.outranks(b)
      ? copy(a, left: a.left, right: merge(a.right, b)) : copy(b, left: merge(a, b.left), right: b.right)
  }

  @inlinable static func copy(_ node: Node, left: Node?, right: Node?) -> Node {
    Node(node.element, priority: node.priority, left: left, right: right)
  }
}
