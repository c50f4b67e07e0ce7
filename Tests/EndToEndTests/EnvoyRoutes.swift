import EnvoyHarness

extension EnvoyProcess {
  /// A service's virtual host as this Envoy runs it.
  func virtualHost(of service: String) async throws -> JSON {
    // The table without hosts shows those that came one by one.
    var table = try await routeConfiguration("outbound-vhds")
    if table == .null { table = try await routeConfiguration("outbound") }
    return table["virtual_hosts"].array.first {
      $0["domains"].array.contains(.string("\(service).shop.svc.cluster.local"))
    } ?? .null
  }

  func routeCount(of service: String) async throws -> Int {
    try await virtualHost(of: service)["routes"].array.count
  }

  /// The weight of each subset in the last route of a service; a route to one cluster is 100 to it, and subsets of weight 0 are
  /// left out.
  func shares(of service: String) async throws -> [String: Int] {
    let route = try await virtualHost(of: service)["routes"].array.last?["route"] ?? .null
    func subset(_ name: JSON) -> String {
      String((name.string ?? "").split(separator: "|", omittingEmptySubsequences: false).dropFirst(2).first ?? "?")
    }
    if route["cluster"] != .null { return [subset(route["cluster"]): 100] }
    let pairs = route["weighted_clusters"]["clusters"].array.map { (subset($0["name"]), $0["weight"].integer ?? 0) }
    return Dictionary(pairs) { $0 + $1 }.filter { $0.value > 0 }
  }
}
