extension PersistentTree {
  /// Visits what differs between two trees, in no particular order: `old` is nil for what was added, `new` is nil for what
  /// was removed.
  ///
  /// Cost: O(d log n) for d differences; shared parts are skipped by identity, equal ones by their hash.
  @inlinable public static func changes(
    from old: Self, to new: Self, _ body: (_ old: Element?, _ new: Element?) throws -> Void
  ) rethrows {
    switch (old.root, new.root) {
    case (nil, nil): break
    case (let a?, nil): try a.forEach { try body($0, nil) }
    case (nil, let b?): try b.forEach { try body(nil, $0) }
    case (let a?, let b?): try Subtree.difference(a, b, body)
    }
  }
}

extension PersistentTree.Subtree {
  @inlinable static func difference(_ a: Self, _ b: Self, _ body: (Element?, Element?) throws -> Void) rethrows {
    if case .branch(let x) = a, case .branch(let y) = b, x === y { return }
    if a.contentHash == b.contentHash { return }
    let (extentA, extentB) = (a.extent, b.extent)
    let bit = firstDifference(a, extentA, b, extentB)
    if bit < extentA.bit, bit < extentB.bit {
      // Nothing can be in both.
      try a.forEach { try body($0, nil) }
      try b.forEach { try body(nil, $0) }
      return
    }
    switch (a, b) {
    case (.leaf(let x), .leaf(let y)): try body(x, y)
    case (.branch(let x), .branch(let y)) where x.bit == y.bit:
      try difference(x.left, y.left, body)
      try difference(x.right, y.right, body)
    case (.branch(let x), _) where x.bit < extentB.bit:
      // The higher branch is in one tree alone; all of the other is on one side of it.
      let isRight = b.isRight(of: x.bit, extentB.position)
      try (isRight ? x.left : x.right).forEach { try body($0, nil) }
      try difference(isRight ? x.right : x.left, b, body)
    case (_, .branch(let y)):
      let isRight = a.isRight(of: y.bit, extentA.position)
      try (isRight ? y.left : y.right).forEach { try body(nil, $0) }
      try difference(a, isRight ? y.right : y.left, body)
    case (.branch, .leaf): break  // A branch's bit is lower than a leaf's: handled above.
    }
  }
}
