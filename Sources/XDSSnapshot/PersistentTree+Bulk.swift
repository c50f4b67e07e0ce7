extension PersistentTree {
  /// Adds many elements, or puts them in the place of those with their keys; of several with one key the last counts.
  ///
  /// Cost: O(m log m) to sort m elements, then O(m log(n/m + 1)), without the m paths that m single edits would copy.
  @inlinable public mutating func set(contentsOf elements: [Element]) {
    guard elements.count > 1 else {
      if let only = elements.first { set(only) }
      return
    }
    var placed: [(position: ContentHash, index: Int)] = []
    placed.reserveCapacity(elements.count)
    for (index, element) in elements.enumerated() { placed.append((ContentHash(text: element.key), index)) }
    placed.sort { a, b in a.position != b.position ? a.position.isBefore(b.position) : a.index < b.index }
    var distinct: [(position: ContentHash, index: Int)] = []
    distinct.reserveCapacity(placed.count)
    for entry in placed {
      if distinct.last?.position == entry.position { distinct.removeLast() }
      distinct.append(entry)
    }
    let new = Subtree.build(elements, distinct[...])
    root = root.map { .union($0, new) } ?? new
  }
}

extension PersistentTree.Subtree {
  /// - Parameter placed: not empty, in the order of positions, no position twice.
  @inlinable static func build(
    _ elements: [Element], _ placed: ArraySlice<(position: ContentHash, index: Int)>
  ) -> Self {
    let first = placed[placed.startIndex]
    guard placed.count > 1 else { return .leaf(elements[first.index]) }
    let bit = first.position.firstDifference(from: placed[placed.endIndex - 1].position)
    // The positions are sorted: those with the bit unset come first.
    var low = placed.startIndex
    var high = placed.endIndex
    while low < high {
      let middle = (low + high) / 2
      if placed[middle].position[bit] { high = middle } else { low = middle + 1 }
    }
    return .branch(
      .init(
        bit: bit, position: first.position, left: build(elements, placed[..<low]),
        right: build(elements, placed[low...])))
  }

  /// The position of an element below, and the first bit in which positions below differ.
  @inlinable var extent: (position: ContentHash, bit: Int32) {
    switch self {
    case .leaf(let element): (ContentHash(text: element.key), ContentHash.bitCount)
    case .branch(let branch): (branch.position, branch.bit)
    }
  }

  /// Both trees' elements; the second's where both have one.
  @inlinable static func union(_ a: Self, _ b: Self) -> Self {
    let (extentA, extentB) = (a.extent, b.extent)
    let bit = extentA.position.firstDifference(from: extentB.position)
    if bit < extentA.bit, bit < extentB.bit { return .joined(a, b, extentB.position, at: bit) }
    switch (a, b) {
    case (.branch(let x), .branch(let y)) where x.bit == y.bit:
      if x === y { return a }
      return .branch(
        .init(bit: x.bit, position: x.position, left: union(x.left, y.left), right: union(x.right, y.right)))
    case (.branch(let x), _) where x.bit < extentB.bit:
      return extentB.position[x.bit]
        ? .branch(.init(bit: x.bit, position: x.position, left: x.left, right: union(x.right, b)))
        : .branch(.init(bit: x.bit, position: x.position, left: union(x.left, b), right: x.right))
    case (_, .branch(let y)):
      return extentA.position[y.bit]
        ? .branch(.init(bit: y.bit, position: y.position, left: y.left, right: union(a, y.right)))
        : .branch(.init(bit: y.bit, position: y.position, left: union(a, y.left), right: y.right))
    case (_, .leaf): return b
    }
  }
}
