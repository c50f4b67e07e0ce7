/// An aggregate of a collection by group, fed with deltas: what it costs when a member changes is what its `update` costs,
/// however many members there are. A group exists while it has members.
public final class Fold<Key: SlotKey, Value: Equatable, Group: SlotKey, Aggregate: Equatable>:
  Collection<Group, Aggregate>
{
  /// Changes the aggregate for one member: `old` is nil when it comes, `new` when it goes. The outcome must depend on
  /// the members alone, not on the order of the updates, and the aggregate must be a persistent value.
  public typealias Update = (_ aggregate: inout Aggregate, _ key: Key, _ old: Value?, _ new: Value?) -> Void
  @usableFromInline let groups: (Key, Value) -> [Group]
  @usableFromInline let initial: Aggregate
  @usableFromInline let change: Update
  @usableFromInline let members: MemberCounts

  @usableFromInline init(
    name: String, graph: Graph, groups: @escaping (Key, Value) -> [Group], initial: Aggregate, update: @escaping Update
  ) {
    self.groups = groups
    self.initial = initial
    change = update
    members = MemberCounts()
    super.init(name: name, graph: graph)
    slots.add(members)
  }

  @inlinable func memberChanged(_ change: CollectionChange<Key, Value>) {
    let (key, old, new) = (change.key, change.old, change.new)
    let before = old.map { groups(key, $0) } ?? []
    let after = new.map { groups(key, $0) } ?? []
    for group in before where !after.contains(group) { apply(group, key, old, nil, members: -1) }
    for group in after {
      let isMember = before.contains(group)
      apply(group, key, isMember ? old : nil, new, members: isMember ? 0 : 1)
    }
  }

  @inlinable func apply(_ group: Group, _ key: Key, _ old: Value?, _ new: Value?, members delta: Int) {
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
}

/// How many members a fold's groups have.
@usableFromInline final class MemberCounts: SlotColumn {
  @exclusivity(unchecked) private var counts: [Int] = []

  @usableFromInline func add(_ delta: Int, at slot: Int32) -> Int {
    while counts.count <= Int(slot) { counts.append(0) }
    counts[Int(slot)] += delta
    return counts[Int(slot)]
  }

  func isVacant(_ slot: Int32) -> Bool { Int(slot) >= counts.count || counts[Int(slot)] == 0 }
}

extension Graph {
  /// Declares an aggregate by group. `groups` is a pure function and names no group twice.
  @inlinable public func fold<Key, Value, Group, Aggregate>(
    _ name: String, of source: Collection<Key, Value>, by groups: @escaping (Key, Value) -> [Group],
    initial: Aggregate, _ update: @escaping Fold<Key, Value, Group, Aggregate>.Update
  ) -> Fold<Key, Value, Group, Aggregate> {
    let fold = Fold<Key, Value, Group, Aggregate>(
      name: name, graph: self, groups: groups, initial: initial, update: update)
    fold.settle = { [unowned(unsafe) fold] in fold.announceChanges() }
    fold.expectValue = { [unowned(unsafe) fold] in fold.expectInMemory($0) }
    source.onChange { [unowned(unsafe) fold] in fold.memberChanged($0) }
    return fold
  }
}
