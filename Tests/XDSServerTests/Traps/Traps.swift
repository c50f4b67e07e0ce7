import EnvoyAPI
import GRPCTransport
import Testing
import XDSSnapshot

@testable import XDSServer

// The protocol traps that servers in the field have fallen into, one test each: a raw client over a real TCP socket
// against a real gRPC server with the xDS server on it.
//
// "Nothing was sent" is never a matter of waiting. Messages of a stream are in order, so what comes before the answer to a
// later request would be seen before it (`RawStream.barrier`), and the server's trailers are behind all that it has sent
// (`RawStream.expectNothingMore`).
@Suite("Traps", .serialized, .timeLimit(.minutes(2))) enum Traps {}

/// One resource type, on the aggregated stream or on the service of its own, in one of the protocols.
struct Flow: Sendable, CustomTestStringConvertible {
  var type: ResourceType
  var isAggregated: Bool
  var variant: XDSProtocol

  var testDescription: String {
    "\(type.discoveryService), \(variant == .delta ? "delta" : "state of the world")"
      + (isAggregated ? ", on ADS" : ", on its own service")
  }

  var method: String {
    let isDelta = variant == .delta
    if isAggregated {
      return "/envoy.service.discovery.v3.AggregatedDiscoveryService/"
        + (isDelta ? "DeltaAggregatedResources" : "StreamAggregatedResources")
    }
    let verb = isDelta ? "Delta" : "Stream"
    return switch type {
    case .cluster: "/envoy.service.cluster.v3.ClusterDiscoveryService/\(verb)Clusters"
    case .endpoint: "/envoy.service.endpoint.v3.EndpointDiscoveryService/\(verb)Endpoints"
    case .listener: "/envoy.service.listener.v3.ListenerDiscoveryService/\(verb)Listeners"
    case .route: "/envoy.service.route.v3.RouteDiscoveryService/\(verb)Routes"
    case .virtualHost, .loneEndpoint: "none"
    }
  }

  /// Whether what was refused is told once more, as it was before or as removed, with the next response: a cluster that Envoy
  /// could not build stays in it, and would keep it silent, until it is (in the state of the world every response does that).
  var repeatsRefused: Bool { type == .cluster && variant == .delta }

  /// CDS, EDS, LDS, RDS × ADS, own service × state of the world, delta.
  static let all = ResourceType.general.flatMap { type in
    [true, false].flatMap { isAggregated in
      XDSProtocol.allCases.map { Flow(type: type, isAggregated: isAggregated, variant: $0) }
    }
  }
  static let delta = all.filter { $0.variant == .delta }
  static let stateOfTheWorld = all.filter { $0.variant == .stateOfTheWorld }
  /// CDS and LDS: the types with a legacy wildcard, whose state-of-the-world responses name everything.
  static let fullState = all.filter(\.type.isFullState)
  /// EDS and RDS.
  static let partialState = all.filter { !$0.type.isFullState }
}

extension ResourceType {
  var discoveryService: String {
    switch self {
    case .cluster: "CDS"
    case .endpoint: "EDS"
    case .listener: "LDS"
    case .route: "RDS"
    case .virtualHost: "VHDS"
    case .loneEndpoint: "LEDS"
    }
  }
}

extension World {
  /// Nothing at all.
  static var empty: World {
    var world = World()
    world.listeners = ResourceTable()
    world.routes = ResourceTable()
    return world
  }

  /// Sets one resource of a type, and nothing of the other types.
  mutating func set(_ type: ResourceType, _ name: String, version: Int = 1) {
    switch type {
    case .cluster: cluster(name, version: version, endpoints: nil)
    case .endpoint: endpoint(name, version: version)
    case .listener: listener(name, version: version)
    case .route: host("h", version: version, [], in: name)
    case .virtualHost: host(name, version: version, [])
    case .loneEndpoint: break
    }
  }

  mutating func remove(_ type: ResourceType, _ name: String) {
    switch type {
    case .cluster: clusters.remove(name)
    case .endpoint: endpoints.remove(name)
    case .listener: listeners.remove(name)
    case .route: routes.remove(name)
    case .virtualHost: removeHost(name)
    case .loneEndpoint: break
    }
  }

  /// A world of these resources of one type.
  static func of(_ type: ResourceType, _ names: String...) -> World {
    var world = empty
    for name in names { world.set(type, name) }
    return world
  }

  /// Hosts x and y, with a cluster each.
  static var twoHosts: World {
    var world = World()
    world.cluster("a")
    world.cluster("b")
    world.host("x", ["a"])
    world.host("y", ["b"])
    return world
  }
}

extension RunningServer {
  func open(_ flow: Flow, on client: GRPCClient? = nil) async throws -> RawStream {
    try await open(flow.variant, method: flow.method, on: client)
  }

  /// Publishes the next generation when the server has read all that was sent on these streams, and returns when every
  /// stream has been given it.
  func publish(_ world: inout World, after streams: RawStream...) async throws {
    for stream in streams { try await hasRead(stream.client) }
    xds.publish(world.generation())
    // Each event loop answers this after it has delivered the generation.
    _ = await xds.metrics()
  }

  /// A server that serves a world. The test may edit the world and publish it again.
  static func serving(
    _ world: World, classify: @escaping @Sendable (NodeIdentity) -> ProxyClass = { _ in World.proxyClass },
    clock: any StreamClock = EventLoopClock(), _ body: (RunningServer, inout World) async throws -> Void
  ) async throws {
    var world = world
    try await withServer(classify: classify, clock: clock) { server in
      server.xds.publish(world.generation())
      try await body(server, &world)
    }
  }

  /// Returns when the server has read all that was sent on this connection before.
  func hasRead(_ client: GRPCClient) async throws {
    // Requests of one connection are read in order; this one, without a node, is answered with a status.
    let stream = try await open(.delta, node: nil, on: client)
    stream.request(.cluster)
    #expect(try await stream.status().code == .invalidArgument)
  }
}
