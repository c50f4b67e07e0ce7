import EnvoyAPI
import EnvoyBootstrap
import EnvoyHarness
import GRPCTransport
import Logging
import NIOPosix
import Testing
import XDSServer
import XDSSnapshot

/// A real Envoy that is given a cluster which it finds bad only when it builds the load balancer: a ring hash whose minimum
/// is above its maximum. It then never answers CDS again by itself.
@Suite("A real Envoy that cannot build a cluster", .serialized, .timeLimit(.minutes(3)))
struct FrozenEnvoyTests {
  enum Bad: String, CaseIterable, Sendable {
    /// The bad cluster is new, and comes with one that is good.
    case new
    /// The bad content is that of a cluster which is in use.
    case changed
    /// The bad cluster comes alone and the good one after it.
    case alone
  }

  @Test("goes on with the next good clusters", arguments: SidecarBootstrap.DiscoveryProtocol.allCases, Bad.allCases)
  func goesOn(_ variant: SidecarBootstrap.DiscoveryProtocol, _ bad: Bad) async throws {
    let patience = Duration.seconds(3)
    let directory = TemporaryDirectory(prefix: "weir-frozen-envoy")
    defer { directory.remove() }
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let xds = XDSServer(logger: logger, patience: patience, classify: { _ in ServedWorld.proxyClass })
    let server = GRPCServer(group: group, logger: logger) { xds.accept($0) }
    let port = try #require(try await server.bind(to: .tcp(host: "127.0.0.1", port: 0)).port)

    var backends: [Backend] = []
    for name in ["old", "good", "mended", "later"] { backends.append(try await Backend.start(name)) }
    var world = ServedWorld()
    world.cluster("old", backends[0])
    world.host("x", "old")
    xds.publish(world.generation())
    let bootstrap = SidecarBootstrap(
      nodeID: "frozen", xds: .plain(try HostPort("127.0.0.1:\(port)")), admin: try HostPort("127.0.0.1:0"),
      discoveryProtocol: variant
    ).json()
    let envoy = try await EnvoyProcess.start(bootstrap: bootstrap, in: directory)
    let listener = try #require(await envoy.listeners()["outbound"])
    func answer(_ host: String) async throws -> String {
      let response = try await HTTPCall.get(listener, "/", host: host)
      return response.status == 200 ? response.body : "\(response.status)"
    }
    func isServed(_ host: String, by backend: String) async throws -> Bool {
      let response = try await HTTPCall.get(listener, "/", host: host)
      return response.status == 200 && response.body.contains(backend)
    }
    try await poll("x is served") { try await isServed("x", by: "old") }

    let clock = ContinuousClock()
    let start = clock.now
    switch bad {
    case .new:
      world.cluster("bad", backends[2], isBad: true)
      world.host("x", "bad")
      world.cluster("good", backends[1])
      world.host("y", "good")
      xds.publish(world.generation())
    case .changed:
      world.cluster("old", backends[0], isBad: true)
      world.cluster("good", backends[1])
      world.host("y", "good")
      xds.publish(world.generation())
    case .alone:
      world.cluster("bad", backends[2], isBad: true)
      world.host("x", "bad")
      xds.publish(world.generation())
      try await poll("the bad cluster is refused") {
        await xds.proxies().first?.types.first { $0.type == .cluster }?.rejection != nil
      }
      world.cluster("good", backends[1])
      world.host("y", "good")
      xds.publish(world.generation())
    }
    try await poll("y is served though something is bad", within: .seconds(20)) { try await isServed("y", by: "good") }
    let elapsed = clock.now - start
    let metrics = await xds.metrics()
    #expect(try await isServed("x", by: "old"), "what was served goes on")
    let status = try #require(await xds.proxies().first?.types.first { $0.type == .cluster })
    print(
      "frozen envoy, \(variant.rawValue), \(bad.rawValue): y after \(elapsed), "
        + "\(metrics.suspectsWithdrawn) withdrawn, \(metrics.types[.cluster]!.nacks) NACKs, "
        + "refusal: \(status.rejection.map { "\($0.resources) \($0.message)" } ?? "none")")
    if bad == .alone {
      #expect(metrics.suspectsWithdrawn == 0, "it is taken back with the next response")
    } else {
      #expect(metrics.suspectsWithdrawn >= 1)
      #expect(elapsed >= patience, "Envoy is frozen without help; is it still?")
    }
    let name = bad == .changed ? "old" : "bad"
    try await poll("the refusal names \(name)") {
      let status = await xds.proxies().first?.types.first { $0.type == .cluster }
      return status?.rejection?.resources == [name]
        && status?.held.contains(HeldItem(resource: name, reason: .refused)) ?? false
    }

    // Whatever comes next arrives, at once.
    let next = clock.now
    world.cluster("later", backends[3])
    world.host("z", "later")
    xds.publish(world.generation())
    try await poll("z is served", within: .seconds(20)) { try await isServed("z", by: "later") }
    print("frozen envoy, \(variant.rawValue), \(bad.rawValue): the next cluster after \(clock.now - next)")
    #expect(clock.now - next < patience)

    // And so does a good content of what was bad.
    world.cluster(name, backends[2])
    xds.publish(world.generation())
    try await poll("x is served by what was bad", within: .seconds(20)) { try await isServed("x", by: "mended") }
    try await poll("all is accepted") {
      await xds.proxies().first?.convergedGeneration == world.number
    }
    let warming = try await envoy.statistics(matching: "^cluster_manager\\.warming_clusters$")
    #expect(warming["cluster_manager.warming_clusters"] == 0)

    await envoy.stop()
    for backend in backends { await backend.stop() }
    await server.shutdown(gracePeriod: .zero)
    try await group.shutdownGracefully()
  }
}

