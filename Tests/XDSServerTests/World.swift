import XDSSnapshot

@testable import XDSServer

/// A small world to serve: edits share structure between generations, as the compiler's do. Bodies are readable text, so
/// that a simulated client can check what it is told.
struct World {
  static let proxyClass = ProxyClass(namespace: "default", listenHost: "127.0.0.1", listenPort: 15001)
  static let routeName = "outbound"
  /// Proxies that take virtual hosts one by one, and the route table that they get.
  static let hostByHostClass = ProxyClass(
    namespace: "default", listenHost: "127.0.0.1", listenPort: 15001, takesVirtualHosts: true)
  static let hostlessName = "outbound-vhds"

  private(set) var number: UInt64 = 0
  var clusters = ResourceTable()
  var endpoints = ResourceTable()
  var listeners = ResourceTable()
  var routes = ResourceTable()

  init() {
    listener("http", version: 1)
    writeHosts([])
  }

  mutating func cluster(_ name: String, version: Int = 1, endpoints: Int? = 1) {
    clusters.set(Resource(name: name, bytes: Array("C \(name) \(version)".utf8)))
    if let endpoints { endpoint(name, version: endpoints) }
  }

  mutating func endpoint(_ name: String, version: Int) {
    endpoints.set(Resource(name: name, bytes: Array("E \(name) \(version)".utf8)))
  }

  mutating func removeCluster(_ name: String) {
    clusters.remove(name)
    endpoints.remove(name)
  }

  mutating func listener(_ name: String, version: Int, clusters: [String] = []) {
    let text = "L \(name) \(version) \(clusters.joined(separator: ","))"
    listeners.set(Resource(name: name, bytes: Array(text.utf8), references: clusters))
  }

  mutating func host(_ name: String, version: Int = 1, _ clusters: [String], in route: String = routeName) {
    var hosts = hosts(of: route)
    let text = "\(name) \(version) \(clusters.joined(separator: ","));"
    hosts.set(Fragment(key: name, bytes: Array(text.utf8), references: clusters))
    routes.set(Resource(name: route, header: Array("R \(route);".utf8), parts: [hosts]))
  }

  mutating func removeHost(_ name: String, in route: String = routeName) {
    var hosts = hosts(of: route)
    hosts.remove(name)
    routes.set(Resource(name: route, header: Array("R \(route);".utf8), parts: [hosts]))
  }

  private mutating func writeHosts(_ fragments: [Fragment]) {
    var hosts = ReferencedTree<Fragment>()
    for fragment in fragments { hosts.set(fragment) }
    routes.set(Resource(name: Self.routeName, header: Array("R \(Self.routeName);".utf8), parts: [hosts]))
  }

  private func hosts(of route: String) -> ReferencedTree<Fragment> {
    if case .fragments(_, let parts)? = routes[route]?.body { parts[0] } else { .init() }
  }

  func table(_ type: ResourceType) -> ResourceTable {
    switch type {
    case .cluster: clusters
    case .endpoint: endpoints
    case .listener: listeners
    case .route: routes
    case .virtualHost: virtualHosts
    case .loneEndpoint: .init()
    }
  }

  /// The hosts of the first route table as resources of their own.
  var virtualHosts: ResourceTable {
    var table = ResourceTable()
    hosts(of: Self.routeName).tree.forEach { host in
      let name = "\(Self.hostlessName)/\(host.key)"
      table.set(Resource(name: name, header: Array("V \(name) ".utf8), elementOf: host, from: 0))
    }
    return table
  }

  private var hostByHost: Generation.HostByHost {
    var listeners = listeners
    if let listener = listeners["http"] {
      listeners.set(Resource(name: "http", bytes: listener.flattened() + Array(" vhds".utf8)))
    }
    return .init(routeTable: Self.hostlessName, listeners: listeners, virtualHosts: virtualHosts)
  }

  /// The next generation.
  mutating func generation() -> Generation {
    number += 1
    var allRoutes = routes
    allRoutes.set(Resource(name: Self.hostlessName, bytes: Array("R \(Self.hostlessName);".utf8)))
    return Generation(
      number: number, clusters: clusters, endpoints: endpoints,
      classes: [
        Self.proxyClass: .init(listeners: listeners, routes: routes),
        Self.hostByHostClass: .init(listeners: listeners, routes: allRoutes, hostByHost: hostByHost),
      ])
  }

  /// The virtual hosts in a route table's text, with the clusters that each names.
  static func hosts(in resource: Resource) -> [String: [String]] {
    let text = String(decoding: resource.flattened(), as: UTF8.self)
    var hosts: [String: [String]] = [:]
    for line in text.split(separator: ";").dropFirst() {
      let words = line.split(separator: " ", omittingEmptySubsequences: false)
      hosts[String(words[0])] = words[2].split(separator: ",").map(String.init)
    }
    return hosts
  }
}

extension ResourceType {
  /// The types that are for every client, in both protocols and on services of their own.
  static let general = allCases.filter { ![.virtualHost, .loneEndpoint].contains($0) }
}

extension SharedResponses {
  static func forTests() -> SharedResponses {
    SharedResponses { type, name in
      Resource(name: name, bytes: Array((type == .route ? "R \(name);" : "E \(name) 0.5").utf8))
    }
  }
}
