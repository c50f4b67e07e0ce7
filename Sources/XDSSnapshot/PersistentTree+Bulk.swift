public import CPrefetch

extension PersistentTree {
  /// Adds many elements, or puts them in the place of those with their keys; of several with one key the last counts.
  ///
  /// Cost: O(m) to sort m elements, as a rule, then O(m log(n/m + 1)), without the m paths that m single edits would copy.
  @inlinable public mutating func set(contentsOf elements: [Element]) {
    guard elements.count > 1 else {
      if let only = elements.first { set(only) }
      return
    }
    var placed: [Placed] = []
    placed.reserveCapacity(elements.count)
    for index in elements.indices {
      placed.append(Placed(position: ContentHash(text: elements[index].key), index: Int32(index)))
    }
    Placed.sort(&placed)
    let count = Self.leaveLastOfEach(&placed, elements)
    // Lent: a slice of an array would be counted at each branch.
    let new = elements.withUnsafeBufferPointer { elements in
      placed.withUnsafeBufferPointer { Subtree.build(elements, $0, 0..<count) }
    }
    root = root.map { .union($0, new) } ?? new
  }

  /// Keeps the last of those with one key, and how many they are; those with one position are put in the order of their keys.
  @inlinable static func leaveLastOfEach(_ placed: inout [Placed], _ elements: [Element]) -> Int {
    func key(_ entry: Placed) -> String { elements[Int(entry.index)].key }
    var count = 0
    for entry in placed {
      if count > 0, placed[count - 1].position == entry.position {
        // Mostly there is one before. Keys of one hash are sorted by insertion: who made them has paid more for them.
        var place = count
        while place > 0, placed[place - 1].position == entry.position,
          !KeyBits.isBefore(key(placed[place - 1]), key(entry))
        {
          place -= 1
        }
        if place < count, KeyBits.areEqual(key(placed[place]), key(entry)) {
          placed[place] = entry
        } else {
          placed[count] = entry
          placed[place...count].reverse()
          placed[(place + 1)..<(count + 1)].reverse()
          count += 1
        }
        continue
      }
      placed[count] = entry
      count += 1
    }
    return count
  }
}

/// Where an element goes in a tree.
@frozen @usableFromInline struct Placed {
  @usableFromInline let position: ContentHash
  @usableFromInline let index: Int32

  @inlinable init(position: ContentHash, index: Int32) {
    self.position = position
    self.index = index
  }

  /// Sorts by position, and those of one position by index, as they come. O(n) for n positions that are spread as hashes are:
  /// first into as many parts as there are elements, by the highest bits, then each part by insertion. O(n log n) at worst, for
  /// names can be chosen so that their hashes are not spread.
  @usableFromInline static func sort(_ placed: inout [Placed]) {
    if placed.count > 32 { sortRoughly(&placed) }
    guard !sortByInsertion(&placed) else { return }
    placed.sort { a, b in a.position != b.position ? a.position.isBefore(b.position) : a.index < b.index }
  }

  private static func sortRoughly(_ placed: inout [Placed]) {
    let bits = min(24, Int.bitWidth - placed.count.leadingZeroBitCount)
    func part(_ entry: Placed) -> Int { Int(entry.position.high >> UInt64(64 - bits)) }
    var starts = [Int32](repeating: 0, count: 1 << bits + 1)
    for entry in placed { starts[part(entry) + 1] += 1 }
    for index in 1..<starts.count { starts[index] += starts[index - 1] }
    var sorted = placed
    for entry in placed {
      sorted[Int(starts[part(entry)])] = entry
      starts[part(entry)] += 1
    }
    placed = sorted
  }

  /// Returns false, with some of it done, if an entry is far from its place.
  private static func sortByInsertion(_ placed: inout [Placed]) -> Bool {
    for index in placed.indices.dropFirst() {
      let entry = placed[index]
      var hole = index
      while hole > 0, entry.position.isBefore(placed[hole - 1].position) {
        placed[hole] = placed[hole - 1]
        hole -= 1
      }
      placed[hole] = entry
      if index - hole > 64 { return false }
    }
    return true
  }
}

