extension PersistentTree {
  /// Walks to the places of some elements, side by side, and leaves the tree as it is.
  ///
  /// In a large tree an edit waits for memory at every step, for the next step is known only then. Of several edits one would wait
  /// after the other; here they wait together, and then find what they need in the processor's cache.
  @inlinable func fetchPaths(to elements: [Element]) {
    guard let root else { return }
    withUnsafeTemporaryAllocation(of: Step.self, capacity: elements.count) { steps in
      for index in elements.indices {
        (steps.baseAddress! + index).initialize(
          to: Step(position: ContentHash(text: elements[index].key), branch: root.lentBranch))
      }
      // Sizes of the neighbours and of what is at the ends: an edit asks what they say of themselves, and to have read it is to
      // have it near.
      var seen = 0
      var isUnderWay = true
      while isUnderWay {
        isUnderWay = false
        for index in steps.indices {
          guard let branch = steps[index].branch else { continue }
          isUnderWay = true
          steps[index].branch = branch._withUnsafeGuaranteedRef { branch in
            guard branch.bit < ContentHash.bitCount else { return nil }
            if steps[index].position[branch.bit] {
              seen |= branch.left.byteCount
              return branch.right.step(&seen)
            }
            seen |= branch.right.byteCount
            return branch.left.step(&seen)
          }
        }
      }
      precondition(seen >= 0, "an element is smaller than nothing")
    }
  }

  @frozen @usableFromInline struct Step {
    @usableFromInline let position: ContentHash
    @usableFromInline var branch: Unmanaged<Branch>?

    @inlinable init(position: ContentHash, branch: Unmanaged<Branch>?) {
      self.position = position
      self.branch = branch
    }
  }
}

extension PersistentTree.Subtree {
  /// The branch, not counted; nil for a leaf.
  @inlinable @inline(__always) var lentBranch: Unmanaged<PersistentTree.Branch>? {
    switch self {
    case .leaf: nil
    case .branch(let branch): .passUnretained(branch)
    }
  }

  /// The same, and a leaf is looked at.
  @inlinable @inline(__always) func step(_ seen: inout Int) -> Unmanaged<PersistentTree.Branch>? {
    switch self {
    case .leaf(let element):
      seen |= element.byteCount
      return nil
    case .branch(let branch): return .passUnretained(branch)
    }
  }
}
