import EnvoyAPI
import TrafficModel
import XDSSnapshot

/// Where the proxies of a class listen for their application. Classes with one address share their listeners.
struct ListenAddress: Hashable, Comparable, Sendable {
  var host: String
  var port: UInt16

  init(_ proxyClass: ProxyClass) {
    host = proxyClass.listenHost
    port = proxyClass.listenPort
  }

  static func < (a: Self, b: Self) -> Bool { (a.host, a.port) < (b.host, b.port) }

  /// The listener for HTTP.
  var httpListener: Resource { httpListener(routes: WireName.outbound) }

  func httpListener(routes: String, fetchesClusters: Bool = false) -> Resource {
    let listener = Listener(
      name: WireName.outbound, address: host, port: port,
      kind: .http(routeConfiguration: routes, fetchesClusters: fetchesClusters))
    return Resource(name: listener.name, bytes: listener.encoded())
  }
}

/// A service that wants a TCP port; the first by namespace and name has it.
struct PortClaim: OrderedElement {
  let service: NamespacedName
  let key: String
  var revision: Int { 0 }

  init(_ service: NamespacedName) {
    self.service = service
    // Orders as (namespace, name) does: nothing in a name is below the separator.
    key = "\(service.namespace)\0\(service.name)"
  }
}

/// The listeners of one TCP port, on every address that a class listens on.
struct PortListeners: Equatable, Sendable {
  var resources: [ListenAddress: Resource] = [:]
  var problems: [Problem] = []

  init(port: UInt16, owner: NamespacedName, addresses: [ListenAddress], clusterDomain: String) {
    let cluster = WireName.cluster(
      port: port, subset: "", host: "\(owner.name).\(owner.namespace).svc.\(clusterDomain)")
    for address in addresses {
      if address.port == port {
        problems.append(
          Problem(
            .warning, at: nil, object: ObjectKey(.service, owner), field: "spec.ports",
            "port \(port) gets no listener on \(address.host): listener \(WireName.outbound) of the proxies there has it"
          ))
        continue
      }
      let listener = Listener(name: cluster, address: address.host, port: port, kind: .tcp(cluster: cluster))
      resources[address] = Resource(name: cluster, bytes: listener.encoded(), references: [cluster])
    }
  }
}

extension KubernetesService {
  /// The ports that need a listener of their own.
  var tcpPorts: [UInt16] {
    hasRegularName ? distinctPorts.lazy.filter { !$0.applicationProtocol.isHTTP }.map(\.port) : []
  }

  /// - Parameter owner: who has a TCP port.
  func problems(owner: (UInt16) -> NamespacedName?) -> [Problem] {
    let object = ObjectKey(.service, id)
    guard hasRegularName else {
      return [
        Problem(
          .warning, at: nil, object: object, field: "metadata.name",
          "name and namespace must be DNS labels; the service is left out")
      ]
    }
    var problems: [Problem] = []
    let distinct = distinctPorts
    if distinct.count != ports.count {
      problems.append(
        Problem(
          .warning, at: nil, object: object, field: "spec.ports",
          "a port number occurs twice; the first by name is served"))
    }
    for port in tcpPorts {
      guard let owner = owner(port), owner != id else { continue }
      problems.append(
        Problem(
          .warning, at: nil, object: object, field: "spec.ports",
          "TCP port \(port) gets no listener: Service \(owner) has that port, and \(id) comes after it"))
    }
    return problems
  }
}