extension PersistentTree.Subtree {
  /// - Parameter range: of `placed`; not empty, in the order of positions and then of keys, no key twice.
  @inlinable static func build(
    _ elements: UnsafeBufferPointer<Element>, _ placed: UnsafeBufferPointer<Placed>, _ range: Range<Int>
  ) -> Self {
    let first = placed[range.lowerBound]
    guard range.count > 1 else {
      // Leaves are made in the order of `placed`, and lie anywhere.
      let ahead = range.lowerBound + Self.lookahead
      if ahead < placed.count { expect(elements, Int(placed[ahead].index)) }
      return .leaf(elements[Int(first.index)])
    }
    let last = placed[range.upperBound - 1]
    func key(_ entry: Placed) -> String { elements[Int(entry.index)].key }
    var bit = first.position.firstDifference(from: last.position)
    if bit == ContentHash.bitCount { bit = KeyBits.firstDifference(key(first), key(last)) }
    // The positions are sorted: those with the bit unset come first.
    var low = range.lowerBound
    var high = range.upperBound
    while low < high {
      let middle = (low + high) / 2
      if placed[middle].position.isSet(bit, key(placed[middle])) { high = middle } else { low = middle + 1 }
    }
    return .branch(
      .init(
        bit: bit, position: first.position, left: build(elements, placed, range.lowerBound..<low),
        right: build(elements, placed, low..<range.upperBound)))
  }

  /// How many leaves ahead the memory of one is asked for.
  @inlinable static var lookahead: Int { 6 }

  /// Says that what an element refers to is about to be counted, where it is one reference.
  @inlinable @inline(__always) static func expect(_ elements: UnsafeBufferPointer<Element>, _ index: Int) {
    guard MemoryLayout<Element>.size == MemoryLayout<UInt>.size, let base = elements.baseAddress else { return }
    weir_prefetch(UnsafeRawPointer(bitPattern: UnsafeRawPointer(base + index).loadUnaligned(as: UInt.self)))
  }

  /// The position of an element below, and the first bit in which positions below differ.
  @inlinable var extent: (position: ContentHash, bit: Int32) {
    switch self {
    case .leaf(let element): (ContentHash(text: element.key), .max)
    case .branch(let branch): (branch.position, branch.bit)
    }
  }

  /// The first bit in which the positions of some element of each differ; `bitCount` or more where their hashes are equal.
  @inlinable static func firstDifference(
    _ a: Self, _ extentA: (position: ContentHash, bit: Int32), _ b: Self,
    _ extentB: (position: ContentHash, bit: Int32)
  ) -> Int32 {
    let bit = extentA.position.firstDifference(from: extentB.position)
    guard bit == ContentHash.bitCount, extentA.bit >= bit, extentB.bit >= bit else { return bit }
    return KeyBits.firstDifference(a.someKey, b.someKey)
  }

  /// Which side of a branch in this bit is for the elements, which all share it.
  ///
  /// - Parameter position: of some element.
  @inlinable func isRight(of bit: Int32, _ position: ContentHash) -> Bool {
    position.isSet(bit, someKey)
  }

  /// Both trees' elements; the second's where both have one.
  @inlinable static func union(_ a: Self, _ b: Self) -> Self {
    let (extentA, extentB) = (a.extent, b.extent)
    let bit = firstDifference(a, extentA, b, extentB)
    if bit < extentA.bit, bit < extentB.bit { return .joined(a, b, extentB.position, at: bit) }
    switch (a, b) {
    case (.branch(let x), .branch(let y)) where x.bit == y.bit:
      if x === y { return a }
      return .branch(
        .init(bit: x.bit, position: x.position, left: union(x.left, y.left), right: union(x.right, y.right)))
    case (.branch(let x), _) where x.bit < extentB.bit:
      return b.isRight(of: x.bit, extentB.position)
        ? .branch(.init(bit: x.bit, position: x.position, left: x.left, right: union(x.right, b)))
        : .branch(.init(bit: x.bit, position: x.position, left: union(x.left, b), right: x.right))
    case (_, .branch(let y)):
      return a.isRight(of: y.bit, extentA.position)
        ? .branch(.init(bit: y.bit, position: y.position, left: y.left, right: union(a, y.right)))
        : .branch(.init(bit: y.bit, position: y.position, left: union(a, y.left), right: y.right))
    case (_, .leaf): return b
    }
  }
}
