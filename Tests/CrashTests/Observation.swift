import EnvoyHarness

/// What a server serves, as versions of things.
struct Observation: CustomStringConvertible {
  private(set) var versions: [Thing: Int] = [:]
  private(set) var clusters: Set<String> = []
  /// Whether there are route tables at all, which is so when a class of proxies is known.
  private(set) var hasRoutes = false

  static func cluster(_ index: Int, _ subset: String = "") -> String {
    "outbound|80|\(subset)|s\(index).shop.svc.cluster.local"
  }

  init(_ resources: JSON, things: Int) throws {
    var bodies: [String: [String: JSON]] = [:]
    for resource in resources["resources"].array {
      bodies[resource["type"].string ?? "", default: [:]][resource["name"].string ?? ""] = resource["body"]
    }
    clusters = Set((bodies["cluster"] ?? [:]).keys)
    hasRoutes = bodies["route"] != nil
    let hosts = (bodies["route"] ?? [:]).values.flatMap { $0["virtualHosts"].array }
    for index in 0..<things {
      let name = Self.cluster(index)
      if let size = bodies["cluster"]?[name]?["ringHashLbConfig"]["minimumRingSize"].integer {
        versions[Thing(kind: .rule, index: index)] = size - Thing.ringSize(0)
      }
      if let address = bodies["endpoint"]?[name]?.all("address").compactMap(\.string).first {
        let parts = address.split(separator: ".").compactMap { Int($0) }
        guard parts.count == 4 else { throw HarnessError(.malformed, "the address \(address)") }
        versions[Thing(kind: .slice, index: index)] = parts[2] << 8 + parts[3]
      }
      let host = hosts.first { $0["domains"].array.contains(.string("s\(index).shop.svc.cluster.local")) } ?? .null
      let action = host["routes"][0]["route"]
      if let cluster = action["cluster"].string, cluster != name {
        guard let timeout = action["timeout"].string, timeout.hasSuffix("s"), let seconds = Double(timeout.dropLast())
        else { throw HarnessError(.malformed, "the timeout of \(action)") }
        let version = Int((seconds * 1_000).rounded()) - Thing.timeout(0)
        guard cluster == Self.cluster(index, Thing.subset(ofRoute: version)) else {
          throw HarnessError(.malformed, "route \(index), version \(version), is served with the cluster \(cluster)")
        }
        versions[Thing(kind: .route, index: index)] = version
      }
    }
  }

  var description: String {
    versions.sorted { "\($0.key)" < "\($1.key)" }.map { "\($0.key): \($0.value)" }.joined(separator: ", ")
  }
}
