/// The members of a collection by group: group → the keys of its members. Maintained by deltas, O(log n) for a member that
/// comes or goes; a member whose value changes without changing its group wakes no reader of the index.
public final class Index<Key: SlotKey, Value: Equatable, Group: SlotKey>: Collection<Group, Members<Key>> {
  @usableFromInline let group: (Key, Value) -> Group?

  @usableFromInline init(name: String, graph: Graph, group: @escaping (Key, Value) -> Group?) {
    self.group = group
    super.init(name: name, graph: graph)
  }

  @inlinable func memberChanged(_ change: CollectionChange<Key, Value>) {
    let key = change.key
    let before = change.old.flatMap { group(key, $0) }
    let after = change.new.flatMap { group(key, $0) }
    if before == after { return }
    if let before { update(at: index.intern(before)) { $0 = $0?.removing(key) } }
    if let after {
      update(at: index.intern(after)) { members in
        if members == nil { members = Members(key) } else { members?.insert(key) }
      }
    }
  }
}

extension Graph {
  /// Declares an index. `group` is a pure function; nil puts the member into no group.
  @inlinable public func index<Key, Value, Group>(
    _ name: String, of source: Collection<Key, Value>, by group: @escaping (Key, Value) -> Group?
  ) -> Index<Key, Value, Group> {
    let index = Index<Key, Value, Group>(name: name, graph: self, group: group)
    index.settle = { [unowned(unsafe) index] in index.announceChanges() }
    index.expectValue = { [unowned(unsafe) index] in index.expectInMemory($0) }
    source.onChange { [unowned(unsafe) index] in index.memberChanged($0) }
    return index
  }
}
