internal import EnvoyAPI
internal import Synchronization
internal import XDSSnapshot

/// What is served: a handful of clusters, endpoints, listeners and routes whose bodies say, as text, what they are.
final class ServedWorld: Sendable {
  fileprivate struct State {
    var number: UInt64 = 0
    var version = 1
    var tables: [ResourceType: ResourceTable] = [:]
    /// The clusters that each host of each route names.
    var hosts: [String: [String: [String]]] = [:]
  }

  /// Which classes of proxies have a stream.
  final class Classes: Sendable {
    private struct State {
      var present: Set<ProxyClass> = []
      var hasChanged = false
    }
    private let state = Mutex(State())

    func arrived(_ proxyClass: ProxyClass) {
      state.withLock { state in
        state.present.insert(proxyClass)
        state.hasChanged = true
      }
    }

    func left(_ proxyClass: ProxyClass) {
      state.withLock { state in
        state.present.remove(proxyClass)
        state.hasChanged = true
      }
    }

    var present: Set<ProxyClass> { state.withLock { $0.present } }
    var isEmpty: Bool { present.isEmpty }

    func haveChanged() -> Bool {
      state.withLock { state in
        defer { state.hasChanged = false }
        return state.hasChanged
      }
    }
  }

  let classes = Classes()
  private let state = Mutex(State())

  static let clusterNames = (0..<6).map { "c\($0)" }
  static let listenerNames = (0..<2).map { "l\($0)" }
  static let routeNames = (0..<2).map { "r\($0)" }

  /// Proxies of three namespaces; what they are served is the same.
  static func proxyClass(of node: NodeIdentity) -> ProxyClass {
    ProxyClass(namespace: String(node.cluster.prefix(1)), listenHost: "127.0.0.1", listenPort: 15001)
  }

  /// One of everything.
  static func small() -> ServedWorld {
    let world = ServedWorld()
    world.setCluster("c0", hasEndpoints: true)
    world.setListener("l0")
    world.setHost("h0", of: "r0", clusters: ["c0"])
    return world
  }

  // MARK: Edits. Each gives what it sets a version of its own.

  func setCluster(_ name: String, hasEndpoints: Bool) {
    state.withLock { state in
      state.set(Resource(name: name, bytes: state.body(name)), .cluster)
      if hasEndpoints { state.set(Resource(name: name, bytes: state.body(name)), .endpoint) }
    }
  }

  func setEndpoints(_ name: String) {
    state.withLock { $0.set(Resource(name: name, bytes: $0.body(name)), .endpoint) }
  }

  /// Removes a cluster, its endpoints, and its name from routes: the gate admits no route to a cluster that is not there.
  func removeCluster(_ name: String) {
    state.withLock { state in
      state.tables[.cluster, default: .init()].remove(name)
      state.tables[.endpoint, default: .init()].remove(name)
      for route in state.hosts.keys {
        state.hosts[route]?.keys.forEach { state.hosts[route]?[$0]?.removeAll { $0 == name } }
        state.writeRoute(route)
      }
    }
  }

  func removeEndpoints(_ name: String) { state.withLock { $0.tables[.endpoint, default: .init()].remove(name) } }

  func setListener(_ name: String) {
    state.withLock { $0.set(Resource(name: name, bytes: $0.body(name)), .listener) }
  }

  func removeListener(_ name: String) { state.withLock { $0.tables[.listener, default: .init()].remove(name) } }

  func setHost(_ host: String, of route: String, clusters: [String]) {
    state.withLock { state in
      let known = clusters.filter { state.tables[.cluster, default: .init()][$0] != nil }
      state.hosts[route, default: [:]][host] = known
      state.version += 1
      state.writeRoute(route)
    }
  }

  func removeRoute(_ name: String) {
    state.withLock { state in
      state.hosts[name] = nil
      state.tables[.route, default: .init()].remove(name)
    }
  }

  /// New versions of everything.
  func renewAll() {
    for name in names(.cluster) { setCluster(name, hasEndpoints: false) }
    for name in names(.endpoint) { setEndpoints(name) }
    for name in names(.listener) { setListener(name) }
    let routes = state.withLock { $0.hosts }
    for (route, hosts) in routes.sorted(by: { $0.key < $1.key }) {
      for (host, clusters) in hosts.sorted(by: { $0.key < $1.key }) { setHost(host, of: route, clusters: clusters) }
    }
  }

  // MARK: Reading

  func names(_ type: ResourceType) -> [String] { content(type).keys.sorted() }

  /// The bodies by name.
  func content(_ type: ResourceType) -> [String: [UInt8]] {
    let table = state.withLock { $0.tables[type, default: .init()] }
    var content: [String: [UInt8]] = [:]
    table.tree.forEach { content[$0.name] = $0.flattened() }
    return content
  }

  /// The next generation, with the classes that are present.
  func generation() -> Generation {
    let present = classes.present
    return state.withLock { state in
      state.number += 1
      let tables = Generation.ClassTables(
        listeners: state.tables[.listener, default: .init()], routes: state.tables[.route, default: .init()])
      return Generation(
        number: state.number, clusters: state.tables[.cluster, default: .init()],
        endpoints: state.tables[.endpoint, default: .init()],
        classes: Dictionary(uniqueKeysWithValues: present.map { ($0, tables) }))
    }
  }

  /// The name that a body gives its resource; a stub for a route table that is not there has no such text.
  static func name(ofBody body: [UInt8]) -> String? {
    let text = String(decoding: body, as: UTF8.self)
    guard text.hasPrefix("name ") else { return nil }
    return String(text.dropFirst(5).prefix { $0 != " " && $0 != ";" })
  }
}

extension ServedWorld.State {
  fileprivate mutating func body(_ name: String) -> [UInt8] {
    version += 1
    return Array("name \(name) version \(version)".utf8)
  }

  fileprivate mutating func set(_ resource: Resource, _ type: ResourceType) {
    tables[type, default: .init()].set(resource)
  }

  fileprivate mutating func writeRoute(_ route: String) {
    var fragments = ReferencedTree<Fragment>()
    for (host, clusters) in hosts[route, default: [:]] {
      let text = " \(host) \(version) \(clusters.joined(separator: ","));"
      fragments.set(Fragment(key: host, bytes: Array(text.utf8), references: clusters))
    }
    tables[.route, default: .init()].set(
      Resource(name: route, header: Array("name \(route);".utf8), parts: [fragments]))
  }
}
