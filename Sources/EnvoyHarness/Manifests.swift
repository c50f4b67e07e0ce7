/// An object of Kubernetes or Istio that can be written as YAML. Only what Weir's tests need; for anything else write the
/// text itself (`RawManifest`).
public protocol ManifestDocument: Sendable {
  /// One YAML document, without `---`.
  var yaml: String { get }
}

/// Text that is written as it is.
public struct RawManifest: ManifestDocument {
  public var yaml: String
  public init(_ yaml: String) { self.yaml = yaml }
}

private func metadata(_ name: String, _ namespace: String?, labels: [String: String] = [:]) -> String {
  var text = "metadata:\n  name: \(name)\n"
  if let namespace { text += "  namespace: \(namespace)\n" }
  if !labels.isEmpty { text += "  labels:\n" + map(labels, indent: 4) }
  return text
}

private func map(_ pairs: [String: String], indent: Int) -> String {
  pairs.sorted { $0.key < $1.key }.map { key, value in
    String(repeating: " ", count: indent) + "\(key): \"\(value)\"\n"
  }.joined()
}

/// A core/v1 `Service`.
public struct ServiceManifest: ManifestDocument {
  public struct Port: Sendable, Hashable {
    public var name: String
    public var port: Int
    public var applicationProtocol: String?
    public init(name: String = "http", port: Int = 80, applicationProtocol: String? = nil) {
      self.name = name
      self.port = port
      self.applicationProtocol = applicationProtocol
    }
  }

  public var name: String
  public var namespace: String
  public var ports: [Port]
  public var isHeadless: Bool

  public init(_ name: String, namespace: String = "default", ports: [Port] = [Port()], isHeadless: Bool = false) {
    self.name = name
    self.namespace = namespace
    self.ports = ports
    self.isHeadless = isHeadless
  }

  public var yaml: String {
    var text = "apiVersion: v1\nkind: Service\n" + metadata(name, namespace) + "spec:\n"
    if isHeadless { text += "  clusterIP: None\n" }
    text += "  selector:\n    app: \"\(name)\"\n  ports:\n"
    for port in ports {
      text += "  - name: \(port.name)\n    port: \(port.port)\n    targetPort: \(port.name)\n"
      if let applicationProtocol = port.applicationProtocol { text += "    appProtocol: \(applicationProtocol)\n" }
    }
    return text
  }
}

/// A discovery.k8s.io/v1 `EndpointSlice`.
public struct EndpointSliceManifest: ManifestDocument {
  public struct Endpoint: Sendable, Hashable {
    public enum State: Sendable, Hashable {
      case ready
      /// Terminating and still serving: a pod within its grace.
      case draining
      case notReady
    }

    public var address: String
    public var state: State
    public var pod: String?
    public var zone: String?

    public init(_ address: String, state: State = .ready, pod: String? = nil, zone: String? = nil) {
      self.address = address
      self.state = state
      self.pod = pod
      self.zone = zone
    }
  }

  public var name: String
  public var namespace: String
  public var service: String
  /// Port numbers by the name of the service's port.
  public var ports: [String: Int]
  public var endpoints: [Endpoint]

  public init(
    _ name: String, namespace: String = "default", service: String, ports: [String: Int] = ["http": Backend.usualPort],
    endpoints: [Endpoint]
  ) {
    self.name = name
    self.namespace = namespace
    self.service = service
    self.ports = ports
    self.endpoints = endpoints
  }

  public var yaml: String {
    var text = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n"
    text += metadata(name, namespace, labels: ["kubernetes.io/service-name": service])
    text += "addressType: IPv4\nports:\n"
    for (name, port) in ports.sorted(by: { $0.key < $1.key }) {
      text += "- name: \(name)\n  port: \(port)\n  protocol: TCP\n"
    }
    text += endpoints.isEmpty ? "endpoints: []\n" : "endpoints:\n"
    for endpoint in endpoints {
      let (ready, serving, terminating) =
        switch endpoint.state {
        case .ready: (true, true, false)
        case .draining: (false, true, true)
        case .notReady: (false, false, false)
        }
      text += "- addresses: [\"\(endpoint.address)\"]\n"
      text += "  conditions: {ready: \(ready), serving: \(serving), terminating: \(terminating)}\n"
      if let zone = endpoint.zone { text += "  zone: \(zone)\n" }
      if let pod = endpoint.pod {
        text += "  targetRef: {kind: Pod, name: \(pod), namespace: \(namespace)}\n"
      }
    }
    return text
  }
}

