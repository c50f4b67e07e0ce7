public import CPrefetch

extension PersistentTree {
  /// Walks to the places of some elements, side by side, and leaves the tree as it is.
  ///
  /// In a large tree an edit waits for memory at every step, for the next step is known only then. Of several edits one would wait
  /// after the other; here they wait together, and then find what they need in the processor's cache.
  /// One path alone takes as long here as in the edit; but what lies beside it is only asked for, and comes while the walk goes on.
  @inlinable func fetchPaths(to elements: [Element]) {
    guard case .branch(let root) = root else { return }
    let start = Unmanaged.passUnretained(root)
    withUnsafeTemporaryAllocation(of: Step.self, capacity: elements.count) { steps in
      for index in elements.indices {
        (steps.baseAddress! + index).initialize(
          to: Step(position: ContentHash(text: elements[index].key), branch: start))
      }
      var isUnderWay = true
      while isUnderWay {
        isUnderWay = false
        for index in steps.indices {
          guard let branch = steps[index].branch else { continue }
          isUnderWay = true
          let position = steps[index].position
          steps[index].branch = branch._withUnsafeGuaranteedRef { (branch: Branch) -> Unmanaged<Branch>? in
            guard branch.bit < ContentHash.bitCount else { return nil }
            let isRight = position[branch.bit]
            let next = branch.object(onTheRight: isRight)
            Self.expect(next)
            // A copy of the branch asks what its other side says of itself, and counts one reference more to it.
            Self.expect(branch.object(onTheRight: !isRight))
            return branch.isLeaf(onTheRight: isRight) ? nil : .fromOpaque(next.toOpaque())
          }
        }
      }
    }
  }

  /// A tree of no more elements is likely to be in the processor's cache: to walk one path alone first would gain nothing.
  @inlinable static var smallCount: Int { 4096 }

  /// All of a branch, or the beginning of a leaf. A branch has 80 bytes, at a multiple of 16: it is in two lines of the cache, those
  /// of its first byte and of its last.
  @inlinable @inline(__always) static func expect(_ object: Unmanaged<AnyObject>) {
    weir_prefetch(object.toOpaque())
    weir_prefetch(object.toOpaque() + 79)
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
