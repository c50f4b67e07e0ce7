internal import TrafficModel

extension ObjectHeader {
  /// Fields of a service that do not change what a sidecar inside the cluster does.
  private static let harmless: [String] = [
    "clusterIPs", "ipFamilies", "ipFamilyPolicy", "ipFamily", "externalIPs", "loadBalancerIP", "loadBalancerClass",
    "loadBalancerSourceRanges", "allocateLoadBalancerNodePorts", "externalTrafficPolicy", "healthCheckNodePort",
  ]

  func decodeService(_ root: Field) -> KubernetesService? {
    let spec = root["spec"]
    guard spec.isPresent else {
      spec.error("is required")
      return nil
    }
    spec.expectMapping(
      reads: [
        "ports", "selector", "type", "clusterIP", "externalName", "sessionAffinity", "sessionAffinityConfig",
        "internalTrafficPolicy", "publishNotReadyAddresses", "trafficDistribution",
      ], ignores: Self.harmless)
    let type = spec["type"].string() ?? "ClusterIP"
    switch type {
    case "ClusterIP", "NodePort", "LoadBalancer": break
    case "ExternalName":
      spec["type"].warning("ExternalName is not supported: the service is not served")
      return nil
    default:
      spec["type"].error(
        "must be one of ClusterIP, ExternalName, LoadBalancer, NodePort, not \"\(type)\"")
    }
    if let affinity = spec["sessionAffinity"].string(), affinity != "None" {
      spec["sessionAffinity"].unsupported("a DestinationRule's consistentHash keeps a client with an endpoint")
    }
    if let policy = spec["internalTrafficPolicy"].string(), policy != "Cluster" {
      spec["internalTrafficPolicy"].unsupported()
    }
    if spec["publishNotReadyAddresses"].bool() == true { spec["publishNotReadyAddresses"].unsupported() }
    if spec["trafficDistribution"].isPresent { spec["trafficDistribution"].unsupported() }

    let isHeadless = spec["clusterIP"].string() == "None"
    let ports = servicePorts(spec["ports"], mayBeEmpty: isHeadless)
    return KubernetesService(id: key.id, isHeadless: isHeadless, ports: ports, selector: spec["selector"].strings())
  }

  private func servicePorts(_ field: Field, mayBeEmpty: Bool) -> [ServicePort] {
    let items = field.items
    if items.isEmpty, !mayBeEmpty, !field.isPresent || field.isList {
      field.error("must name at least one port")
    }
    var ports: [ServicePort] = []
    var names: Set<String> = []
    var numbers: Set<String> = []
    for item in items {
      guard item.expectMapping(reads: ["name", "port", "targetPort", "protocol", "appProtocol"], ignores: ["nodePort"])
      else {
        if !item.isPresent { item.error("must be a mapping") }
        continue
      }
      let name = item["name"].string() ?? ""
      if name.isEmpty {
        if items.count > 1 { item["name"].error("is required where a service has several ports") }
      } else if !Names.isLabel(name) {
        item["name"].error("\"\(name)\" is not a valid name (lower-case letters, digits and `-`)")
      } else if !names.insert(name).inserted {
        item["name"].error("\"\(name)\" is the name of another port, too")
      }
      checkTargetPort(item["targetPort"])
      let transport = item["protocol"].word(["TCP": "TCP", "UDP": "UDP", "SCTP": "SCTP"]) ?? "TCP"
      let application = item["appProtocol"].string()
      if !item["port"].isPresent { item["port"].error("is required") }
      guard let number = item["port"].port() else { continue }
      if !numbers.insert("\(transport) \(number)").inserted {
        item["port"].error("\(transport) port \(number) is there twice")
      }
      if transport != "TCP" {
        item["protocol"].warning("\(transport) is not supported: port \(number) is not served")
        continue
      }
      ports.append(
        ServicePort(
          name: name, port: number,
          applicationProtocol: ApplicationProtocol.select(appProtocol: application, portName: name)))
    }
    return ports
  }

  /// A number or the name of a container's port. The endpoint slices say where traffic goes; here it only has to be sound.
  private func checkTargetPort(_ field: Field) {
    guard let node = field.node else { return }
    switch node.value {
    case .integer: _ = field.port()
    case .string(let name):
      if name.utf8.count > 15 || !Names.isLabel(name) || !name.contains(where: \.isLetter) {
        field.error("must be a port number or the name of a container's port, not \"\(name)\"")
      }
    default: field.mismatch("a port number or name")
    }
  }
}

extension Field {
  var isList: Bool { if case .list = node?.value { true } else { false } }
}

extension ApplicationProtocol {
  /// Istio, "Protocol Selection": `appProtocol` goes first, else the port's name up to the first `-`.
  /// https://istio.io/latest/docs/ops/configuration/traffic-management/protocol-selection/
  static func select(appProtocol: String?, portName: String) -> ApplicationProtocol {
    var word = portName.lowercased()
    if let declared = appProtocol?.lowercased(), !declared.isEmpty {
      switch declared {
      case "kubernetes.io/h2c": return .http2
      case "kubernetes.io/ws", "ws": return .http
      case "kubernetes.io/wss", "wss": return .tcp
      default: word = declared
      }
    }
    if word.hasPrefix("grpc-web") { return .http2 }
    switch word.prefix(while: { $0 != "-" }) {
    case "http", "http_proxy": return .http
    case "http2", "grpc": return .http2
    default: return .tcp
    }
  }
}
