import XDSSnapshot

/// What an `OrderedTree` holds; its key says all of it, but for what `revision` tells apart.
protocol OrderedElement: Sendable {
  var key: String { get }
  /// Differs between elements of one key that differ.
  var revision: Int { get }
}

/// An immutable set in key order that shares structure with the set it was made from: a treap whose priorities are hashes of
/// the keys, so that its shape depends on what it holds and never on the order of edits. The lowest element is there in
/// O(log n); that is why a `PersistentTree`, in an order of its own, does not do.
struct OrderedTree<Element: OrderedElement>: Sendable {
  private final class Node: Sendable {
    let element: Element
    let priority: UInt64
    let left: Node?
    let right: Node?
    let count: Int
    let contentHash: ContentHash

    init(_ element: Element, priority: UInt64, left: Node?, right: Node?) {
      self.element = element
      self.priority = priority
      self.left = left
      self.right = right
      count = 1 + (left?.count ?? 0) + (right?.count ?? 0)
      contentHash = ContentHash(
        left?.contentHash ?? .empty,
        ContentHash(
          ContentHash(text: element.key), ContentHash(high: 0, low: UInt64(truncatingIfNeeded: element.revision))),
        right?.contentHash ?? .empty)
    }

    /// Whether this node belongs above one of another key.
    func outranks(_ other: Node) -> Bool {
      priority != other.priority ? priority > other.priority : element.key < other.element.key
    }

    func with(left: Node?, right: Node?) -> Node { Node(element, priority: priority, left: left, right: right) }
  }

  private var root: Node?

  var count: Int { root?.count ?? 0 }

  /// The element with the lowest key. O(log n).
  var first: Element? {
    guard var node = root else { return nil }
    while let left = node.left { node = left }
    return node.element
  }

  /// O(log n).
  subscript(key: String) -> Element? {
    var node = root
    while let current = node {
      if key == current.element.key { return current.element }
      node = key < current.element.key ? current.left : current.right
    }
    return nil
  }

  /// Adds the element, or puts it in the place of the one with its key. O(log n).
  mutating func set(_ element: Element) {
    root = Self.set(element, priority: ContentHash(text: element.key).low, in: root)
  }

  /// O(log n).
  mutating func remove(_ key: String) { root = Self.remove(key, from: root) }

  /// Visits the elements in key order.
  func forEach(_ body: (Element) -> Void) { Self.visit(root, body) }

  private static func visit(_ node: Node?, _ body: (Element) -> Void) {
    guard let node else { return }
    visit(node.left, body)
    body(node.element)
    visit(node.right, body)
  }

  private static func set(_ element: Element, priority: UInt64, in node: Node?) -> Node {
    guard let node else { return Node(element, priority: priority, left: nil, right: nil) }
    if element.key == node.element.key {
      if element.revision == node.element.revision { return node }
      return Node(element, priority: priority, left: node.left, right: node.right)
    }
    if element.key < node.element.key {
      let left = set(element, priority: priority, in: node.left)
      if left === node.left { return node }
      guard left.outranks(node) else { return node.with(left: left, right: node.right) }
      return left.with(left: left.left, right: node.with(left: left.right, right: node.right))
    }
    let right = set(element, priority: priority, in: node.right)
    if right === node.right { return node }
    guard right.outranks(node) else { return node.with(left: node.left, right: right) }
    return right.with(left: node.with(left: node.left, right: right.left), right: right.right)
  }

  private static func remove(_ key: String, from node: Node?) -> Node? {
    guard let node else { return nil }
    if key == node.element.key { return merge(node.left, node.right) }
    if key < node.element.key {
      let left = remove(key, from: node.left)
      return left === node.left ? node : node.with(left: left, right: node.right)
    }
    let right = remove(key, from: node.right)
    return right === node.right ? node : node.with(left: node.left, right: right)
  }

  /// Joins two trees of which every key of the first is lower than every key of the second.
  private static func merge(_ a: Node?, _ b: Node?) -> Node? {
    guard let a else { return b }
    guard let b else { return a }
    return a.outranks(b)
      ? a.with(left: a.left, right: merge(a.right, b)) : b.with(left: merge(a, b.left), right: b.right)
  }
}

/// Equal content, by hash. O(1).
extension OrderedTree: Equatable {
  static func == (a: Self, b: Self) -> Bool { a.root === b.root || a.root?.contentHash == b.root?.contentHash }
}
