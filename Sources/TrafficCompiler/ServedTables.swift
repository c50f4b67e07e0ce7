import EnvoyAPI
import TrafficModel
import XDSSnapshot

/// The tables of what is served, from which generations are made.
struct ServedTables {
  private let clusterTables: ClusterTables
  /// The virtual hosts that every proxy gets.
  var sharedHosts = PendingTable<Fragment>()
  /// By namespace: the virtual hosts by short names.
  var shortHosts: [String: PendingTable<Fragment>] = [:]
  /// By namespace: the domains of short names.
  var shortDomains: [String: PendingTable<HostDomains>] = [:]
  var listeners: [ListenAddress: PendingTable<Resource>] = [:]

  private var classes: [ProxyClass: Generation.ClassTables] = [:]
  private var added: [ProxyClass] = []
  private var hasRemovedClass = false
  /// Whether the shared hosts have become others since the last publication.
  private var hasSettledHosts = false
  private let header = RouteConfiguration.encodedHeader(name: WireName.outbound)
  private let routesHostByHost = Resource(
    name: WireName.outboundHostByHost,
    bytes: RouteConfiguration.encodedHostByHost(name: WireName.outboundHostByHost))
  private var virtualHosts = VirtualHostTables()

  init(beside clusterTables: ClusterTables) { self.clusterTables = clusterTables }

  /// A transaction of the routes' graph has settled that is not published by itself.
  mutating func endPortion() {
    sharedHosts.endPortion()
    for key in shortHosts.keys { shortHosts[key]?.endPortion() }
    for key in shortDomains.keys { shortDomains[key]?.endPortion() }
    for key in listeners.keys { listeners[key]?.endPortion() }
  }

  mutating func add(_ proxyClass: ProxyClass) {
    if classes[proxyClass] == nil { added.append(proxyClass) }
  }

  mutating func remove(_ proxyClass: ProxyClass) {
    guard classes.removeValue(forKey: proxyClass) != nil else { return }
    hasRemovedClass = true
    Self.giveRoomBack(of: &classes)
  }

  /// The next generation, or nil if nothing changed on the wire. O(classes) if routes or listeners changed, else O(1).
  mutating func publish(after generation: Generation) -> Generation? {
    var hasChanged = clusterTables.settle()
    settleHosts()
    if updateClasses() { hasChanged = true }
    return hasChanged ? current(generation.number + 1) : nil
  }

  /// Settles the hosts that every proxy gets, before the rest is published.
  mutating func settleHosts() {
    if sharedHosts.settle() { hasSettledHosts = true }
  }

  /// The tables as they are now.
  func current(_ number: UInt64) -> Generation {
    Generation(
      number: number, clusters: clusterTables.clusters.table, endpoints: clusterTables.endpoints.table,
      loneEndpoints: clusterTables.servedAlone, classes: classes)
  }

  private mutating func updateClasses() -> Bool {
    let hasSharedChange = hasSettledHosts
    hasSettledHosts = false
    let changedNamespaces = Self.settle(&shortHosts).union(Self.settle(&shortDomains))
    let changedAddresses = Self.settle(&listeners)
    guard
      hasSharedChange || !changedNamespaces.isEmpty || !changedAddresses.isEmpty || !added.isEmpty || hasRemovedClass
    else { return false }
    var hasChanged = hasRemovedClass || !added.isEmpty
    hasRemovedClass = false
    virtualHosts.update(
      namespaces: (classes.keys + added).lazy.filter(\.takesVirtualHosts).map(\.namespace), shared: sharedHosts.table,
      domains: { [shortDomains] in shortDomains[$0]?.table ?? .init() })
    var routes: [String: ResourceTable] = [:]
    for proxyClass in Array(classes.keys) {
      if hasSharedChange || changedNamespaces.contains(proxyClass.namespace) {
        let table = routeTable(proxyClass.namespace, &routes)
        classes[proxyClass]?.routes = table
        if proxyClass.takesVirtualHosts, let hosts = virtualHosts[proxyClass.namespace] {
          classes[proxyClass]?.hostByHost?.virtualHosts = hosts
        }
        hasChanged = true
      }
      let address = ListenAddress(proxyClass)
      if changedAddresses.contains(address) {
        let table = listeners(of: proxyClass)
        classes[proxyClass]?.listeners = table
        let hostByHost = hostByHost(table, address)
        classes[proxyClass]?.hostByHost?.listeners = hostByHost
        hasChanged = true
      }
    }
    for proxyClass in added {
      let address = ListenAddress(proxyClass)
      var tables = Generation.ClassTables(
        listeners: listeners(of: proxyClass), routes: routeTable(proxyClass.namespace, &routes))
      if proxyClass.takesVirtualHosts {
        tables.hostByHost = .init(
          routeTable: WireName.outboundHostByHost, listeners: hostByHost(tables.listeners, address),
          virtualHosts: virtualHosts[proxyClass.namespace] ?? .init())
      }
      classes[proxyClass] = tables
    }
    added = []
    return hasChanged
  }

  /// The keys whose tables became others; tables that have become empty go.
  private static func settle<Key: Hashable, Element>(_ tables: inout [Key: PendingTable<Element>]) -> Set<Key> {
    var changed: Set<Key> = []
    for (key, table) in tables where table.hasChanges {
      if tables[key]?.settle() == true { changed.insert(key) }
      if tables[key]?.table.count == 0 { tables[key] = nil }
    }
    giveRoomBack(of: &tables)
    return changed
  }

  /// A dictionary never shrinks by itself, and each generation has one of classes: after a thousand kinds of proxies have come and
  /// gone these would take 100 kB each. O(1) for each element that has gone.
  private static func giveRoomBack<Key, Value>(of tables: inout [Key: Value]) {
    guard tables.capacity > 64, tables.count < tables.capacity / 8 else { return }
    tables = Dictionary(uniqueKeysWithValues: tables.map { ($0.key, $0.value) })
  }

  private func listeners(of proxyClass: ProxyClass) -> ResourceTable {
    let address = ListenAddress(proxyClass)
    var table = listeners[address]?.table ?? .init()
    if proxyClass.fetchesClusters {
      table.set(address.httpListener(routes: WireName.outbound, fetchesClusters: true))
    }
    return table
  }

  /// The listeners with one for HTTP that takes virtual hosts one by one.
  private func hostByHost(_ listeners: ResourceTable, _ address: ListenAddress) -> ResourceTable {
    var table = listeners
    table.set(address.httpListener(routes: WireName.outboundHostByHost))
    return table
  }

  private func routeTable(_ namespace: String, _ made: inout [String: ResourceTable]) -> ResourceTable {
    if let table = made[namespace] { return table }
    var table = ResourceTable()
    table.set(
      Resource(
        name: WireName.outbound, header: header,
        parts: [sharedHosts.table, shortHosts[namespace]?.table ?? .init()]))
    table.set(routesHostByHost)
    made[namespace] = table
    return table
  }
}
