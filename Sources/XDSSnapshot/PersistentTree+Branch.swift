extension PersistentTree {
  /// What a branch needs to know of a subtree.
  @frozen @usableFromInline struct Summary {
    @usableFromInline let contentHash: ContentHash
    @usableFromInline let byteCount: Int
    @usableFromInline let count: Int32

    @inlinable init(_ subtree: Subtree) {
      contentHash = subtree.contentHash
      byteCount = subtree.byteCount
      count = subtree.count
    }

    @inlinable init(_ branch: Branch) {
      contentHash = branch.contentHash
      byteCount = branch.byteCount
      count = branch.count
    }

    @inlinable init(leaf element: Element) {
      contentHash = element.contentHash
      byteCount = element.byteCount
      count = 1
    }
  }

  /// Where a path parts in two.
  ///
  /// Each side is kept as a reference without its type. What knows its type is generic, and is made for each kind of element but
  /// for one thing: how an object lets go of what it holds is the same code for all, and would ask for the type at run time. An
  /// edit gives back two paths of branches, and to ask took as long as all else that it did there.
  @usableFromInline final class Branch: Sendable {
    // First what a walk and an edit of the other side read.
    @usableFromInline let contentHash: ContentHash
    @usableFromInline let byteCount: Int
    @usableFromInline let count: Int32
    /// The bit in which the sides differ, times four; 2 if the left side is a leaf, 1 if the right one is.
    @usableFromInline let form: Int32
    @usableFromInline let leftObject: any AnyObject & Sendable
    @usableFromInline let rightObject: any AnyObject & Sendable
    /// Of some element below; all share its bits before `bit`.
    @usableFromInline let position: ContentHash

    /// A copy of a branch with something else on one side, of the same kind: a leaf or a branch.
    ///
    /// - Parameters:
    ///   - summary: what it says of itself.
    ///   - other: what the other side says of itself.
    @inlinable init(
      copying branch: Branch, _ object: consuming any AnyObject & Sendable, _ summary: Summary, onTheRight isRight: Bool,
      beside other: Summary
    ) {
      form = branch.form
      position = branch.position
      byteCount = summary.byteCount + other.byteCount
      count = summary.count + other.count
      if isRight {
        contentHash = ContentHash(other.contentHash, summary.contentHash)
        leftObject = branch.leftObject
        rightObject = object
      } else {
        contentHash = ContentHash(summary.contentHash, other.contentHash)
        leftObject = object
        rightObject = branch.rightObject
      }
    }

    @inlinable init(bit: Int32, position: ContentHash, left: Subtree, right: Subtree) {
      contentHash = ContentHash(left.contentHash, right.contentHash)
      byteCount = left.byteCount + right.byteCount
      count = left.count + right.count
      form = bit &<< 2 | (left.isLeaf ? 2 : 0) | (right.isLeaf ? 1 : 0)
      leftObject = left.object
      rightObject = right.object
      self.position = position
    }

    /// The first bit in which positions below differ; 0 is the highest.
    @inlinable @inline(__always) var bit: Int32 { form &>> 2 }
    @inlinable @inline(__always) var left: Subtree { Subtree(leftObject, isLeaf: form & 2 != 0) }
    @inlinable @inline(__always) var right: Subtree { Subtree(rightObject, isLeaf: form & 1 != 0) }

    /// With the element in the place of the one with its key, which becomes `old`; nil if there is none.
    @inlinable func replacing(with element: Element, _ position: ContentHash, _ old: inout Element?) -> Branch? {
      // What the other side says is asked for on the way down: where it is in memory nothing waits for it until the way up.
      let isRight = position.isSet(bit, element.key)
      let other = Summary(isRight ? left : right)
      if form & (isRight ? 1 : 2) != 0 {
        let present = Element(treeObject: isRight ? rightObject : leftObject)
        guard KeyBits.areEqual(present.key, element.key) else { return nil }
        old = present
        return Branch(
          copying: self, element.treeObject, Summary(leaf: element), onTheRight: isRight, beside: other)
      }
      // Lent: this branch holds it.
      let object: any AnyObject & Sendable = isRight ? rightObject : leftObject
      let side = Unmanaged<Branch>.passUnretained(unsafeDowncast(object, to: Branch.self))
      let replaced: Branch? = side._withUnsafeGuaranteedRef { (side: Branch) -> Branch? in
        side.replacing(with: element, position, &old)
      }
      guard let branch = replaced else { return nil }
      return Branch(copying: self, branch, Summary(branch), onTheRight: isRight, beside: other)
    }
  }
}

extension PersistentTree.Subtree {
  @inlinable @inline(__always) init(_ object: any AnyObject & Sendable, isLeaf: Bool) {
    if isLeaf {
      self = .leaf(Element(treeObject: object))
    } else {
      self = .branch(unsafeDowncast(object, to: PersistentTree<Element>.Branch.self))
    }
  }

  @inlinable @inline(__always) var isLeaf: Bool {
    if case .leaf = self { return true }
    return false
  }

  @inlinable @inline(__always) var object: any AnyObject & Sendable {
    switch self {
    case .leaf(let element): element.treeObject
    case .branch(let branch): branch
    }
  }
}

/// Holds an element that is no reference itself.
@usableFromInline final class ElementBox<Element: TreeElement>: Sendable {
  @usableFromInline let element: Element

  @inlinable init(_ element: Element) { self.element = element }
}

extension TreeElement {
  @inlinable public var treeObject: any AnyObject & Sendable { ElementBox(self) }

  @inlinable public init(treeObject: any AnyObject & Sendable) {
    self = unsafeDowncast(treeObject, to: ElementBox<Self>.self).element
  }
}
