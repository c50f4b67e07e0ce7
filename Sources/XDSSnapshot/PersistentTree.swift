/// What a `PersistentTree` holds: a value with a key, whose content hash covers the key as well.
public protocol TreeElement: Sendable {
  var key: String { get }
  var contentHash: ContentHash { get }
  /// The encoded size of the element in bytes.
  var byteCount: Int { get }
  /// The element as one reference, which is what a tree keeps of it.
  var treeObject: any AnyObject & Sendable { get }
  /// - Parameter unsafeTreeObject: what `treeObject` of an element of this type has given. Nobody checks that.
  init(unsafeTreeObject: AnyObject)
}

/// An element that is no reference itself: a box is made for it. What makes the box and what opens it belong together, so neither
/// is there by default for an element that brings the other.
public protocol BoxedTreeElement: TreeElement {}

/// An immutable map that shares structure with the map it was made from.
///
/// It is a binary trie over the 128-bit hashes of the keys, with a branch only where elements part ways:
///
///                 bit 0  hash = H(left.hash, right.hash)
///               /        \
///           bit 3         c        positions: a 0000…, b 0001…, c 1…
///          /     \
///         a       b
///
/// Its shape, and with it the hash over the tree, depends on what it holds and never on the order of edits, and it is
/// balanced because hashes are. An edit copies the path to the root: some log2 n + 1.3 branches, each in one or two cache
/// lines, and no key is compared but the last one's (with 300,000 elements the misses are what an edit costs). The difference
/// of two trees visits only what they do not share.
///
/// The elements' order is that of the hashes of their keys: the same in every process, and meaningless otherwise. Keys of one
/// hash, which whoever chooses names can make as many of as they like, part ways further down, in the bits of the keys
/// themselves (`KeyBits`). Keys are the same if their bytes are.
@frozen
public struct PersistentTree<Element: TreeElement>: Sendable {
  @usableFromInline var root: Subtree?

  @usableFromInline enum Subtree: Sendable {
    case leaf(Element)
    case branch(Branch)
  }

  @inlinable public init() {}

  @inlinable init(root: Subtree?) { self.root = root }

  @inlinable public var count: Int { Int(root?.count ?? 0) }
  @inlinable public var isEmpty: Bool { root == nil }
  /// The sum of the elements' encoded sizes.
  @inlinable public var byteCount: Int { root?.byteCount ?? 0 }
  /// The hash over the tree: equal content, equal hash, however it came to be. O(1).
  @inlinable public var contentHash: ContentHash { root?.contentHash ?? .empty }

  /// Whether both are the same tree in memory (and so equal). O(1); false does not mean that they differ.
  @inlinable public func isIdentical(to other: Self) -> Bool {
    switch (root, other.root) {
    case (nil, nil): true
    case (.branch(let a), .branch(let b)): a === b
    case (.leaf(let a), .leaf(let b)): a.contentHash == b.contentHash
    default: false
    }
  }

  /// The element of a key. O(log n).
  @inlinable public subscript(key: String) -> Element? {
    guard let root else { return nil }
    let nearest = root.nearest(to: ContentHash(text: key), key)
    return KeyBits.areEqual(nearest.key, key) ? nearest : nil
  }

  /// Adds the element, or puts it in the place of the one with its key. O(log n).
  @inlinable public mutating func set(_ element: Element) {
    _ = replace(with: element)
  }

  /// Adds the element, or puts it in the place of the one with its key, which is returned. An element that is there already
  /// leaves the tree as it is. O(log n).
  @inlinable mutating func replace(with element: Element) -> Element? {
    guard let root else {
      root = .leaf(element)
      return nil
    }
    let position = ContentHash(text: element.key)
    var old: Element?
    if let replaced = root.replacing(with: element, position, &old) {
      if let old, old.contentHash != element.contentHash { self.root = replaced }
      return old
    }
    let nearest = root.nearest(to: position, element.key)
    var bit = position.firstDifference(from: ContentHash(text: nearest.key))
    if bit == ContentHash.bitCount { bit = KeyBits.firstDifference(element.key, nearest.key) }
    self.root = root.inserting(element, position, at: bit)
    return nil
  }

