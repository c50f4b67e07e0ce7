import XDSSnapshot

/// A table and what the running transaction changes in it.
///
/// Changes are kept until the transaction has settled, for an element may pass from one unit to another: its removal there
/// and its arrival here come in either order, and the arrival counts.
struct PendingTable<Element: ReferencingElement & Equatable> {
  private(set) var table = ReferencedTree<Element>()
  private var removed: [String] = []
  private var set: [Element] = []
  /// Where transactions that are not published by themselves ended: what came after counts more than what came before.
  private var ends: [(removed: Int, set: Int)] = []

  mutating func note(_ old: Element?, _ new: Element?) {
    if let old, old.key != new?.key { removed.append(old.key) }
    if let new { set.append(new) }
  }

  /// A unit put out other elements than before.
  mutating func note(_ old: [Element], _ new: [Element]) {
    for element in old where !new.contains(where: { $0.key == element.key }) { removed.append(element.key) }
    for element in new where !old.contains(element) { set.append(element) }
  }

  /// A unit put out other elements than before. O(differences · log n).
  mutating func note(from old: ReferencedTree<Element>, to new: ReferencedTree<Element>) {
    PersistentTree.changes(from: old.tree, to: new.tree) { note($0, $1) }
  }

  var changeCount: Int { removed.count + set.count }
  var hasChanges: Bool { !set.isEmpty || !removed.isEmpty }

  /// The transaction has settled, and another follows before the table does.
  mutating func endPortion() {
    if hasChanges { ends.append((removed.count, set.count)) }
  }

  /// Returns whether the table became another.
  mutating func settle() -> Bool {
    guard hasChanges else { return false }
    let before = table.contentHash
    if ends.isEmpty || removed.isEmpty {
      table.apply(removing: removed, setting: set)
    } else {
      var start = (removed: 0, set: 0)
      for end in ends + [(removed.count, set.count)] {
        table.apply(
          removing: Array(removed[start.removed..<end.removed]), setting: Array(set[start.set..<end.set]))
        start = end
      }
    }
    ends = []
    removed.removeAll(keepingCapacity: removed.count < 64)
    set.removeAll(keepingCapacity: set.count < 64)
    return table.contentHash != before
  }
}
