import Dispatch
import EnvoyAPI
import TrafficModel
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

/// The tables of what is served, from which generations are made.
struct ServedTables {
  var clusters = PendingTable<Resource>()
  var endpoints = PendingTable<Resource>()
  /// Whether assignments are served without their endpoints as well, where these are many.
  var hasLoneEndpoints = false
  private var loneAssignments = PendingTable<Resource>()
  private var loneEndpoints = PendingTable<Resource>()
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
  private let header = RouteConfiguration.encodedHeader(name: WireName.outbound)
  private let routesHostByHost = Resource(
    name: WireName.outboundHostByHost,
    bytes: RouteConfiguration.encodedHostByHost(name: WireName.outboundHostByHost))
  private var virtualHosts = VirtualHostTables()

  mutating func note(_ old: Box<Assignment>?, _ new: Box<Assignment>?) {
    endpoints.note(old?.content.resource, new?.content.resource)
    guard hasLoneEndpoints else { return }
    let assignment = new.map { $0.content.lone?.assignment ?? $0.content.resource }
    let before = old.map { $0.content.lone?.assignment ?? $0.content.resource }
    // One endpoint more leaves the assignment as it is.
    if assignment != before { loneAssignments.note(before, assignment) }
    loneEndpoints.note(from: old?.content.lone?.endpoints ?? .init(), to: new?.content.lone?.endpoints ?? .init())
  }

  /// A transaction has settled that is not published by itself.
  mutating func endPortion() {
    clusters.endPortion()
    endpoints.endPortion()
    loneAssignments.endPortion()
    loneEndpoints.endPortion()
    sharedHosts.endPortion()
    for key in shortHosts.keys { shortHosts[key]?.endPortion() }
    for key in shortDomains.keys { shortDomains[key]?.endPortion() }
    for key in listeners.keys { listeners[key]?.endPortion() }
  }

  mutating func add(_ proxyClass: ProxyClass) {
    if classes[proxyClass] == nil { added.append(proxyClass) }
  }

  mutating func remove(_ proxyClass: ProxyClass) {
    if classes.removeValue(forKey: proxyClass) != nil { hasRemovedClass = true }
  }

  /// The next generation, or nil if nothing changed on the wire. O(classes) if routes or listeners changed, else O(1).
  mutating func publish(after generation: Generation) -> Generation? {
    let large = settleLarge()
    var hasChanged = clusters.settle() || large.hasChanged
    if endpoints.settle() { hasChanged = true }
    if loneAssignments.settle() { hasChanged = true }
    if loneEndpoints.settle() { hasChanged = true }
    if updateClasses(hasSharedChange: large.hasSharedChange) { hasChanged = true }
    return hasChanged ? current(generation.number + 1) : nil
  }

  /// Settles the largest tables side by side, on as many processors as there are, where each has much to do. They have nothing
  /// to do with each other, and come out as they would one by one.
  private mutating func settleLarge() -> (hasChanged: Bool, hasSharedChange: Bool) {
    guard min(clusters.changeCount, endpoints.changeCount, sharedHosts.changeCount) >= 2048 else {
      return (false, false)
    }
    var answers = (clusters: false, endpoints: false, hosts: false)
    withUnsafeMutablePointer(to: &self) { tables in
      withUnsafeMutablePointer(to: &answers) { answers in
        // Each piece of work has a table and an answer of its own, and all have ended when the call returns.
        nonisolated(unsafe) let (tables, answers) = (tables, answers)
        DispatchQueue.concurrentPerform(iterations: 3) { piece in
          switch piece {
          case 0: answers.pointee.hosts = tables.pointee.sharedHosts.settle()
          case 1: answers.pointee.endpoints = tables.pointee.endpoints.settle()
          default: answers.pointee.clusters = tables.pointee.clusters.settle()
          }
        }
      }
    }
    return (answers.clusters || answers.endpoints, answers.hosts)
  }

  /// The tables as they are now.
  func current(_ number: UInt64) -> Generation {
    Generation(
      number: number, clusters: clusters.table, endpoints: endpoints.table,
      loneEndpoints: hasLoneEndpoints
        ? .init(assignments: loneAssignments.table, endpoints: loneEndpoints.table) : nil,
      classes: classes)
  }

  private mutating func updateClasses(hasSharedChange hadSharedChange: Bool) -> Bool {
    let hasSharedChange = sharedHosts.settle() || hadSharedChange
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
    return changed
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
