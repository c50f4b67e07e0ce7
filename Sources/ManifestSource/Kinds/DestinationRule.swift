internal import TrafficModel

extension ObjectHeader {
  func decodeDestinationRule(_ root: Field) -> DestinationRule? {
    let spec = root["spec"]
    guard spec.isPresent else {
      spec.error("is required")
      return nil
    }
    spec.expectMapping(reads: ["host", "subsets", "trafficPolicy", "exportTo", "workloadSelector"])
    refuseRestrictedScope(spec)
    let host = spec["host"].hostName(wildcard: true)
    if host?.hasPrefix("*") == true {
      spec["host"].warning("a wildcard host is not supported: the rule has no effect")
    }
    let loadBalancer = decodeTrafficPolicy(spec["trafficPolicy"])
    var names: Set<String> = []
    var subsets: [DestinationRule.Subset] = []
    for item in spec["subsets"].items {
      guard item.expectMapping(reads: ["name", "labels", "trafficPolicy"]) else {
        if !item.isPresent { item.error("must be a mapping") }
        continue
      }
      let labels = item["labels"].strings()
      let own = decodeTrafficPolicy(item["trafficPolicy"])
      guard let name = item["name"].subsetName(isRequired: true) else { continue }
      if !names.insert(name).inserted { item["name"].error("subset \"\(name)\" is there twice") }
      subsets.append(DestinationRule.Subset(name: name, labels: labels, loadBalancer: own))
    }
    guard let host else { return nil }
    return DestinationRule(id: key.id, host: host, loadBalancer: loadBalancer, subsets: subsets)
  }

  /// What says for whom a rule holds cannot be passed over: it would hold for everyone.
  func refuseRestrictedScope(_ spec: Field) {
    let exportTo = spec["exportTo"]
    let scopes = exportTo.items.compactMap { $0.string() }
    if !scopes.isEmpty, !scopes.contains("*") {
      exportTo.error("is not supported other than \"*\": the object would hold in every namespace")
    }
    if spec["workloadSelector"].isPresent {
      spec["workloadSelector"].error("is not supported: the object would hold for every workload")
    }
  }

  private func decodeTrafficPolicy(_ policy: Field) -> LoadBalancer? {
    guard policy.expectMapping(reads: ["loadBalancer"]) else { return nil }
    let settings = policy["loadBalancer"]
    guard settings.expectMapping(reads: ["simple", "consistentHash"]) else { return nil }
    if settings["simple"].isPresent, settings["consistentHash"].isPresent {
      settings.error("simple and consistentHash exclude each other")
      return nil
    }
    if settings["consistentHash"].isPresent { return decodeConsistentHash(settings["consistentHash"]) }
    guard settings["simple"].isPresent else { return nil }
    let simple = settings["simple"]
    if case .string("PASSTHROUGH") = simple.node?.value { simple.unsupported("the default load balancer is used") }
    return simple.word([
      "UNSPECIFIED": LoadBalancer.leastRequest, "ROUND_ROBIN": .roundRobin, "LEAST_REQUEST": .leastRequest,
      "LEAST_CONN": .leastRequest, "RANDOM": .random, "PASSTHROUGH": .leastRequest,
    ])
  }

  private func decodeConsistentHash(_ hash: Field) -> LoadBalancer? {
    guard
      hash.expectMapping(
        reads: [
          "httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName", "minimumRingSize", "ringHash",
          "maglev",
        ])
    else { return nil }
    var keys: [LoadBalancer.HashKey] = []
    if let name = hash["httpHeaderName"].headerName() { keys.append(.header(name)) }
    if let cookie = decodeCookie(hash["httpCookie"]) { keys.append(cookie) }
    if hash["useSourceIp"].bool() == true { keys.append(.sourceIP) }
    if let name = hash["httpQueryParameterName"].text(mayBeEmpty: false) { keys.append(.queryParameter(name)) }
    let table = decodeHashTable(hash)
    if keys.count != 1 {
      // One of them may be there and wrong, which is reported already.
      let written = ["httpHeaderName", "httpCookie", "useSourceIp", "httpQueryParameterName"].filter {
        hash[$0].isPresent
      }
      if keys.count > 1 || written.isEmpty || written == ["useSourceIp"] {
        hash.error("must have exactly one of httpHeaderName, httpCookie, useSourceIp, httpQueryParameterName")
      }
      return nil
    }
    return .consistentHash(key: keys[0], table: table)
  }

  private func decodeCookie(_ cookie: Field) -> LoadBalancer.HashKey? {
    guard cookie.expectMapping(reads: ["name", "path", "ttl"]) else { return nil }
    let path = cookie["path"].text(mayBeEmpty: true) ?? ""
    let ttl = cookie["ttl"].milliseconds()
    let name = cookie["name"]
    if !name.isPresent { name.error("is required") }
    return name.headerName().map { .cookie(name: $0, path: path, ttlMilliseconds: ttl) }
  }

  private func decodeHashTable(_ hash: Field) -> LoadBalancer.HashTable {
    let ring = hash["ringHash"]
    let maglev = hash["maglev"]
    ring.expectMapping(reads: ["minimumRingSize"])
    maglev.expectMapping(reads: ["tableSize"])
    if ring.isPresent, maglev.isPresent { hash.error("ringHash and maglev exclude each other") }
    if maglev.isPresent {
      let size = maglev["tableSize"]
      guard let value = size.integer(in: 1...Int64(LoadBalancer.HashTable.largestMaglev)) else {
        return .maglev(tableSize: nil)
      }
      let table = LoadBalancer.HashTable.maglev(tableSize: UInt64(value))
      if !table.isValid { size.error("must be a prime number, not \(value)") }
      return table
    }
    let minimum = ring["minimumRingSize"].isPresent ? ring["minimumRingSize"] : hash["minimumRingSize"]
    let value = minimum.integer(in: 0...Int64(LoadBalancer.HashTable.largestRing)) ?? 0
    return .ring(minimumSize: value == 0 ? 1_024 : UInt64(value))
  }
}