/// A core/v1 `Pod`: its labels.
public struct PodManifest: ManifestDocument {
  public var name: String
  public var namespace: String
  public var labels: [String: String]

  public init(_ name: String, namespace: String = "default", labels: [String: String]) {
    self.name = name
    self.namespace = namespace
    self.labels = labels
  }

  public var yaml: String { "apiVersion: v1\nkind: Pod\n" + metadata(name, namespace, labels: labels) }
}

/// Istio's `DestinationRule`: named subsets by labels.
public struct DestinationRuleManifest: ManifestDocument {
  public var name: String
  public var namespace: String
  public var host: String
  /// Labels by the subset's name.
  public var subsets: [String: [String: String]]

  public init(_ name: String, namespace: String = "default", host: String, subsets: [String: [String: String]]) {
    self.name = name
    self.namespace = namespace
    self.host = host
    self.subsets = subsets
  }

  /// Subsets named like the versions that they select by the label `version`.
  public init(_ name: String, namespace: String = "default", host: String, versions: [String]) {
    let subsets = versions.map { ($0, ["version": $0]) }
    self.init(name, namespace: namespace, host: host, subsets: Dictionary(uniqueKeysWithValues: subsets))
  }

  public var yaml: String {
    var text = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n" + metadata(name, namespace)
    text += "spec:\n  host: \(host)\n" + (subsets.isEmpty ? "  subsets: []\n" : "  subsets:\n")
    for (name, labels) in subsets.sorted(by: { $0.key < $1.key }) {
      text += "  - name: \(name)\n    labels:\n" + map(labels, indent: 6)
    }
    return text
  }
}

/// Istio's `VirtualService`: http routes with weighted destinations.
public struct VirtualServiceManifest: ManifestDocument {
  public struct Destination: Sendable, Hashable {
    public var host: String
    public var subset: String?
    public var weight: Int?
    public init(_ host: String, subset: String? = nil, weight: Int? = nil) {
      self.host = host
      self.subset = subset
      self.weight = weight
    }
  }

  public struct Route: Sendable, Hashable {
    public var prefix: String?
    /// Exact values by the header's name.
    public var headers: [String: String]
    public var destinations: [Destination]
    public init(prefix: String? = nil, headers: [String: String] = [:], to destinations: [Destination]) {
      self.prefix = prefix
      self.headers = headers
      self.destinations = destinations
    }
  }

  public var name: String
  public var namespace: String
  public var hosts: [String]
  public var routes: [Route]

  public init(_ name: String, namespace: String = "default", hosts: [String], routes: [Route]) {
    self.name = name
    self.namespace = namespace
    self.hosts = hosts
    self.routes = routes
  }

  /// One route that splits a service between its subsets.
  public init(_ name: String, namespace: String = "default", host: String, weights: [(subset: String, weight: Int)]) {
    let destinations = weights.map { Destination(host, subset: $0.subset, weight: $0.weight) }
    self.init(name, namespace: namespace, hosts: [host], routes: [Route(to: destinations)])
  }

  public var yaml: String {
    var text = "apiVersion: networking.istio.io/v1\nkind: VirtualService\n" + metadata(name, namespace)
    text += "spec:\n  hosts:\n" + hosts.map { "  - \"\($0)\"\n" }.joined() + "  http:\n"
    for route in routes {
      var isFirst = true
      func line(_ content: String) {
        text += (isFirst ? "  - " : "    ") + content + "\n"
        isFirst = false
      }
      if route.prefix != nil || !route.headers.isEmpty {
        var conditions: [String] = []
        if let prefix = route.prefix { conditions.append("uri: {prefix: \"\(prefix)\"}") }
        if !route.headers.isEmpty {
          let headers = route.headers.sorted { $0.key < $1.key }.map { "\($0.key): {exact: \"\($0.value)\"}" }
          conditions.append("headers: {\(headers.joined(separator: ", "))}")
        }
        line("match:")
        line("- {\(conditions.joined(separator: ", "))}")
      }
      line("route:")
      for destination in route.destinations {
        line("- destination:")
        line("    host: \(destination.host)")
        if let subset = destination.subset { line("    subset: \(subset)") }
        if let weight = destination.weight { line("  weight: \(weight)") }
      }
    }
    return text
  }
}
