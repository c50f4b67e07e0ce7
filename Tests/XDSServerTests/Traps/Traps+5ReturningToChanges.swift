import Testing
import XDSSnapshot

@testable import XDSServer

extension Traps {
  @Suite("5 A cluster deleted while the client was away outlives the ACK of the new route") struct Outliving {
    /// What a client holds of a world, as it says so when it comes back.
    private func returns(
      _ stream: RawStream, _ type: ResourceType, _ names: [String], holding old: World
    ) throws {
      let table = old.table(type)
      let version: String
      switch type {
      case .cluster, .listener: version = table.contentHash.text
      case .route: version = try #require(table[World.routeName]).version
      case .endpoint, .virtualHost, .loneEndpoint: version = "any"
      }
      stream.request(type, subscribe: names, version: version, holding: versions(table))
    }

    /// The client comes back with `old` and asks as Envoy does: clusters, endpoints, listeners, routes.
    private func comesBack(_ stream: RawStream, holding old: World, to world: World) async throws {
      try returns(stream, .cluster, [], holding: old)
      // Nothing: b is gone, but is not removed.
      try returns(stream, .endpoint, ["a", "b"], holding: old)
      if stream.variant == .stateOfTheWorld { stream.ack(try await stream.expect(.endpoint, ["a"], of: world)) }
      try returns(stream, .listener, [], holding: old)
      try returns(stream, .route, [World.routeName], holding: old)
      // The first thing that it is sent is the route without b.
      let route = try await stream.expect(.route, [World.routeName], of: world)
      stream.ack(route)
      let clusters = try await stream.expect(.cluster, removed: ["b"], of: world)
      stream.ack(clusters)
      if stream.variant == .delta { stream.ack(try await stream.expect(.endpoint, removed: ["b"], of: world)) }
      try await stream.barrier()
      try await stream.expectNothingMore()
    }

    @Test(
      "5.15 a cluster deleted while the client was away outlives the ACK of the new route: the same process (SotW, delta)",
      arguments: XDSProtocol.allCases)
    func sameProcess(_ variant: XDSProtocol) async throws {
      try await RunningServer.serving(.twoHosts) { server, world in
        let old = world
        let before = try await server.open(variant)
        try await before.start(world)
        try await before.expectNothingMore()
        world.host("y", version: 2, ["a"])
        world.removeCluster("b")
        try await server.publish(&world)
        try await comesBack(try await server.open(variant), holding: old, to: world)
      }
    }

    @Test(
      "5.16 a cluster deleted while the client was away outlives the ACK of the new route: a new process that remembers what was served (SotW, delta)",
      arguments: XDSProtocol.allCases)
    func newProcess(_ variant: XDSProtocol) async throws {
      var old = World.twoHosts
      let remembered = old.generation()
      var world = old
      world.host("y", version: 2, ["a"])
      world.removeCluster("b")
      try await withServer { server in
        server.xds.remember(remembered)
        try await server.publish(&world)
        try await comesBack(try await server.open(variant), holding: old, to: world)
      }
    }

    @Test(
      "5.17 a cluster deleted while the client was away outlives the ACK of the new route: a new process that remembers nothing (delta)"
    )
    func newProcessWithoutMemory() async throws {
      let old = World.twoHosts
      var world = old
      world.host("y", version: 2, ["a"])
      world.removeCluster("b")
      try await withServer { server in
        try await server.publish(&world)
        try await comesBack(try await server.open(.delta), holding: old, to: world)
      }
    }

    @Test("5.18 a cluster deleted while the client was away, and the route is found to match: removed then (delta)")
    func routeMatches() async throws {
      var world = World.twoHosts
      world.cluster("unused")
      try await RunningServer.serving(world) { server, world in
        let old = world
        world.removeCluster("unused")
        try await server.publish(&world)
        let stream = try await server.open(.delta)
        try returns(stream, .cluster, [], holding: old)
        try returns(stream, .listener, [], holding: old)
        try returns(stream, .route, [World.routeName], holding: old)
        stream.ack(try await stream.expect(.cluster, removed: ["unused"], of: world))
        try await stream.expectNothingMore()
      }
    }
  }

