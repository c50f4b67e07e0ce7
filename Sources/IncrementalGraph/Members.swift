public import HashTreeCollections

/// What an index says of a group: a persistent set, whose order means nothing. Most groups have one member, which needs no tree.
@frozen public struct Members<Key: Hashable>: Equatable {
  @frozen @usableFromInline enum Storage: Equatable {
    case one(Key)
    /// At least two.
    case many(TreeSet<Key>)
  }

  @usableFromInline var storage: Storage

  @inlinable init(_ only: Key) { storage = .one(only) }

  /// O(log n).
  @inlinable mutating func insert(_ key: Key) {
    switch storage {
    case .one(let only): if only != key { storage = .many([only, key]) }
    case .many(var keys):
      keys.insert(key)
      storage = .many(keys)
    }
  }

  /// Without a key; nil if that was the last one. O(log n).
  @inlinable func removing(_ key: Key) -> Members? {
    switch storage {
    case .one(let only): return only == key ? nil : self
    case .many(var keys):
      keys.remove(key)
      var members = self
      // The first of a set without order: there is only one.
      if keys.count == 1, let only = keys.first { members.storage = .one(only) } else { members.storage = .many(keys) }
      return members
    }
  }

  @inlinable public var count: Int {
    switch storage {
    case .one: 1
    case .many(let keys): keys.count
    }
  }
}

extension Members: Sequence {
  @frozen public struct Iterator: IteratorProtocol {
    @usableFromInline var only: Key?
    @usableFromInline var many: TreeSet<Key>.Iterator?

    @inlinable init(_ storage: Storage) {
      switch storage {
      case .one(let only): self.only = only
      case .many(let keys): many = keys.makeIterator()
      }
    }

    @inlinable public mutating func next() -> Key? {
      if let only = only.take() { return only }
      return many?.next()
    }
  }

  @inlinable public func makeIterator() -> Iterator { Iterator(storage) }
  @inlinable public var underestimatedCount: Int { count }
}
