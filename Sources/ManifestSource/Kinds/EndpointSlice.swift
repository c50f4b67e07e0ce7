internal import TrafficModel

extension ObjectHeader {
  func decodeEndpointSlice(_ root: Field) -> EndpointSlice? {
    let family = root["addressType"].word(["IPv4": AddressFamily.v4, "IPv6": .v6, "FQDN": .name])
    if !root["addressType"].isPresent { root["addressType"].error("is required") }
    if family == .name {
      root["addressType"].error("FQDN is not supported: an endpoint's address must be an IP address")
      return nil
    }
    let service = labels["kubernetes.io/service-name"] ?? ""
    if service.isEmpty {
      root["metadata"]["labels"].warning(
        "has no label kubernetes.io/service-name: the slice belongs to no service and has no effect")
    } else if !Names.isLabel(service) {
      root["metadata"]["labels"]["kubernetes.io/service-name"].error("\"\(service)\" is not the name of a service")
    }
    let ports = slicePorts(root["ports"])
    let endpoints = root["endpoints"].items.compactMap { endpoint($0, family: family) }
    if service.isEmpty { return nil }
    return EndpointSlice(id: key.id, service: service, ports: ports, endpoints: endpoints)
  }

  private enum AddressFamily { case v4, v6, name }

  private func slicePorts(_ field: Field) -> [EndpointSlice.Port] {
    var names: Set<String> = []
    var ports: [EndpointSlice.Port] = []
    for item in field.items {
      guard item.expectMapping(reads: ["name", "port", "protocol"], ignores: ["appProtocol"]) else {
        if !item.isPresent { item.error("must be a mapping") }
        continue
      }
      let name = item["name"].string() ?? ""
      let transport = item["protocol"].word(["TCP": "TCP", "UDP": "UDP", "SCTP": "SCTP"]) ?? "TCP"
      if !name.isEmpty, !Names.isLabel(name) {
        item["name"].error("\"\(name)\" is not a valid name (lower-case letters, digits and `-`)")
      } else if !names.insert(name).inserted {
        item["name"].error("\"\(name)\" is the name of another port, too")
      }
      guard item["port"].isPresent else {
        item["port"].warning("a port without a number is not supported and has no effect")
        continue
      }
      guard let number = item["port"].port() else { continue }
      if transport != "TCP" {
        item["protocol"].warning("\(transport) is not supported: port \(number) is not served")
        continue
      }
      ports.append(EndpointSlice.Port(name: name, port: number))
    }
    return ports
  }

  private func endpoint(_ item: Field, family: AddressFamily?) -> EndpointSlice.Endpoint? {
    guard
      item.expectMapping(
        reads: ["addresses", "conditions", "zone", "nodeName", "topology", "targetRef"],
        ignores: ["hostname", "hints", "deprecatedTopology"])
    else {
      if !item.isPresent { item.error("must be a mapping") }
      return nil
    }
    var addresses: [String] = []
    let written = item["addresses"]
    let fields = written.items
    if fields.isEmpty, !written.isPresent || written.isList { written.error("must hold at least one address") }
    for field in fields {
      guard let address = field.requiredString() else { continue }
      let isValid: Bool =
        switch family {
        case .v4: IPLiteral.isIPv4(address)
        case .v6: IPLiteral.isIPv6(address)
        // The family itself is wrong and reported; the address is judged by what it can be.
        case .name, nil: IPLiteral.isIPv4(address) || IPLiteral.isIPv6(address)
        }
      if isValid {
        addresses.append(address)
      } else {
        field.error("\"\(address)\" is not an \(family == .v6 ? "IPv6" : family == .v4 ? "IPv4" : "IP") address")
      }
    }

    let conditions = item["conditions"]
    conditions.expectMapping(reads: ["ready", "serving", "terminating"])
    // Kubernetes: a nil `ready` means ready, a nil `serving` means what `ready` says, a nil `terminating` means no.
    let isReady = conditions["ready"].bool() ?? true
    let isServing = conditions["serving"].bool() ?? isReady
    let isTerminating = conditions["terminating"].bool() ?? false
    let state: EndpointSlice.Endpoint.State =
      isReady ? .ready : isServing && isTerminating ? .draining : .notReady

    let topology = item["topology"].strings()
    func text(_ name: String, orLabel label: String) -> String? {
      let field = item[name]
      guard let text = field.string() ?? topology[label] else { return nil }
      if Names.holdsControlCharacter(text) { field.error("must not hold control characters") }
      return text
    }
    let zone = text("zone", orLabel: "topology.kubernetes.io/zone")
    let nodeName = text("nodeName", orLabel: "kubernetes.io/hostname")
    return EndpointSlice.Endpoint(
      addresses: addresses, state: state, zone: zone.nonEmpty, nodeName: nodeName.nonEmpty, pod: pod(item["targetRef"]))
  }

  private func pod(_ reference: Field) -> NamespacedName? {
    guard
      reference.expectMapping(
        reads: ["kind", "name", "namespace"], ignores: ["apiVersion", "uid", "resourceVersion", "fieldPath"])
    else { return nil }
    let kind = reference["kind"].string()
    let name = reference["name"].string()
    let namespace = reference["namespace"].string().nonEmpty ?? key.id.namespace
    guard kind == "Pod", let name = name.nonEmpty else { return nil }
    return NamespacedName(namespace: namespace, name: name)
  }
}

extension String? {
  var nonEmpty: String? { self?.isEmpty == false ? self : nil }
}
