import EnvoyAPI
import Foundation
import TrafficCompiler
import TrafficModel
import XDSSnapshot

let shopClass = ProxyClass(namespace: "shop", listenHost: "127.0.0.1", listenPort: 15001)
/// As `shopClass`, with virtual hosts one by one.
let hostByHostClass = ProxyClass(
  namespace: "shop", listenHost: "127.0.0.1", listenPort: 15001, takesVirtualHosts: true)
let otherClass = ProxyClass(namespace: "bank", listenHost: "127.0.0.1", listenPort: 15001)

/// A message as parsed JSON, read by paths such as `routes.0.route.cluster`.
struct Rendered {
  var value: Any?

  subscript(path: String) -> Rendered {
    var current = value
    for part in path.split(separator: ".") {
      if let index = Int(part) {
        let list = current as? [Any]
        current = list.flatMap { $0.indices.contains(index) ? $0[index] : nil }
      } else {
        current = (current as? [String: Any])?[String(part)]
      }
    }
    return Rendered(value: current)
  }

  var text: String? { value as? String }
  var number: Double? { (value as? NSNumber)?.doubleValue }
  var list: [Rendered] { (value as? [Any] ?? []).map { Rendered(value: $0) } }
  var texts: [String] { list.compactMap(\.text) }
}

extension Generation {
  func rendered(_ type: ResourceType, _ name: String, for proxyClass: ProxyClass = shopClass) throws -> Rendered? {
    guard let resource = table(type, for: proxyClass)?[name] else { return nil }
    let url =
      switch type {
      case .cluster: TypeURL.cluster
      case .endpoint: TypeURL.endpoint
      case .listener: TypeURL.listener
      case .route: TypeURL.route
      case .virtualHost: TypeURL.virtualHost
      case .loneEndpoint: TypeURL.lbEndpoint
      }
    let text = try EnvoyJSON.render(typeURL: url, bytes: resource.flattened())
    return Rendered(value: try JSONSerialization.jsonObject(with: Data(text.utf8)))
  }

  func names(_ type: ResourceType, for proxyClass: ProxyClass = shopClass) -> [String] {
    var names: [String] = []
    table(type, for: proxyClass)?.tree.forEach { names.append($0.name) }
    return names.sorted()
  }

  /// The virtual hosts by name.
  func virtualHosts(for proxyClass: ProxyClass = shopClass) throws -> [String: Rendered] {
    let hosts = try rendered(.route, "outbound", for: proxyClass)?["virtualHosts"].list ?? []
    return Dictionary(uniqueKeysWithValues: hosts.map { ($0["name"].text ?? "", $0) })
  }

  /// The virtual hosts that are resources of their own, by resource name.
  func hostsAlone(for proxyClass: ProxyClass = hostByHostClass) throws -> [String: Rendered] {
    var hosts: [String: Rendered] = [:]
    for name in names(.virtualHost, for: proxyClass) {
      hosts[name] = try rendered(.virtualHost, name, for: proxyClass)
    }
    return hosts
  }

  /// `address:port`, with `draining` where it is so, by `region/zone`.
  func endpoints(_ cluster: String) throws -> [String: [String]]? {
    guard let assignment = try rendered(.endpoint, cluster) else { return nil }
    var all: [String: [String]] = [:]
    for locality in assignment["endpoints"].list {
      let place = "\(locality["locality.region"].text ?? "")/\(locality["locality.zone"].text ?? "")"
      all[place] = locality["lbEndpoints"].list.map { endpoint in
        let address = endpoint["endpoint.address.socketAddress"]
        let isDraining = endpoint["healthStatus"].text == "DRAINING"
        return
          "\(address["address"].text ?? ""):\(Int(address["portValue"].number ?? 0))\(isDraining ? " draining" : "")"
      }
    }
    return all
  }
}

/// What runs in the transactions of `body`, as `collection[key]`, sorted.
func runs(_ compiler: TrafficCompiler, _ body: () -> Void) -> [String] {
  compiler.recordsEvents = true
  compiler.clearLog()
  body()
  compiler.recordsEvents = false
  return compiler.log.events.filter { $0.kind == .ran || $0.kind == .removed }.map { "\($0.collection)[\($0.key)]" }
    .sorted()
}

// MARK: Objects

func id(_ text: String) -> NamespacedName {
  let parts = text.split(separator: "/")
  return NamespacedName(namespace: String(parts[0]), name: String(parts[1]))
}

func service(_ name: String, _ ports: [ServicePort]? = nil) -> Edit {
  let ports = ports ?? [ServicePort(name: "http", port: 80, applicationProtocol: .http)]
  return .upsert(.service(KubernetesService(id: id(name), ports: ports)))
}

func port(_ number: UInt16, _ name: String, _ applicationProtocol: ApplicationProtocol) -> ServicePort {
  ServicePort(name: name, port: number, applicationProtocol: applicationProtocol)
}

func slice(
  _ name: String, of service: String, ports: [EndpointSlice.Port] = [.init(name: "http", port: 8080)],
  _ endpoints: [EndpointSlice.Endpoint]
) -> Edit {
  .upsert(.endpointSlice(EndpointSlice(id: id(name), service: service, ports: ports, endpoints: endpoints)))
}

func pod(_ name: String, _ labels: [String: String], node: String? = nil) -> Edit {
  .upsert(.pod(Pod(id: id(name), labels: labels, nodeName: node)))
}

func destinationRule(
  _ name: String, host: String, _ loadBalancer: LoadBalancer? = nil, subsets: [DestinationRule.Subset] = []
) -> Edit {
  .upsert(
    .destinationRule(DestinationRule(id: id(name), host: host, loadBalancer: loadBalancer, subsets: subsets)))
}

let versions: [DestinationRule.Subset] = [
  .init(name: "v1", labels: ["version": "v1"]), .init(name: "v2", labels: ["version": "v2"]),
]

func virtualService(_ name: String, hosts: [String], _ http: [HTTPRoute]) -> Edit {
  .upsert(.virtualService(VirtualService(id: id(name), hosts: hosts, http: http)))
}

/// A rule that sends everything to one host.
func all(to host: String) -> [HTTPRoute] { [HTTPRoute(destinations: [RouteDestination(host: host)])] }

func split(_ host: String, _ weight: UInt32) -> [HTTPRoute] {
  [
    HTTPRoute(destinations: [
      RouteDestination(host: host, subset: "v1", weight: weight),
      RouteDestination(host: host, subset: "v2", weight: 100 - weight),
    ])
  ]
}

/// A compiler with the class of namespace `shop`, and these objects.
func compiler(_ edits: [Edit]...) -> TrafficCompiler {
  let compiler = TrafficCompiler(checksReads: true)
  compiler.addClass(shopClass)
  for batch in edits { compiler.apply(batch) }
  return compiler
}
