import EnvoyAPI
import XDSSnapshot

/// The virtual hosts as resources of their own, by namespace, for the namespaces that have proxies which take them so.
///
/// A namespace's table holds the hosts that every proxy gets and its own short names. The tables share what they have in common
/// with each other, and the bytes of all hosts with the route tables.
struct VirtualHostTables {
  private struct Hosts {
    var table: ResourceTable
    /// What the table was made from, beside the shared hosts.
    var short: ReferencedTree<Fragment>
  }

  private var shared = ReferencedTree<Fragment>()
  private var hosts: [String: Hosts] = [:]

  /// What proxies of a namespace hold; nil for one that is not kept up to date.
  subscript(namespace: String) -> ResourceTable? { hosts[namespace]?.table }

  /// Brings the tables of these namespaces, and of no others, up to date.
  ///
  /// Cost: O(namespaces · d log n) for d hosts that changed; O(hosts) for the first namespace, O(short names) for a further one.
  mutating func update(
    namespaces: some Sequence<String>, shared: ReferencedTree<Fragment>, short: (String) -> ReferencedTree<Fragment>
  ) {
    // Without a namespace nothing is kept, and the first change is that from nothing.
    let wanted = Set(namespaces)
    hosts = hosts.filter { wanted.contains($0.key) }
    if hosts.isEmpty { self.shared = .init() }
    guard !wanted.isEmpty else { return }
    let change = Change(from: self.shared, to: shared)
    self.shared = shared
    for namespace in hosts.keys { advance(namespace, change, to: short(namespace)) }
    for namespace in wanted where hosts[namespace] == nil {
      if let other = hosts.first?.value {
        hosts[namespace] = Hosts(table: other.table, short: other.short)
        advance(namespace, .none, to: short(namespace))
      } else {
        hosts[namespace] = Hosts(table: .init(), short: .init())
        advance(namespace, change, to: short(namespace))
      }
    }
  }

  private mutating func advance(_ namespace: String, _ change: Change, to short: ReferencedTree<Fragment>) {
    guard var entry = hosts.removeValue(forKey: namespace) else { return }
    change.apply(to: &entry.table)
    Change(from: entry.short, to: short).apply(to: &entry.table)
    entry.short = short
    hosts[namespace] = entry
  }

  /// What differs between two sets of hosts, as resources.
  private struct Change {
    private var removed: [String] = []
    private var set: [Resource] = []

    static let none = Change(from: .init(), to: .init())

    init(from old: ReferencedTree<Fragment>, to new: ReferencedTree<Fragment>) {
      PersistentTree.changes(from: old.tree, to: new.tree) { old, new in
        if let new {
          set.append(Resource(virtualHost: new))
        } else if let old {
          removed.append(WireName.virtualHost(old.key))
        }
      }
    }

    func apply(to table: inout ResourceTable) {
      if !(removed.isEmpty && set.isEmpty) { table.apply(removing: removed, setting: set) }
    }
  }
}

extension Resource {
  /// A virtual host on its own. Envoy removes a host by the name that it has in it, so that is the resource's.
  init(virtualHost host: Fragment) {
    let name = WireName.virtualHost(host.key)
    self.init(
      name: name, header: VirtualHost.encodedName(name), elementOf: host,
      from: VirtualHost.offsetAfterName(inFragment: host.bytes))
  }
}