  @Suite("5 Reconnect to a replica") struct FailOver {
    /// The client's first requests on a new stream, holding all of a world but what it has not accepted yet.
    private func moves(
      _ stream: RawStream, holding world: World, endpoints old: World? = nil, route: World? = nil
    ) throws {
      for type in ResourceType.general {
        var table = world.table(type)
        if type == .endpoint, let old { table = old.endpoints }
        if type == .route, let route { table = route.routes }
        let names = type == .endpoint ? ["a", "b"] : type == .route ? [World.routeName] : []
        let version = type == .route ? try #require(table[World.routeName]).version : table.contentHash.text
        stream.request(type, subscribe: names, version: version, holding: versions(table))
      }
    }

    @Test(
      "5.19 fail-over to a replica with the same content: nothing is sent for what matches (delta: nothing; SotW: EDS and RDS, whose versions tell of the last response only)",
      arguments: XDSProtocol.allCases)
    func sameContent(_ variant: XDSProtocol) async throws {
      try await RunningServer.serving(.twoHosts) { first, world in
        let stream = try await first.open(variant)
        try await stream.start(world)
        try await stream.expectNothingMore()
        // Built apart: not one reference is shared.
        try await RunningServer.serving(.twoHosts) { second, world in
          let stream = try await second.open(variant)
          try moves(stream, holding: world)
          if variant == .stateOfTheWorld {
            stream.ack(try await stream.expect(.endpoint, ["a", "b"], of: world))
            stream.ack(try await stream.expect(.route, [World.routeName], of: world))
          }
          try await stream.barrier()
          try await stream.expectNothingMore()
        }
      }
    }

    @Test(
      "5.20 fail-over in mid-push: the replica sends what was not accepted, and that alone (SotW, delta)",
      arguments: XDSProtocol.allCases)
    func midPush(_ variant: XDSProtocol) async throws {
      try await RunningServer.serving(.twoHosts) { first, world in
        let old = world
        let stream = try await first.open(variant)
        try await stream.start(world)
        world.cluster("a", version: 2, endpoints: nil)
        world.endpoint("b", version: 2)
        world.host("x", version: 2, ["a"])
        let new = world
        try await first.publish(&world, after: stream)
        stream.ack(try await stream.expect(.cluster, ["a"], of: world))
        try await stream.expect(.endpoint, ["a", "b"], of: world)
        try await stream.expect(.route, [World.routeName], of: world)
        // The server dies before the endpoints and the route are accepted.
        stream.close()
        try await RunningServer.serving(new) { second, world in
          let stream = try await second.open(variant)
          try moves(stream, holding: world, endpoints: old, route: old)
          let isDelta = variant == .delta
          stream.ack(try await stream.expect(.endpoint, isDelta ? ["b"] : ["a", "b"], of: world))
          stream.ack(try await stream.expect(.route, [World.routeName], of: world))
          try await stream.barrier()
          try await stream.expectNothingMore()
        }
      }
    }

    @Test(
      "5.21 a client that claims what is there, and asks anew before anything is published: answered (named CDS, LDS in SotW; * in delta)",
      arguments: Flow.fullState)
    func askedAnewBeforeTheFirstGeneration(_ flow: Flow) async throws {
      try await withServer { server in
        var world = World.of(flow.type, "a")
        let stream = try await server.open(flow)
        let isDelta = flow.variant == .delta
        let name = isDelta ? "*" : "a"
        stream.request(
          flow.type, subscribe: [name], version: try #require(world.table(flow.type)["a"]).version,
          holding: versions(world.table(flow.type)))
        stream.request(flow.type, unsubscribe: [name])
        stream.request(flow.type, subscribe: [name])
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        try await stream.expectNothingMore()
      }
    }
  }
}
