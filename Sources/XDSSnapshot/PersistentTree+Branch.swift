extension PersistentTree {
  /// What a branch needs to know of a subtree.
  @frozen @usableFromInline struct Summary {
    @usableFromInline let contentHash: ContentHash
    @usableFromInline let byteCount: Int
    @usableFromInline let count: Int32

    @inlinable init(_ branch: Branch) {
      contentHash = branch.contentHash
      byteCount = branch.byteCount
      count = branch.count
    }

    @inlinable init(_ element: Element) {
      contentHash = element.contentHash
      byteCount = element.byteCount
      count = 1
    }

    /// - Parameter object: of a side; only lent.
    @inlinable @inline(__always) init(_ object: Unmanaged<AnyObject>, isLeaf: Bool) {
      if isLeaf {
        self = object._withUnsafeGuaranteedRef { (object: AnyObject) -> Summary in
          Summary(Element(unsafeTreeObject: object))
        }
      } else {
        let branch = Unmanaged<Branch>.fromOpaque(object.toOpaque())
        self = branch._withUnsafeGuaranteedRef { (branch: Branch) -> Summary in Summary(branch) }
      }
    }
  }

  /// Where a path parts in two.
  ///
  /// Each side is kept as a reference without its type. What knows its type is generic, and is made for each kind of element but
  /// for one thing: how an object lets go of what it holds is the same code for all, and would ask for the type at run time. An
  /// edit gives back two paths of branches, and to ask took as long as all else that it did there.
  ///
  /// `@unchecked Sendable`: nothing changes once it is made. The references are counted here, one for each from `init` to `deinit`:
  /// to lend one by way of Swift's own counts it up and down.
  @usableFromInline final class Branch: @unchecked Sendable {
    // First what a walk and an edit of the other side read.
    @usableFromInline let contentHash: ContentHash
    @usableFromInline let byteCount: Int
    @usableFromInline let count: Int32
    /// The bit in which the sides differ, times four; 2 if the left side is a leaf, 1 if the right one is.
    @usableFromInline let form: Int32
    @usableFromInline let leftObject: Unmanaged<AnyObject>
    @usableFromInline let rightObject: Unmanaged<AnyObject>
    /// Of some element below; all share its bits before `bit`.
    @usableFromInline let position: ContentHash

    /// A copy of a branch with something else on one side, of the same kind: a leaf or a branch.
    ///
    /// - Parameters:
    ///   - object: counted already.
    ///   - summary: what it says of itself.
    ///   - other: what the other side says of itself.
    @inlinable init(
      copying branch: Branch, _ object: Unmanaged<AnyObject>, _ summary: Summary, onTheRight isRight: Bool,
      beside other: Summary
    ) {
      form = branch.form
      position = branch.position
      byteCount = summary.byteCount + other.byteCount
      count = summary.count + other.count
      if isRight {
        contentHash = ContentHash(other.contentHash, summary.contentHash)
        leftObject = branch.leftObject.retain()
        rightObject = object
      } else {
        contentHash = ContentHash(summary.contentHash, other.contentHash)
        leftObject = object
        rightObject = branch.rightObject.retain()
      }
    }

    @inlinable init(bit: Int32, position: ContentHash, left: Subtree, right: Subtree) {
      contentHash = ContentHash(left.contentHash, right.contentHash)
      byteCount = left.byteCount + right.byteCount
      count = left.count + right.count
      form = bit &<< 2 | (left.isLeaf ? 2 : 0) | (right.isLeaf ? 1 : 0)
      leftObject = .passRetained(left.object)
      rightObject = .passRetained(right.object)
      self.position = position
    }

    deinit {
      leftObject.release()
      rightObject.release()
    }

    /// The first bit in which positions below differ; 0 is the highest.
    @inlinable @inline(__always) var bit: Int32 { form &>> 2 }
    @inlinable @inline(__always) var left: Subtree { Subtree(leftObject, isLeaf: isLeaf(onTheRight: false)) }
    @inlinable @inline(__always) var right: Subtree { Subtree(rightObject, isLeaf: isLeaf(onTheRight: true)) }

    @inlinable @inline(__always) func isLeaf(onTheRight isRight: Bool) -> Bool { form & (isRight ? 1 : 2) != 0 }
    @inlinable @inline(__always) func object(onTheRight isRight: Bool) -> Unmanaged<AnyObject> {
      isRight ? rightObject : leftObject
    }

    /// With the element in the place of the one with its key, which becomes `old`; nil if there is none.
    @inlinable func replacing(
      with element: Element, _ position: ContentHash, _ old: inout Element?
    ) -> Unmanaged<Branch>? {
      let isRight = position.isSet(bit, element.key)
      // What the other side says is asked for on the way down: where it is in memory nothing waits for it until the way up.
      let other = Summary(object(onTheRight: !isRight), isLeaf: isLeaf(onTheRight: !isRight))
      let object = object(onTheRight: isRight)
      if isLeaf(onTheRight: isRight) {
        let present = Element(unsafeTreeObject: object.takeUnretainedValue())
        guard KeyBits.areEqual(present.key, element.key) else { return nil }
        old = present
        let new = Unmanaged<AnyObject>.passRetained(element.treeObject)
        return .passRetained(
          Branch(copying: self, new, Summary(element), onTheRight: isRight, beside: other))
      }
      let side = Unmanaged<Branch>.fromOpaque(object.toOpaque())
      let replaced = side._withUnsafeGuaranteedRef { (side: Branch) -> Unmanaged<Branch>? in
        side.replacing(with: element, position, &old)
      }
      guard let replaced else { return nil }
      let new = Unmanaged<AnyObject>.fromOpaque(replaced.toOpaque())
      return .passRetained(
        Branch(copying: self, new, Summary(new, isLeaf: false), onTheRight: isRight, beside: other))
    }
  }
}

extension PersistentTree.Subtree {
  @inlinable @inline(__always) init(_ object: Unmanaged<AnyObject>, isLeaf: Bool) {
    if isLeaf {
      self = .leaf(Element(unsafeTreeObject: object.takeUnretainedValue()))
    } else {
      self = .branch(Unmanaged<PersistentTree<Element>.Branch>.fromOpaque(object.toOpaque()).takeUnretainedValue())
    }
  }

  @inlinable @inline(__always) var isLeaf: Bool {
    if case .leaf = self { return true }
    return false
  }

  @inlinable @inline(__always) var object: AnyObject {
    switch self {
    case .leaf(let element): element.treeObject
    case .branch(let branch): branch
    }
  }
}

/// Holds an element that is no reference itself.
@usableFromInline final class ElementBox<Element: BoxedTreeElement>: Sendable {
  @usableFromInline let element: Element

  @inlinable init(_ element: Element) { self.element = element }
}

extension BoxedTreeElement {
  @inlinable public var treeObject: any AnyObject & Sendable { ElementBox(self) }

  @inlinable public init(unsafeTreeObject: AnyObject) {
    self = unsafeDowncast(unsafeTreeObject, to: ElementBox<Self>.self).element
  }
}
