public import HashTreeCollections

/// The members of a collection by group: group → the keys of its members. Maintained by deltas, O(log n) for a member that
/// comes or goes; a member whose value changes without changing its groups wakes no reader of the index.
public final class Index<Key: Hashable, Value: Equatable, Group: Hashable>: Collection<Group, TreeSet<Key>> {
  private let groups: (Key, Value) -> [Group]

  init(name: String, graph: Graph, source: Collection<Key, Value>, groups: @escaping (Key, Value) -> [Group]) {
    self.groups = groups
    super.init(name: name, graph: graph, index: nil, reading: [])
    source.onChange { [unowned self] key, old, new in memberChanged(key, old, new) }
  }

  private func memberChanged(_ key: Key, _ old: Value?, _ new: Value?) {
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

/// An aggregate of a collection by group, fed with deltas: what it costs when a member changes is what its `update` costs,
/// however many members there are. A group exists while it has members.
public final class Fold<Key: Hashable, Value: Equatable, Group: Hashable, Aggregate: Equatable>:
  Collection<Group, Aggregate>
{
  /// Changes the aggregate for one member: `old` is nil when it comes, `new` when it goes. The outcome must depend on
  /// the members alone, not on the order of the updates, and the aggregate must be a persistent value.
  public typealias Update = (_ aggregate: inout Aggregate, _ key: Key, _ old: Value?, _ new: Value?) -> Void
  private let groups: (Key, Value) -> [Group]
  private let initial: Aggregate
  private let change: Update
  private let members = MemberCounts()

  init(
    name: String, graph: Graph, source: Collection<Key, Value>, groups: @escaping (Key, Value) -> [Group],
    initial: Aggregate, update: @escaping Update
  ) {
    self.groups = groups
    self.initial = initial
    change = update
    super.init(name: name, graph: graph, index: nil, reading: [])
    index.add(members)
    source.onChange { [unowned self] key, old, new in memberChanged(key, old, new) }
  }

  private func memberChanged(_ key: Key, _ old: Value?, _ new: Value?) {
    let before = old.map { groups(key, $0) } ?? []
    let after = new.map { groups(key, $0) } ?? []
    for group in before where !after.contains(group) { apply(group, key, old, nil, members: -1) }
    for group in after {
      if before.contains(group) { apply(group, key, old, new, members: 0) } else { apply(group, key, nil, new, members: 1) }
    }
  }

  private func apply(_ group: Group, _ key: Key, _ old: Value?, _ new: Value?, members delta: Int) {
    let slot = index.intern(group)
    let remaining = members.add(delta, at: slot)
    update(at: slot) { aggregate in
      if remaining == 0 {
        aggregate = nil
      } else {
        var changed = aggregate.take() ?? initial
        change(&changed, key, old, new)
        aggregate = changed
      }
    }
  }

  private final class MemberCounts: SlotColumn {
    private var counts: [Int] = []
    func add(_ delta: Int, at slot: Int32) -> Int {
      counts[Int(slot)] += delta
      return counts[Int(slot)]
    }
    func grow() { counts.append(0) }
    func isVacant(_ slot: Int32) -> Bool { counts[Int(slot)] == 0 }
  }
}

extension Graph {
  /// Declares an index. `groups` is a pure function and names no group twice.
  public func index<Key, Value, Group>(
    _ name: String, of source: Collection<Key, Value>, by groups: @escaping (Key, Value) -> [Group]
  ) -> Index<Key, Value, Group> {
    Index(name: name, graph: self, source: source, groups: groups)
  }

  /// Declares an aggregate by group. `groups` is a pure function and names no group twice.
  public func fold<Key, Value, Group, Aggregate>(
    _ name: String, of source: Collection<Key, Value>, by groups: @escaping (Key, Value) -> [Group],
    initial: Aggregate, _ update: @escaping Fold<Key, Value, Group, Aggregate>.Update
  ) -> Fold<Key, Value, Group, Aggregate> {
    Fold(name: name, graph: self, source: source, groups: groups, initial: initial, update: update)
  }
}

/// What an index says of a group: a persistent set, whose order means nothing.
public typealias Members<Key: Hashable> = TreeSet<Key>
