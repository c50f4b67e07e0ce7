import EnvoyHarness
import Testing

/// All end-to-end tests, one at a time: they measure under load, and the machine may have two cores only.
@Suite("End to end", .serialized)
struct EndToEnd {}

/// `weir serve` on a directory of its own, and a sidecar Envoy of it.
struct Mesh {
  let directory: TemporaryDirectory
  let manifests: ManifestDirectory
  let weir: WeirProcess
  let envoy: EnvoyProcess
  let `protocol`: XDSProtocol
  /// The sidecar's listen host: an address that nobody else uses, so a TCP service may have any port.
  let host: String
  /// Who signs certificates; only with mutual TLS.
  let authorities: Transport.Authorities?
  /// Where it takes HTTP, `IP:PORT`.
  var outbound: String { "\(host):15001" }

  /// Runs `body` in a mesh whose Envoy is ready, and takes everything down after it.
  ///
  /// Its Envoy does not retry, whatever the routes say, so that a request which a retry would have saved fails, and "0
  /// failed" is said of every request's first attempt. Counters would not do alone: those of a cluster go with it.
  static func with(
    _ protocol: XDSProtocol, namespace: String = "shop", over transport: Transport = .plain,
    flags: [String] = [],
    _ prepare: (ManifestDirectory) throws -> Void,
    isolation: isolated (any Actor)? = #isolation, _ body: (Mesh) async throws -> Void
  ) async throws {
    let directory = TemporaryDirectory(prefix: "weir-end-to-end")
    defer { directory.remove() }
    let manifests = try ManifestDirectory(in: directory)
    try prepare(manifests)
    let way = try await transport.way(in: directory)
    let weir = try await WeirProcess.serve(
      manifests: [manifests.path], state: directory.path + "/state", listeners: way.listeners, flags: flags,
      in: directory)
    do {
      let host = LoopbackAddress.next()
      let bootstrap = try await weir.bootstrap(
        nodeID: "sidecar-\(`protocol`)", namespace: namespace, labels: ["app": "client"], listen: "\(host):15001",
        protocol: `protocol`, route: way.route)
      let envoy = try await EnvoyProcess.start(bootstrap: bootstrap, in: directory, retries: false)
      let mesh = Mesh(
        directory: directory, manifests: manifests, weir: weir, envoy: envoy, protocol: `protocol`, host: host,
        authorities: way.authorities)
      do {
        try await body(mesh)
      } catch {
        print("weir's log:\n\(await weir.process.logTail(lines: 40))\nEnvoy's log:\n\(envoy.process.logTail())")
        await envoy.stop()
        throw error
      }
      await envoy.stop()
      let exit = await weir.terminate()
      let log = await weir.process.logTail()
      #expect(exit == .code(0), "weir serve after SIGTERM: \(log)")
    } catch {
      await weir.kill()
      throw error
    }
  }

  /// A plan of requests to the services, in turn, with Envoy's counters in its report.
  func plan(_ hosts: [String], perSecond rate: Int = 300) -> ConstantLoad.Plan {
    ConstantLoad.Plan(
      address: outbound, targets: hosts.map { LoadTarget(host: $0) }, pace: .perSecond(rate),
      envoy: envoy)
  }

  // MARK: What Envoy holds

  static func cluster(_ service: String, subset: String = "", port: Int = 80) -> String {
    "outbound|\(port)|\(subset)|\(service).shop.svc.cluster.local"
  }

  /// The virtual host of a service in Envoy's route configuration.
  func virtualHost(_ service: String) async throws -> JSON {
    try await envoy.virtualHost(of: service)
  }

  func weights(of service: String) async throws -> [String: Int] { try await envoy.shares(of: service) }

  func waitForWeights(of service: String, _ expected: [String: Int]) async throws {
    try await poll("\(service) with weights \(expected) in Envoy", every: .milliseconds(5)) {
      try await weights(of: service) == expected.filter { $0.value > 0 }
    }
  }

  func waitForHosts(of cluster: String, _ what: String, _ holds: ([EnvoyProcess.Host]) -> Bool) async throws {
    try await poll("\(cluster): \(what)", every: .milliseconds(5)) { holds(try await envoy.hosts()[cluster] ?? []) }
  }

  // MARK: What Weir says

