extension PersistentTree {
  /// Visits what differs between two trees, in no particular order: `old` is nil for what was added, `new` is nil for what
  /// was removed.
  ///
  /// Cost: O(d log n) for d differences when one tree was made from the other by edits; shared parts are skipped by
  /// identity, equal ones by their hash.
  @inlinable public static func changes(
    from old: Self, to new: Self, _ body: (_ old: Element?, _ new: Element?) throws -> Void
  ) rethrows {
    try difference(old.root, new.root, body)
  }

  @inlinable static func difference(_ a: Node?, _ b: Node?, _ body: (Element?, Element?) throws -> Void) rethrows {
    guard let a else {
      try visitNodes(b) { try body(nil, $0) }
      return
    }
    guard let b else {
      try visitNodes(a) { try body($0, nil) }
      return
    }
    if a === b || a.contentHash == b.contentHash { return }
    if a.element.key == b.element.key {
      if a.element.contentHash != b.element.contentHash { try body(a.element, b.element) }
      try difference(a.left, b.left, body)
      try difference(a.right, b.right, body)
    } else if a.outranks(b) {
      // The higher root is in one tree alone (shapes are canonical), so the other is split at its key.
      let (left, right) = split(b, at: a.element.key)
      try body(a.element, nil)
      try difference(a.left, left, body)
      try difference(a.right, right, body)
    } else {
      let (left, right) = split(a, at: b.element.key)
      try body(nil, b.element)
      try difference(left, b.left, body)
      try difference(right, b.right, body)
    }
  }

  /// What is below and what is above a key that the tree does not hold.
  @inlinable static func split(_ node: Node?, at key: String) -> (Node?, Node?) {
    guard let node else { return (nil, nil) }
    if key < node.element.key {
      let (left, right) = split(node.left, at: key)
      return (left, right === node.left ? node : copy(node, left: right, right: node.right))
    }
    let (left, right) = split(node.right, at: key)
    return (left === node.right ? node : copy(node, left: node.left, right: left), right)
  }

  @inlinable static func visitNodes(_ node: Node?, _ body: (Element) throws -> Void) rethrows {
    guard let node else { return }
    try visitNodes(node.left, body)
    try body(node.element)
    try visitNodes(node.right, body)
  }
}
