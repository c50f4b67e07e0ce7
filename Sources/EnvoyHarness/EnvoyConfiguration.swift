/// What one `/config_dump?include_eds` says that Envoy has been given and runs: one moment, all types.
/// https://www.envoyproxy.io/docs/envoy/latest/api-v3/admin/v3/config_dump.proto
public struct EnvoyConfiguration: Sendable {
  /// A resource as Envoy runs it.
  public struct Resource: Sendable, Hashable {
    /// The version that it came with: in delta its own; in state of the world that of the response with which it last
    /// changed.
    public var version: String
    /// With protobuf's JSON names, so that it may be held against what Weir serves.
    public var body: JSON
  }

  /// Active dynamic clusters, by name.
  public private(set) var clusters: [String: Resource] = [:]
  public private(set) var listeners: [String: Resource] = [:]
  public private(set) var routes: [String: Resource] = [:]
  /// Endpoints by cluster. Envoy keeps no version of them.
  public private(set) var assignments: [String: Assignment] = [:]
  /// The version of the last CDS and LDS response that was accepted; of use in state of the world.
  public private(set) var clusterTypeVersion = ""
  public private(set) var listenerTypeVersion = ""
  /// Clusters and listeners that are there but not in use: warming, draining or refused.
  public private(set) var unfinished: [String] = []

  init(_ dump: JSON) {
    for part in dump["configs"].array {
      for entry in part["dynamic_active_clusters"].array { add(entry, "cluster", to: \.clusters) }
      for entry in part["dynamic_warming_clusters"].array {
        unfinished.append("warming: \(entry["cluster"]["name"].string ?? "")")
      }
      for entry in part["dynamic_listeners"].array {
        add(entry["active_state"], "listener", to: \.listeners)
        for state in ["warming_state", "draining_state", "error_state"] where entry[state] != .null {
          unfinished.append("\(state): \(entry["name"].string ?? "")")
        }
      }
      for entry in part["dynamic_route_configs"].array { add(entry, "route_config", to: \.routes) }
      for entry in part["dynamic_endpoint_configs"].array {
        let body = entry["endpoint_config"].withProtobufNames
        assignments[body["clusterName"].string ?? ""] = Assignment(body)
      }
      switch part["@type"].string?.split(separator: ".").last {
      case "ClustersConfigDump": clusterTypeVersion = part["version_info"].string ?? ""
      case "ListenersConfigDump": listenerTypeVersion = part["version_info"].string ?? ""
      default: break
      }
    }
  }

  /// Clusters that a route names and that are not active, which is to say not warm, each as `TABLE: CLUSTER`, sorted. A request
  /// that takes such a route fails.
  public var coldReferences: [String] {
    routes.flatMap { table, resource in
      let named =
        resource.body.all("cluster").compactMap(\.string)
        + resource.body.all("weightedClusters").flatMap { $0["clusters"].array.compactMap { $0["name"].string } }
      return Set(named).filter { clusters[$0] == nil }.map { "\(table): \($0)" }
    }.sorted()
  }

  private mutating func add(
    _ entry: JSON, _ key: String, to place: WritableKeyPath<EnvoyConfiguration, [String: Resource]>
  ) {
    guard case .object(var body) = entry[key].withProtobufNames, let name = body["name"]?.string else { return }
    // It comes wrapped in an Any.
    body["@type"] = nil
    self[keyPath: place][name] = Resource(version: entry["version_info"].string ?? "", body: .object(body))
  }
}

/// The endpoints of a ClusterLoadAssignment, without what Envoy adds to it and without order.
public struct Assignment: Sendable, Hashable, CustomStringConvertible {
  /// `PRIORITY REGION/ZONE/SUBZONE weight WEIGHT`, and in each `IP:PORT HEALTH weight WEIGHT`.
  public private(set) var localities: [String: Set<String>] = [:]

  /// - Parameter body: a ClusterLoadAssignment in protobuf's JSON.
  public init(_ body: JSON) {
    for locality in body["endpoints"].array {
      let place = ["region", "zone", "subZone"].map { locality["locality"][$0].string ?? "" }.joined(separator: "/")
      let weight = locality["loadBalancingWeight"].integer ?? 0
      let endpoints = locality["lbEndpoints"].array.map { endpoint in
        let socket = endpoint["endpoint"]["address"]["socketAddress"]
        // UNKNOWN, the default, is taken as healthy, and Envoy calls it so.
        return "\(socket["address"].string ?? ""):\(socket["portValue"].integer ?? 0) "
          + "\(endpoint["healthStatus"].string ?? "HEALTHY") weight \(endpoint["loadBalancingWeight"].integer ?? 1)"
      }
      guard !endpoints.isEmpty else { continue }
      localities["\(locality["priority"].integer ?? 0) \(place) weight \(weight)", default: []].formUnion(endpoints)
    }
  }

  public var description: String {
    localities.sorted { $0.key < $1.key }.map { "\($0.key): \($0.value.sorted().joined(separator: ", "))" }
      .joined(separator: "; ")
  }
}

extension EnvoyProcess {
  /// What it runs now.
  public func configuration() async throws -> EnvoyConfiguration {
    EnvoyConfiguration(try await configurationDump())
  }
}

extension JSON {
  /// The same with every key in lowerCamelCase: Envoy writes protobuf's own names, Weir the JSON mapping's
  /// (https://protobuf.dev/programming-guides/json/#json-options). Keys of maps are changed alike.
  public var withProtobufNames: JSON {
    switch self {
    case .array(let elements): .array(elements.map(\.withProtobufNames))
    case .object(let members):
      .object(
        Dictionary(members.map { (Self.camelCase($0), $1.withProtobufNames) }) { first, _ in first })
    default: self
    }
  }

  private static func camelCase(_ name: String) -> String {
    let words = name.split(separator: "_", omittingEmptySubsequences: false)
    return words.dropFirst().reduce(String(words[0])) { $0 + $1.prefix(1).uppercased() + $1.dropFirst() }
  }
}