/// What the server serves, written by hand.
struct ServedWorld {
  static let proxyClass = ProxyClass(namespace: "default", listenHost: "127.0.0.1", listenPort: 15001)
  private static let routeName = "outbound"

  private(set) var number: UInt64 = 0
  private var clusters = ResourceTable()
  private var endpoints = ResourceTable()
  private var hosts = ReferencedTree<Fragment>()

  mutating func cluster(_ name: String, _ backend: Backend, isBad: Bool = false) {
    var bytes = Cluster(name: name, loadBalancing: .roundRobin).encoded()
    // lb_policy: RING_HASH, ring_hash_lb_config: {minimum_ring_size: 1024, maximum_ring_size: 8}
    if isBad {
      bytes += [0x30, 0x02, 0xba, 0x01, 0x09, 0x0a, 0x03, 0x08, 0x80, 0x08, 0x22, 0x02, 0x08, 0x08]
    }
    clusters.set(Resource(name: name, bytes: bytes))
    let endpoint = LbEndpoint(address: backend.ip, port: UInt16(backend.port), health: .healthy)
    let locality = LocalityEndpoints(region: "", zone: "", endpoints: [endpoint])
    endpoints.set(
      Resource(name: name, bytes: ClusterLoadAssignment.encodedHeader(clusterName: name) + locality.encodedFragment()))
  }

  mutating func removeCluster(_ name: String) {
    clusters.remove(name)
    endpoints.remove(name)
  }

  mutating func removeHost(_ name: String) { hosts.remove(name) }

  mutating func host(_ name: String, _ cluster: String, domain: String? = nil) {
    let forward = RouteAction.Forward(destinations: [WeightedCluster(cluster: cluster, weight: 1)])
    let host = VirtualHost(
      name: name, domains: [domain ?? name], routes: [Route(match: RouteMatch(), action: .forward(forward))])
    hosts.set(Fragment(key: name, bytes: host.encodedFragment(), references: [cluster]))
  }

  mutating func generation() -> Generation {
    number += 1
    var listeners = ResourceTable()
    let listener = Listener(
      name: "outbound", address: "127.0.0.1", port: 0, kind: .http(routeConfiguration: Self.routeName))
    listeners.set(Resource(name: listener.name, bytes: listener.encoded()))
    var routes = ResourceTable()
    routes.set(
      Resource(
        name: Self.routeName, header: RouteConfiguration.encodedHeader(name: Self.routeName), parts: [hosts]))
    return Generation(
      number: number, clusters: clusters, endpoints: endpoints,
      classes: [Self.proxyClass: .init(listeners: listeners, routes: routes)])
  }
}