  /// Removes the element of a key, if there is one. O(log n).
  @inlinable public mutating func remove(_ key: String) {
    guard let root else { return }
    let position = ContentHash(text: key)
    guard KeyBits.areEqual(root.nearest(to: position, key).key, key) else { return }
    self.root = root.removing(position, key)
  }

  /// Visits the elements in the order of their keys' hashes; who wants the order of keys sorts.
  @inlinable public func forEach(_ body: (Element) throws -> Void) rethrows {
    try root?.forEach(body)
  }
}

extension PersistentTree.Subtree {
  @inlinable var contentHash: ContentHash {
    switch self {
    case .leaf(let element): element.contentHash
    case .branch(let branch): branch.contentHash
    }
  }

  @inlinable var byteCount: Int {
    switch self {
    case .leaf(let element): element.byteCount
    case .branch(let branch): branch.byteCount
    }
  }

  @inlinable var count: Int32 {
    switch self {
    case .leaf: 1
    case .branch(let branch): branch.count
    }
  }

  /// The only element that can be at this position.
  @inlinable func nearest(to position: ContentHash, _ key: String) -> Element {
    switch self {
    case .leaf(let element): element
    case .branch(let branch):
      position.isSet(branch.bit, key)
        ? branch.right.nearest(to: position, key) : branch.left.nearest(to: position, key)
    }
  }

  /// The key of some element below: all share its bits before the first in which they differ.
  @inlinable var someKey: String {
    switch self {
    case .leaf(let element): element.key
    case .branch(let branch): branch.left.someKey
    }
  }

  /// With the element in the place of the one with its key, which becomes `old`; nil if there is none.
  @inlinable func replacing(with element: Element, _ position: ContentHash, _ old: inout Element?) -> Self? {
    switch self {
    case .leaf(let present):
      guard KeyBits.areEqual(present.key, element.key) else { return nil }
      old = present
      return .leaf(element)
    case .branch(let branch):
      return branch.replacing(with: element, position, &old).map { .branch($0.takeRetainedValue()) }
    }
  }

  /// - Parameter bit: the first bit in which the position differs from the nearest one.
  @inlinable func inserting(_ element: Element, _ position: ContentHash, at bit: Int32) -> Self {
    if case .branch(let branch) = self, branch.bit < bit {
      if position.isSet(branch.bit, element.key) {
        let right = branch.right.inserting(element, position, at: bit)
        return .branch(.init(bit: branch.bit, position: branch.position, left: branch.left, right: right))
      }
      let left = branch.left.inserting(element, position, at: bit)
      return .branch(.init(bit: branch.bit, position: branch.position, left: left, right: branch.right))
    }
    return .joined(self, .leaf(element), position, at: bit)
  }

  /// - Parameter position: of an element that is there, of which both share the bits before `bit`.
  @inlinable static func joined(_ a: Self, _ b: Self, _ positionOfB: ContentHash, at bit: Int32) -> Self {
    b.isRight(of: bit, positionOfB)
      ? .branch(.init(bit: bit, position: positionOfB, left: a, right: b))
      : .branch(.init(bit: bit, position: positionOfB, left: b, right: a))
  }

  /// Without the element of a key, which is there.
  @inlinable func removing(_ position: ContentHash, _ key: String) -> Self? {
    guard case .branch(let branch) = self else { return nil }
    if position.isSet(branch.bit, key) {
      guard let right = branch.right.removing(position, key) else { return branch.left }
      return .branch(.init(bit: branch.bit, position: branch.position, left: branch.left, right: right))
    }
    guard let left = branch.left.removing(position, key) else { return branch.right }
    return .branch(.init(bit: branch.bit, position: branch.position, left: left, right: branch.right))
  }

  @inlinable func forEach(_ body: (Element) throws -> Void) rethrows {
    switch self {
    case .leaf(let element): try body(element)
    case .branch(let branch):
      try branch.left.forEach(body)
      try branch.right.forEach(body)
    }
  }
}

/// Equal content, by hash. O(1).
extension PersistentTree: Equatable {
  @inlinable public static func == (a: Self, b: Self) -> Bool {
    a.contentHash == b.contentHash && a.count == b.count
  }
}
