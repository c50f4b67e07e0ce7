import EnvoyAPI
import XDSSnapshot

/// The virtual hosts as resources of their own, by namespace, for the namespaces that have proxies which take them so.
///
/// A namespace's table holds the hosts that every proxy gets; those of the namespace's own services have the short names' domains
/// as well. The tables share what they have in common with each other, and the bytes of all hosts with the route tables.
struct VirtualHostTables {
  private struct Hosts {
    var table: ResourceTable
    /// What the table was made from, beside the shared hosts: domains by host.
    var domains: ReferencedTree<HostDomains>
  }

  private var shared = ReferencedTree<Fragment>()
  private var hosts: [String: Hosts] = [:]

  /// What proxies of a namespace hold; nil for one that is not kept up to date.
  subscript(namespace: String) -> ResourceTable? { hosts[namespace]?.table }

  /// Brings the tables of these namespaces, and of no others, up to date.
  ///
  /// Cost: O(namespaces · d log n) for d hosts that changed; O(hosts) for the first namespace, O(short names) for a further one.
  mutating func update(
    namespaces: some Sequence<String>, shared: ReferencedTree<Fragment>,
    domains: (String) -> ReferencedTree<HostDomains>
  ) {
    let wanted = Set(namespaces)
    hosts = hosts.filter { wanted.contains($0.key) }
    // Without a namespace nothing is kept, and the next change is that from nothing.
    if hosts.isEmpty { self.shared = .init() }
    guard !wanted.isEmpty else { return }
    var change = Change()
    PersistentTree.changes(from: self.shared.tree, to: shared.tree) { old, new in
      if let new {
        change.set.append((new, Resource(virtualHost: new)))
      } else if let old {
        change.removed.append(WireName.virtualHost(old.key))
      }
    }
    self.shared = shared
    for namespace in hosts.keys { advance(namespace, change, domains(namespace)) }
    for namespace in wanted where hosts[namespace] == nil {
      let other = hosts.first?.value
      hosts[namespace] = other ?? Hosts(table: .init(), domains: .init())
      advance(namespace, other == nil ? change : Change(), domains(namespace))
    }
  }

  /// What differs between two sets of shared hosts.
  private struct Change {
    var removed: [String] = []
    var set: [(host: Fragment, resource: Resource)] = []
  }

  private mutating func advance(_ namespace: String, _ change: Change, _ domains: ReferencedTree<HostDomains>) {
    guard var entry = hosts.removeValue(forKey: namespace) else { return }
    var set: [Resource] = []
    for (host, resource) in change.set {
      set.append(domains[host.key].map { Resource(virtualHost: host, domains: $0.bytes) } ?? resource)
    }
    var others: [Resource] = []
    PersistentTree.changes(from: entry.domains.tree, to: domains.tree) { old, new in
      guard let key = (new ?? old)?.key, let host = shared[key] else { return }
      others.append(Resource(virtualHost: host, domains: new?.bytes ?? []))
    }
    if !others.isEmpty {
      let names = Set(set.map(\.name))
      set += others.filter { !names.contains($0.name) }
    }
    if !(change.removed.isEmpty && set.isEmpty) { entry.table.apply(removing: change.removed, setting: set) }
    entry.domains = domains
    hosts[namespace] = entry
  }
}

extension Resource {
  /// A virtual host on its own. Envoy removes a host by the name that it has in it, so that is the resource's.
  ///
  /// - Parameter domains: further ones, encoded.
  init(virtualHost host: Fragment, domains: [UInt8] = []) {
    let name = WireName.virtualHost(host.key)
    self.init(
      name: name, header: VirtualHost.encodedName(name), elementOf: host,
      from: VirtualHost.offsetAfterName(inFragment: host.bytes), trailer: domains)
  }
}
