import EnvoyAPI
import EnvoyBootstrap
import EnvoyHarness
import GRPCTransport
import Logging
import NIOPosix
import Testing
import XDSServer
import XDSSnapshot

/// What the server says is live, held against what real Envoys say of themselves; one speaks delta, the other the state of the
/// world.
@Suite("Real Envoys, asked whether a generation is live", .serialized, .timeLimit(.minutes(3)))
struct LiveEnvoyTests {
  private struct Fleet {
    let xds: XDSServer
    let delta: EnvoyProcess
    let sotw: EnvoyProcess
    let backends: [Backend]
    var all: [EnvoyProcess] { [delta, sotw] }
  }

  private func withFleet(_ world: ServedWorld, _ body: (Fleet, inout ServedWorld) async throws -> Void) async throws {
    let directory = TemporaryDirectory(prefix: "weir-live-envoy")
    defer { directory.remove() }
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let xds = XDSServer(logger: logger, classify: { _ in ServedWorld.proxyClass })
    let server = GRPCServer(group: group, logger: logger) { xds.accept($0) }
    let port = try #require(try await server.bind(to: .tcp(host: "127.0.0.1", port: 0)).port)
    var world = world
    var backends: [Backend] = []
    for name in ["a", "b", "c"] { backends.append(try await Backend.start(name)) }
    world.cluster("one", backends[0])
    world.host("x", "one")
    xds.publish(world.generation())
    var envoys: [EnvoyProcess] = []
    do {
      for variant in [SidecarBootstrap.DiscoveryProtocol.delta, .sotw] {
        let bootstrap = SidecarBootstrap(
          nodeID: "live-\(variant.rawValue)", xds: .plain(try HostPort("127.0.0.1:\(port)")),
          admin: try HostPort("127.0.0.1:0"), discoveryProtocol: variant
        ).json()
        envoys.append(try await EnvoyProcess.start(bootstrap: bootstrap, in: directory))
      }
      let fleet = Fleet(xds: xds, delta: envoys[0], sotw: envoys[1], backends: backends)
      try await body(fleet, &world)
    } catch {
      for envoy in envoys { await envoy.stop() }
      throw error
    }
    for envoy in envoys { await envoy.stop() }
    for backend in backends { await backend.stop() }
    await server.shutdown(gracePeriod: .zero)
    try await group.shutdownGracefully()
  }

  private static func live(
    _ fleet: Fleet, _ world: ServedWorld, within time: Duration = .seconds(20)
  ) async throws -> Convergence {
    try await fleet.xds.live(ConvergenceQuery(generation: world.number, atLeast: 2), within: time)
  }

  /// Each host's cluster, its state, and its endpoints, as an Envoy has them.
  private static func truth(_ envoy: EnvoyProcess) async throws -> [String: String] {
    let dump = try await envoy.configurationDump()
    var active: Set<String> = []
    var warming: Set<String> = []
    for part in dump["configs"].array {
      for cluster in part["dynamic_active_clusters"].array { active.insert(cluster["cluster"]["name"].string ?? "") }
      for cluster in part["dynamic_warming_clusters"].array { warming.insert(cluster["cluster"]["name"].string ?? "") }
    }
    let endpoints = try await envoy.hosts()
    var truth: [String: String] = [:]
    for host in try await envoy.routeConfiguration("outbound")["virtual_hosts"].array {
      let cluster = host["routes"].array.first?["route"]["cluster"].string ?? ""
      let state = active.contains(cluster) ? (warming.contains(cluster) ? "changing" : "warm") : "missing"
      truth[host["name"].string ?? ""] =
        "\(cluster) \(state) \(endpoints[cluster, default: []].map(\.address).sorted().joined(separator: ","))"
    }
    return truth
  }

