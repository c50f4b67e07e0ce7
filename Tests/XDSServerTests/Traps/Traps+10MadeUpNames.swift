import EnvoyAPI
import Testing
import WireFuzzing
import XDSSnapshot

@testable import XDSServer

extension Traps {
  @Suite("10 Names that clients make up") struct MadeUpNames {
    private let pair = Array(CollidingNames.all.prefix(2))

    /// Clusters go when the client is seen to have no route that could name them.
    private func expectGone(
      _ stream: RawStream, _ flow: Flow, _ names: [String], also told: [String] = [], of world: World
    ) async throws {
      if flow.type == .cluster && flow.isAggregated && flow.variant == .delta {
        if !told.isEmpty { stream.ack(try await stream.expect(.cluster, told, of: world)) }
        stream.subscribe(.listener)
        stream.ack(try await stream.expect(.listener, of: world))
        stream.subscribe(.route, ["outbound"])
        stream.ack(try await stream.expect(.cluster, removed: names, of: world))
        stream.ack(try await stream.expect(.route, stubs: ["outbound"], of: world))
      } else if flow.type == .route {
        stream.ack(try await stream.expect(.route, told, stubs: names, of: world))
      } else {
        stream.ack(try await stream.expect(flow.type, told, removed: names, of: world))
      }
    }

    @Test(
      "10.1 claims of two names that have one hash: the process lives, and both are told as gone (every type and service; delta)",
      arguments: Flow.delta)
    func collidingClaims(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a")) { server, world in
        let stream = try await server.open(flow)
        stream.request(flow.type, subscribe: ["a"] + pair, holding: [pair[0]: "1", pair[1]: "1"])
        try await expectGone(stream, flow, pair, also: ["a"], of: world)
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "10.2 subscriptions to names that have one hash: each is answered, and each lives on when the other is dropped (every type and service; SotW, delta)",
      arguments: Flow.all)
    func collidingSubscriptions(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, pair[0], pair[1])) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, pair)
        stream.ack(try await stream.expect(flow.type, pair, of: world))
        stream.unsubscribe(flow.type, [pair[0]])
        world.set(flow.type, pair[0], version: 2)
        world.set(flow.type, pair[1], version: 2)
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, [pair[1]], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "10.3 two clients come back with different names at one version: each is told that its own is gone (every type and service; SotW, delta)",
      arguments: Flow.all)
    func oneVersionForAll(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a")) { server, world in
        for name in ["gone-a", "gone-b", "gone-c", "gone-b"] {
          let stream = try await server.open(flow)
          stream.request(flow.type, subscribe: ["a", name], version: "1", holding: ["a": "1", name: "1"])
          if flow.variant == .stateOfTheWorld {
            stream.ack(
              try await stream.expect(flow.type, ["a"], stubs: flow.type == .route ? [name] : [], of: world))
          } else {
            try await expectGone(stream, flow, [name], also: ["a"], of: world)
          }
          try await stream.expectNothingMore()
        }
      }
    }

    @Test(
      "10.4 the same with the legacy wildcard: one version for everything, as other control planes have (CDS, LDS, each service; delta)",
      arguments: Flow.fullState.filter { $0.variant == .delta })
    func oneVersionForAllWildcard(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a")) { server, world in
        for name in ["l-a", "l-b", "l-c", "l-d", "l-e", "l-f", "l-b"] {
          let stream = try await server.open(flow)
          stream.request(flow.type, holding: ["a": "1", name: "1"])
          try await expectGone(stream, flow, [name], also: ["a"], of: world)
          try await stream.expectNothingMore()
        }
      }
    }

    @Test(
      "10.5 one client claims a name, another one that has the same hash: each is told that its own is gone (every type and service; delta)",
      arguments: Flow.delta)
    func collidingClaimsOfTwoClients(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a")) { server, world in
        for name in pair + pair {
          let stream = try await server.open(flow)
          stream.request(flow.type, subscribe: ["a", name], holding: ["a": "1", name: "1"])
          try await expectGone(stream, flow, [name], also: ["a"], of: world)
          try await stream.expectNothingMore()
        }
      }
    }

    @Test(
      "10.6 stubs of thousands of route tables that nobody has do not push out what other clients hold (RDS; delta)")
    func stubsAreNotRemembered() async throws {
      var world = World.twoHosts
      world.removeHost("y")
      try await RunningServer.serving(world) { server, world in
        let old = world
        let witness = try await server.open(.delta)
        witness.subscribe(.route, [World.routeName])
        witness.ack(try await witness.expect(.route, [World.routeName], of: world))
        let crowd = try await server.open(.delta)
        let names = (0..<2000).map { "nobody-\($0)" }
        crowd.subscribe(.route, names)
        crowd.ack(try await crowd.expect(.route, stubs: names, of: world))
        world.host("x", version: 2, ["a"])
        world.removeCluster("b")
        try await server.publish(&world, after: witness, crowd)
        witness.ack(try await witness.expect(.route, [World.routeName], of: world))
        // What the route held is known: it never named b, which goes before the route is answered.
        let stream = try await server.open(.delta)
        stream.request(.cluster, holding: versions(old.clusters))
        stream.request(.listener, holding: versions(old.listeners))
        stream.request(.route, subscribe: [World.routeName], holding: versions(old.routes))
        let first = try await stream.next()
        let second = try await stream.next()
        #expect([first, second].contains { $0.type == .cluster && $0.removed == ["b"] })
        #expect([first, second].contains { $0.type == .route && $0.count == 1 })
        for stream in [witness, crowd] { try await stream.expectNothingMore() }
      }
    }
  }
}
