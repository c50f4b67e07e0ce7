internal import TrafficModel

extension ObjectHeader {
  func decodeVirtualService(_ root: Field) -> VirtualService? {
    let spec = root["spec"]
    guard spec.isPresent else {
      spec.error("is required")
      return nil
    }
    spec.expectMapping(reads: ["hosts", "gateways", "http", "tcp", "tls", "exportTo", "workloadSelector"])
    refuseRestrictedScope(spec)
    let isForMesh = appliesToMesh(spec["gateways"])
    let hosts = decodeHosts(spec["hosts"], isForMesh: isForMesh)
    for kind in ["tcp", "tls"] where spec[kind].isPresent { spec[kind].unsupported() }
    let http = spec["http"]
    let routes = http.items.map { decodeRoute($0) }
    if !http.isPresent || http.isList && routes.isEmpty {
      if spec["tcp"].isPresent || spec["tls"].isPresent {
        spec.warning("has no http routes: the object has no effect")
      } else {
        http.error("must hold at least one route")
      }
      return nil
    }
    if !isForMesh {
      spec["gateways"].warning("does not name `mesh`: gateways are not supported, and the object has no effect")
      return nil
    }
    let served = routes.compactMap { $0 }
    if served.isEmpty {
      http.error("no route is left that can be served")
      return nil
    }
    return VirtualService(id: key.id, hosts: hosts, http: served)
  }

  /// Without gateways, a rule is for the sidecars; with gateways, only if `mesh` is one of them.
  private func appliesToMesh(_ field: Field) -> Bool {
    let names = field.items.map { ($0, $0.string()) }
    guard !names.isEmpty else { return true }
    let isForMesh = names.contains { $0.1 == "mesh" }
    if isForMesh {
      for (item, name) in names { if let name, name != "mesh" { item.unsupported("gateway \(name)") } }
    }
    return isForMesh
  }

  private func decodeHosts(_ field: Field, isForMesh: Bool) -> [String] {
    if field.items.isEmpty, !field.isPresent || field.isList { field.error("must name at least one host") }
    var hosts: [String] = []
    var seen: Set<String> = []
    for item in field.items {
      guard let host = item.hostName(wildcard: true) else { continue }
      if host == "*", isForMesh { item.error("`*` is not allowed for the sidecars of the mesh") }
      if seen.insert(host).inserted { hosts.append(host) } else { item.error("\"\(host)\" is there twice") }
    }
    return hosts
  }

  /// Nil if the route cannot be served, which is reported.
  private func decodeRoute(_ item: Field) -> HTTPRoute? {
    guard
      item.expectMapping(
        reads: [
          "name", "match", "route", "timeout", "retries", "redirect", "directResponse", "delegate", "rewrite",
        ])
    else {
      if !item.isPresent { item.error("must be a mapping") }
      return nil
    }
    let name = item["name"].text(mayBeEmpty: true) ?? ""
    for action in ["redirect", "directResponse", "delegate"] where item[action].isPresent {
      item[action].error("is not supported: the route has no other action, and cannot be passed over")
    }
    if item["rewrite"].isPresent {
      item["rewrite"].error("is not supported: without it requests would go to the wrong path or host")
    }
    let match = item["match"]
    let conditions = match.items
    let matches = conditions.compactMap { decodeMatch($0) }
    let (destinations, places) = decodeDestinations(item)
    let timeout = item["timeout"].milliseconds()
    let retries = decodeRetries(item["retries"])
    if !conditions.isEmpty, matches.isEmpty {
      if !match.document.hasErrors { match.warning("no condition is left that can be met: the route is left out") }
      return nil
    }
    item.document.destinationPlaces += places
    return HTTPRoute(
      name: name, matches: matches, destinations: destinations, timeoutMilliseconds: timeout, retries: retries)
  }

  private func decodeDestinations(_ route: Field) -> ([RouteDestination], [SourceDocument.FieldPlace]) {
    let field = route["route"]
    let items = field.items
    if items.isEmpty {
      let hasOther = ["redirect", "directResponse", "delegate"].contains { route[$0].isPresent }
      if !hasOther, !field.isPresent || field.isList { field.error("must name at least one destination") }
      return ([], [])
    }
    var destinations: [RouteDestination] = []
    var places: [SourceDocument.FieldPlace] = []
    var total: UInt64 = 0
    var weightsAreKnown = true
    for item in items {
      guard item.expectMapping(reads: ["destination", "weight"]) else {
        if !item.isPresent { item.error("must be a mapping") }
        weightsAreKnown = false
        continue
      }
      let destination = item["destination"]
      if !destination.isPresent { destination.error("is required") }
      destination.expectMapping(reads: ["host", "subset", "port"])
      let port = destination["port"]
      port.expectMapping(reads: ["number"])
      if port.isMapping, !port["number"].isPresent { port["number"].error("is required") }
      let weight = item["weight"]
      // As in Istio: nothing is 0, and all of it where there is nothing else.
      let value = weight.isPresent ? weight.integer(in: 0...4_294_967_295) : items.count > 1 ? 0 : 100
      if let value { total += UInt64(value) } else { weightsAreKnown = false }
      let subset = destination["subset"].subsetName(isRequired: false)
      let number = port["number"].port()
      guard destination.isMapping, let host = destination["host"].hostName(wildcard: false), let value else { continue }
      destinations.append(RouteDestination(host: host, subset: subset, port: number, weight: UInt32(value)))
      places.append(SourceDocument.FieldPlace(path: destination.path, line: destination.line))
    }
    if weightsAreKnown {
      if total == 0 { field.error("the weights are all 0") }
      if total > 4_294_967_295 { field.error("the weights add up to \(total), more than 4294967295") }
    }
    return (destinations, places)
  }

  private func decodeRetries(_ field: Field) -> HTTPRetry? {
    guard field.expectMapping(reads: ["attempts", "perTryTimeout", "retryOn"]) else { return nil }
    let attempts = field["attempts"]
    // Left out, it is 0, as in Istio: no retries.
    let count = attempts.isPresent ? attempts.integer(in: 0...Int64(Int32.max)) : 0
    let timeout = field["perTryTimeout"].milliseconds()
    let conditions = decodeRetryConditions(field["retryOn"])
    if count == 0, field["perTryTimeout"].isPresent || field["retryOn"].isPresent {
      attempts.error("must not be 0 where perTryTimeout or retryOn is given")
    }
    return count.map { HTTPRetry(attempts: UInt32($0), perTryTimeoutMilliseconds: timeout, retryOn: conditions) }
  }

  private func decodeRetryConditions(_ field: Field) -> String? {
    guard let text = field.text(mayBeEmpty: true), !text.isEmpty else { return nil }
    var conditions: [String] = []
    for part in text.split(separator: ",") {
      let word = String(part.drop { $0 == " " }.reversed().drop { $0 == " " }.reversed())
      let isStatus = word.utf8.count == 3 && (100...599).contains(Int(word) ?? 0)
      if !isStatus, !Self.retryConditions.contains(word) {
        field.error("\"\(word)\" is not a condition for retries")
      }
      conditions.append(word)
    }
    return conditions.joined(separator: ",")
  }

  /// Envoy, "x-envoy-retry-on" and "x-envoy-retry-grpc-on".
  private static let retryConditions: Set<String> = [
    "5xx", "gateway-error", "reset", "reset-before-request", "connect-failure", "envoy-ratelimited", "retriable-4xx",
    "refused-stream", "retriable-status-codes", "retriable-headers", "http3-post-connect-failure", "cancelled",
    "deadline-exceeded", "internal", "resource-exhausted", "unavailable",
  ]
}