  @Test("what is said to be live is there, change after change")
  func whatIsSaidToBeLiveIsThere() async throws {
    try await withFleet(ServedWorld()) { fleet, world in
      #expect(try await Self.live(fleet, world).isLive)
      let clock = ContinuousClock()
      var times: [Duration] = []
      for step in 0..<24 {
        let backend = fleet.backends[step % 3]
        let name = "c\(step / 2)"
        // Each time a new cluster, and a route to it, and the one before goes; or other endpoints.
        world.cluster(name, backend)
        if step % 2 == 0 {
          world.host("x", name)
          world.removeCluster(step == 0 ? "one" : "c\(step / 2 - 1)")
        }
        let start = clock.now
        fleet.xds.publish(world.generation())
        let answer = try await Self.live(fleet, world)
        times.append(clock.now - start)
        #expect(answer.isLive && answer.total == 2, "\(answer)")
        for envoy in fleet.all {
          let truth = try await Self.truth(envoy)
          #expect(truth == ["x": "\(name) warm \(backend.ip):\(backend.port)"], "step \(step)")
        }
      }
      print("live on two Envoys after \(times.sorted()[times.count / 2]) (median), \(times.max()!) (worst)")
    }
  }

  @Test("one that is stopped is named")
  func oneThatIsStoppedIsNamed() async throws {
    try await withFleet(ServedWorld()) { fleet, world in
      #expect(try await Self.live(fleet, world).isLive)
      for (envoy, other) in [(fleet.delta, fleet.sotw), (fleet.sotw, fleet.delta)] {
        let name = envoy === fleet.delta ? "live-delta" : "live-sotw"
        envoy.pause()
        world.cluster("one", fleet.backends[envoy === fleet.delta ? 1 : 2])
        let backend = fleet.backends[envoy === fleet.delta ? 1 : 2]
        fleet.xds.publish(world.generation())
        let answer = try await Self.live(fleet, world, within: .milliseconds(1500))
        #expect(!answer.isLive && answer.total == 2 && answer.live == 1)
        #expect(answer.proxies.map(\.nodeID) == [name])
        #expect(try await Self.truth(other)["x"] == "one warm \(backend.ip):\(backend.port)")
        envoy.resume()
        #expect(try await Self.live(fleet, world).isLive)
        #expect(try await Self.truth(envoy)["x"] == "one warm \(backend.ip):\(backend.port)")
      }
    }
  }

  @Test("one that refuses says why, and goes on")
  func oneThatRefusesSaysWhy() async throws {
    try await withFleet(ServedWorld()) { fleet, world in
      #expect(try await Self.live(fleet, world).isLive)
      world.host("twin", "one", domain: "x")
      fleet.xds.publish(world.generation())
      let refused = world.number
      var last: Convergence?
      for await change in fleet.xds.convergences(of: ConvergenceQuery(generation: refused)) {
        last = change
        if change.proxies.allSatisfy({ $0.state == .refused }) { break }
      }
      let answer = try #require(last)
      #expect(!answer.isLive && answer.proxies.map(\.nodeID) == ["live-delta", "live-sotw"])
      for proxy in answer.proxies {
        let refusal = try #require(proxy.refusals.first)
        #expect(refusal.type == .route && refusal.resource == "outbound" && refusal.parts == ["twin"])
        #expect(refusal.reason.contains("Only unique values for domains are permitted"), "\(refusal.reason)")
      }
      for envoy in fleet.all { #expect(try await Self.truth(envoy)["twin"] == nil) }
      world.removeHost("twin")
      fleet.xds.publish(world.generation())
      #expect(try await Self.live(fleet, world).isLive)
    }
  }

  @Test("an endpoint that is safe to terminate is in none")
  func anEndpointThatIsSafeIsInNone() async throws {
    try await withFleet(ServedWorld()) { fleet, world in
      #expect(try await Self.live(fleet, world).isLive)
      let backend = fleet.backends[0]
      let subject = TerminationSubject.endpoint(
        try #require(EndpointSearch(address: backend.ip, port: UInt16(backend.port))))
      #expect(await fleet.xds.termination(of: subject).served == ["one"])
      fleet.sotw.pause()
      world.cluster("one", fleet.backends[1])
      fleet.xds.publish(world.generation())
      let held = try await fleet.xds.termination(of: subject, within: .milliseconds(1500))
      #expect(!held.isSafe && held.served.isEmpty && held.holders.map(\.nodeID) == ["live-sotw"])
      fleet.sotw.resume()
      #expect(try await fleet.xds.termination(of: subject, within: .seconds(20)).isSafe)
      for envoy in fleet.all {
        let addresses = try await envoy.hosts()["one", default: []].map(\.address)
        #expect(addresses == ["\(fleet.backends[1].ip):\(fleet.backends[1].port)"])
      }
    }
  }
}
