public import HashTreeCollections

/// What an index says of a group: a persistent set, whose order means nothing.
public typealias Members<Key: Hashable> = TreeSet<Key>

/// The members of a collection by group: group → the keys of its members. Maintained by deltas, O(log n) for a member that
/// comes or goes; a member whose value changes without changing its groups wakes no reader of the index.
public final class Index<Key: Hashable, Value: Equatable, Group: Hashable>: Collection<Group, Members<Key>> {
  @usableFromInline let groups: (Key, Value) -> [Group]

  @usableFromInline init(name: String, graph: Graph, groups: @escaping (Key, Value) -> [Group]) {
    self.groups = groups
    super.init(name: name, graph: graph)
  }

  @inlinable func memberChanged(_ key: Key, _ old: Value?, _ new: Value?) {
    let before = old.map { groups(key, $0) } ?? []
    let after = new.map { groups(key, $0) } ?? []
    if before == after { return }
    for group in before where !after.contains(group) {
      update(at: index.intern(group)) { members in
        members?.remove(key)
        if members?.isEmpty == true { members = nil }
      }
    }
    for group in after where !before.contains(group) {
      update(at: index.intern(group)) { members in
        if members == nil { members = [key] } else { members?.insert(key) }
      }
    }
  }
}

extension Graph {
  /// Declares an index. `groups` is a pure function and names no group twice.
  @inlinable public func index<Key, Value, Group>(
    _ name: String, of source: Collection<Key, Value>, by groups: @escaping (Key, Value) -> [Group]
  ) -> Index<Key, Value, Group> {
    let index = Index<Key, Value, Group>(name: name, graph: self, groups: groups)
    index.settle = { [unowned(unsafe) index] in index.announceChanges() }
    source.onChange { [unowned(unsafe) index] in index.memberChanged($0, $1, $2) }
    return index
  }
}
