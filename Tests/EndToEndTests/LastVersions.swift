import EnvoyHarness
import Testing

extension Mesh {
  /// Waits until the only proxy has acknowledged everything, then holds what Envoy runs (`/config_dump?include_eds`)
  /// against what Weir serves (`/v1/resources`): the same names, the same contents, the last versions.
  func expectLastVersions() async throws {
    var types: [JSON] = []
    try await poll("the proxy has acknowledged everything") {
      let proxies = try await weir.json("/v1/proxies")["proxies"].array
      types = proxies.first?["types"].array ?? []
      guard proxies.count == 1, !types.isEmpty else { return false }
      return types.allSatisfy { type in
        type["inFlight"].bool == false && type["lag"].integer == 0 && type["heldBack"].array.isEmpty
          && type["heldVersion"] == type["sentVersion"] && type["lastNack"] == .null
      }
    }
    let held = try await envoy.configuration()
    #expect(held.unfinished.isEmpty)
    try await expect(held.clusters, areServedAs: "cluster")
    try await expect(held.listeners, areServedAs: "listener")
    // Whoever has all hosts in its route table does not ask for the one without hosts, which is served as well.
    try await expect(held.routes, areServedAs: "route", but: ["outbound-vhds"])
    let assignments = try await served("endpoint").mapValues { Assignment($0["body"].withProtobufNames) }
    #expect(Set(held.assignments.keys) == Set(assignments.keys))
    for (name, assignment) in assignments { #expect(held.assignments[name] == assignment, "\(name)") }

    guard `protocol` == .stateOfTheWorld else { return }
    // There the version is the type's, and Envoy keeps the former one with a resource that a response did not change. An
    // Envoy that came back and was sent nothing of a type has acknowledged nothing on this connection.
    for (type, version) in [
      ("cluster", held.clusterTypeVersion), ("listener", held.listenerTypeVersion),
      ("route", held.routes["outbound"]?.version),
    ] {
      guard let acknowledged = types.first(where: { $0["type"].string == type })?["heldVersion"].string else {
        continue
      }
      #expect(acknowledged == version, "the version that /v1/proxies gives for \(type) is the one that Envoy holds")
    }
  }

  private func expect(
    _ held: [String: EnvoyConfiguration.Resource], areServedAs type: String, but others: Set<String> = []
  ) async throws {
    let served = try await served(type).filter { !others.contains($0.key) }
    #expect(!served.isEmpty, "no \(type) is served")
    #expect(Set(held.keys) == Set(served.keys), "\(type)")
    for (name, resource) in served {
      #expect(held[name]?.body == resource["body"].withProtobufNames, "\(type) \(name)")
      if `protocol` == .delta { #expect(held[name]?.version == resource["version"].string, "\(type) \(name)") }
    }
  }

  /// What Weir serves of a type, by name.
  private func served(_ type: String) async throws -> [String: JSON] {
    let resources = try await weir.json("/v1/resources?type=\(type)")["resources"].array
    let named = Dictionary(resources.map { ($0["name"].string ?? "", $0) }) { first, _ in first }
    #expect(named.count == resources.count, "\(type): with one class of proxies a name is there once")
    return named
  }
}
