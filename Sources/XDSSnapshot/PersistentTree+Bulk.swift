extension PersistentTree {
  /// Adds many elements, or puts them in the place of those with their keys; of several with one key the last counts.
  ///
  /// Cost: O(m log m) to sort m elements, then O(m log(n/m + 1)), without the m paths that m single edits would copy.
  @inlinable public mutating func set(contentsOf elements: [Element]) {
    guard elements.count > 1 else {
      if let only = elements.first { set(only) }
      return
    }
    var order = Array(elements.indices)
    order.sort { a, b in
      elements[a].key != elements[b].key ? elements[a].key < elements[b].key : a < b
    }
    root = Self.union(root, Self.build(elements, inOrder: order))
  }

  /// A tree of elements in key order, in O(m): the right spine waits on a stack, and a node is made when its right subtree
  /// is complete.
  @inlinable static func build(_ elements: [Element], inOrder order: [Int]) -> Node? {
    var spine: [(element: Element, priority: UInt64, left: Node?)] = []
    for (position, index) in order.enumerated() {
      let element = elements[index]
      if position + 1 < order.count, elements[order[position + 1]].key == element.key { continue }
      let priority = stablePriority(of: element.key)
      var left: Node?
      while let top = spine.last,
        priority != top.priority ? priority > top.priority : element.key < top.element.key
      {
        left = Node(top.element, priority: top.priority, left: top.left, right: left)
        spine.removeLast()
      }
      spine.append((element, priority, left))
    }
    var root: Node?
    while let top = spine.popLast() {
      root = Node(top.element, priority: top.priority, left: top.left, right: root)
    }
    return root
  }

  /// Both trees' elements; the second's where both have one.
  @inlinable static func union(_ a: Node?, _ b: Node?) -> Node? {
    guard let a else { return b }
    guard let b else { return a }
    if a === b { return a }
    if a.element.key == b.element.key {
      let left = union(a.left, b.left)
      let right = union(a.right, b.right)
      if left === a.left, right === a.right, a.element.contentHash == b.element.contentHash { return a }
      return Node(b.element, priority: b.priority, left: left, right: right)
    }
    // The higher root's key is in one tree alone: in the other it would be the root, for shapes are canonical.
    if a.outranks(b) {
      let (below, above) = split(b, at: a.element.key)
      let left = union(a.left, below)
      let right = union(a.right, above)
      return left === a.left && right === a.right ? a : copy(a, left: left, right: right)
    }
    let (below, above) = split(a, at: b.element.key)
    return copy(b, left: union(below, b.left), right: union(above, b.right))
  }

  /// The element with the lowest key. O(log n).
  @inlinable public var first: Element? {
    guard var node = root else { return nil }
    while let left = node.left { node = left }
    return node.element
  }
}

/// Equal content, by hash. O(1).
extension PersistentTree: Equatable {
  @inlinable public static func == (a: Self, b: Self) -> Bool { a.root === b.root || a.contentHash == b.contentHash }
}
