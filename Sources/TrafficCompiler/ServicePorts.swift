import EnvoyAPI
import TrafficModel

/// Names on the wire. They come from content, so that the same object has the same name wherever it stands in its list.
enum WireName {
  /// The RouteConfiguration, and the HTTP listener.
  static let outbound = "outbound"
  /// The RouteConfiguration whose virtual hosts are resources of their own, `outbound-vhds/HOST`. It has another name, so that
  /// a proxy goes from one form to the other by a listener that it warms first, and has both while it does.
  static let outboundHostByHost = "outbound-vhds"

  /// A virtual host that is a resource of its own.
  static func virtualHost(_ name: String) -> String { String(joining: outboundHostByHost, "/", name) }

  /// A cluster, its assignment, and a TCP port's listener; `subset` is empty for the whole service.
  static func cluster(port: UInt16, subset: String, host: String) -> String {
    String(joining: "outbound|", String(port), "|", subset, "|", host)
  }
}

extension KubernetesService {
  /// Whether name and namespace are DNS labels as Kubernetes demands. With a dot in them the forms of a host name would
  /// no longer tell which service they mean (`b` in `a.svc`, and `b.a.svc`), so such a service is left out.
  var hasRegularName: Bool {
    func isRegular(_ label: String) -> Bool {
      func hasNoDot(_ text: UnsafeBufferPointer<UInt8>) -> Bool { text.allSatisfy { $0 != UInt8(ascii: ".") } }
      return !label.isEmpty
        && (label.utf8.withContiguousStorageIfAvailable(hasNoDot) ?? !label.utf8.contains(UInt8(ascii: ".")))
    }
    return isRegular(id.name) && isRegular(id.namespace)
  }

  /// The ports in ascending order, one of a number: of several the first by name.
  var distinctPorts: [ServicePort] {
    if ports.count < 2 { return ports }
    var distinct: [ServicePort] = []
    for port in ports.sorted(by: { ($0.port, $0.name) < ($1.port, $1.name) }) where distinct.last?.port != port.port {
      distinct.append(port)
    }
    return distinct
  }

  /// The port that a Host header without one means: 80 if it is HTTP here, else the lowest HTTP port.
  var defaultHTTPPort: UInt16? {
    if ports.count == 1 { return ports[0].applicationProtocol.isHTTP ? ports[0].port : nil }
    let http = distinctPorts.filter(\.applicationProtocol.isHTTP)
    return http.contains { $0.port == 80 } ? 80 : http.first?.port
  }
}