  /// The version of each resource of a type that Weir serves, by name.
  func versions(of type: String) async throws -> [String: String] {
    try await Mesh.versions(of: type, by: weir)
  }

  static func versions(of type: String, by weir: WeirProcess) async throws -> [String: String] {
    let resources = try await weir.json("/v1/resources?type=\(type)")["resources"].array
    let pairs = resources.map { ($0["name"].string ?? "", $0["version"].string ?? "") }
    return Dictionary(pairs) { first, _ in first }
  }

  /// Waits until the only proxy has asked for that many types and has acknowledged all of them.
  func waitUntilAcknowledged(types count: Int) async throws {
    try await poll("the proxy has acknowledged \(count) types", within: .seconds(40)) {
      let proxies = try await weir.json("/v1/proxies")["proxies"].array
      let types = proxies.first?["types"].array ?? []
      guard proxies.count == 1, types.count == count else { return false }
      return types.allSatisfy {
        $0["inFlight"].bool == false && $0["lag"].integer == 0 && $0["heldBack"].array.isEmpty
      }
    }
  }

  /// Resources sent so far, by type, since `weir serve` began.
  func resourcesSent(
    of types: [String] = ["cluster", "endpoint", "listener", "route"]
  ) async throws -> [String: Int] {
    let metrics = try await weir.metrics()
    #expect(metrics.names.contains("weir_xds_resources_sent_total"), "\(metrics.names.sorted())")
    return Dictionary(
      uniqueKeysWithValues: types.map { ($0, Int(metrics.sum("weir_xds_resources_sent_total", ["type": $0]))) })
  }
}

extension Mesh {
  /// Resources that a change sends, by type.
  func resourcesSent(by change: () async throws -> Void) async throws -> [String: Int] {
    let before = try await resourcesSent()
    try await change()
    return try await resourcesSent().merging(before, uniquingKeysWith: -).filter { $0.value != 0 }
  }
}

/// A service in namespace `shop` and the backends behind it.
struct ShopService {
  /// One backend and the pod that it is.
  struct Member {
    var backend: Backend
    var pod: String { backend.name }
    var endpoint: EndpointSliceManifest.Endpoint
  }

  let name: String
  var members: [Member]

  /// Starts one backend for each version named.
  init(_ name: String, versions: [String] = ["v1"]) async throws {
    self.name = name
    members = []
    for version in versions { members.append(try await Self.member("\(name)-\(version)-0", version: version)) }
  }

  static func member(_ name: String, version: String) async throws -> Member {
    let backend = try await Backend.start(
      name, version: version, ip: LoopbackAddress.next(), port: Backend.usualPort)
    return Member(backend: backend, endpoint: .init(backend.ip, pod: name))
  }

  /// The service itself, its pods and its slice.
  func write(into manifests: ManifestDirectory) throws {
    try manifests.write("\(name)-service.yaml", [ServiceManifest(name, namespace: "shop")])
    try writeEndpoints(into: manifests)
  }

  /// Pods and slice, in one file and one write.
  func writeEndpoints(into manifests: ManifestDirectory, inPlace: Bool = false) throws {
    let pods: [any ManifestDocument] = members.map { member in
      PodManifest(member.pod, namespace: "shop", labels: ["app": name, "version": member.backend.version])
    }
    let slice = EndpointSliceManifest("\(name)-1", namespace: "shop", service: name, endpoints: members.map(\.endpoint))
    let documents = pods + [slice]
    if inPlace {
      try manifests.writeInPlace("\(name)-endpoints.yaml", documents)
    } else {
      try manifests.write("\(name)-endpoints.yaml", documents)
    }
  }

  func writeSubsets(_ versions: [String], into manifests: ManifestDirectory) throws {
    try manifests.write(
      "\(name)-subsets.yaml", [DestinationRuleManifest(name, namespace: "shop", host: name, versions: versions)])
  }

  func writeWeights(_ weights: KeyValuePairs<String, Int>, into manifests: ManifestDirectory) throws {
    try manifests.write(
      "\(name)-routes.yaml",
      [VirtualServiceManifest(name, namespace: "shop", host: name, weights: weights.map { ($0.key, $0.value) })])
  }

  func stop() async {
    for member in members { await member.backend.stop() }
  }
}
