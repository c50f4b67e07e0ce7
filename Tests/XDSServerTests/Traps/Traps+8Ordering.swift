import Testing
import XDSSnapshot

@testable import XDSServer

extension Traps {
  @Suite("8 Make before break") struct Ordering {
    @Test(
      "8.1 a route that names a new cluster waits for its CDS ACK and its EDS ACK (SotW, delta)",
      arguments: XDSProtocol.allCases)
    func newCluster(_ variant: XDSProtocol) async throws {
      try await RunningServer.serving(.twoHosts) { server, world in
        let stream = try await server.open(variant)
        try await stream.start(world)
        world.cluster("n")
        world.host("x", version: 2, ["n"])
        try await server.publish(&world, after: stream)
        let clusters = try await stream.expect(.cluster, ["n"], of: world)
        stream.subscribe(.endpoint, ["n"])
        let endpoints = try await stream.expect(.endpoint, ["n"], of: world)
        try await server.hasRead(stream.client)
        #expect(await server.xds.metrics().types[.route]?.pushes == 1)
        stream.ack(endpoints)
        try await server.hasRead(stream.client)
        #expect(await server.xds.metrics().types[.route]?.pushes == 1)
        stream.ack(clusters)
        stream.ack(try await stream.expect(.route, [World.routeName], of: world))
        try await stream.barrier()
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "8.2 the same, when the client accepts CDS before EDS, as Envoy does while it starts (SotW, delta)",
      arguments: XDSProtocol.allCases)
    func newClusterAcceptedFirst(_ variant: XDSProtocol) async throws {
      try await RunningServer.serving(.twoHosts) { server, world in
        let stream = try await server.open(variant)
        try await stream.start(world)
        world.cluster("n")
        world.host("x", version: 2, ["n"])
        try await server.publish(&world, after: stream)
        let clusters = try await stream.expect(.cluster, ["n"], of: world)
        stream.subscribe(.endpoint, ["n"])
        let endpoints = try await stream.expect(.endpoint, ["n"], of: world)
        stream.ack(clusters)
        try await server.hasRead(stream.client)
        #expect(await server.xds.metrics().types[.route]?.pushes == 1)
        stream.ack(endpoints)
        stream.ack(try await stream.expect(.route, [World.routeName], of: world))
        try await stream.barrier()
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "8.3 a cluster is removed only after the ACK of the route that no longer names it (SotW, delta)",
      arguments: XDSProtocol.allCases)
    func oldCluster(_ variant: XDSProtocol) async throws {
      try await RunningServer.serving(.twoHosts) { server, world in
        let stream = try await server.open(variant)
        try await stream.start(world)
        world.host("y", version: 2, ["a"])
        world.removeCluster("b")
        try await server.publish(&world, after: stream)
        let route = try await stream.expect(.route, [World.routeName], of: world)
        try await server.hasRead(stream.client)
        #expect(await server.xds.metrics().types[.cluster]?.pushes == 1)
        stream.ack(route)
        stream.ack(try await stream.expect(.cluster, removed: ["b"], of: world))
        // The endpoints last.
        if variant == .delta { stream.ack(try await stream.expect(.endpoint, removed: ["b"], of: world)) }
        try await stream.barrier()
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "8.4 one cluster in another's place, in one generation: CDS with both, EDS, RDS, then CDS without the old (SotW, delta)",
      arguments: XDSProtocol.allCases)
    func replaced(_ variant: XDSProtocol) async throws {
      try await RunningServer.serving(.twoHosts) { server, world in
        var both = world
        let stream = try await server.open(variant)
        try await stream.start(world)
        world.removeCluster("b")
        world.cluster("n")
        world.host("y", version: 2, ["n"])
        both.cluster("n")
        try await server.publish(&world, after: stream)
        let clusters = try await stream.expect(.cluster, ["n"], of: both)
        stream.subscribe(.endpoint, ["n"])
        stream.ack(try await stream.expect(.endpoint, ["n"], of: world))
        stream.ack(clusters)
        stream.ack(try await stream.expect(.route, [World.routeName], of: world))
        stream.ack(try await stream.expect(.cluster, removed: ["b"], of: world))
        if variant == .delta { stream.ack(try await stream.expect(.endpoint, removed: ["b"], of: world)) }
        try await stream.barrier()
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "8.5 a route that waits does not hold the others: new revision in mid-canary (SotW, delta)",
      arguments: XDSProtocol.allCases)
    func othersGoOn(_ variant: XDSProtocol) async throws {
      try await RunningServer.serving(.twoHosts) { server, world in
        var held = world
        let stream = try await server.open(variant)
        try await stream.start(world)
        world.cluster("n")
        world.host("x", version: 2, ["a", "n"])
        world.host("y", version: 2, ["a", "b"])
        held.host("y", version: 2, ["a", "b"])
        try await server.publish(&world, after: stream)
        let clusters = try await stream.expect(.cluster, ["n"], of: world)
        stream.ack(try await stream.expect(.route, [World.routeName], of: held))
        // The canary gets another revision before the first is warm.
        world.cluster("m")
        world.host("x", version: 3, ["a", "m"])
        try await server.publish(&world, after: stream)
        stream.ack(clusters)
        let second = try await stream.expect(.cluster, ["m"], of: world)
        stream.subscribe(.endpoint, ["n", "m"])
        stream.ack(try await stream.expect(.endpoint, ["m", "n"], of: world))
        stream.ack(second)
        stream.ack(try await stream.expect(.route, [World.routeName], of: world))
        try await stream.barrier()
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "8.6 a listener that names a new cluster waits for it, and keeps the old (SotW, delta)",
      arguments: XDSProtocol.allCases)
    func listener(_ variant: XDSProtocol) async throws {
      var world = World.twoHosts
      world.cluster("old")
      world.listener("tcp", version: 1, clusters: ["old"])
      try await RunningServer.serving(world) { server, world in
        var both = world
        let stream = try await server.open(variant)
        try await stream.start(world)
        world.removeCluster("old")
        world.cluster("new")
        world.listener("tcp", version: 2, clusters: ["new"])
        both.cluster("new")
        try await server.publish(&world, after: stream)
        let clusters = try await stream.expect(.cluster, ["new"], of: both)
        stream.subscribe(.endpoint, ["new"])
        stream.ack(try await stream.expect(.endpoint, ["new"], of: world))
        stream.ack(clusters)
        stream.ack(try await stream.expect(.listener, ["tcp"], of: world))
        stream.ack(try await stream.expect(.cluster, removed: ["old"], of: world))
        if variant == .delta { stream.ack(try await stream.expect(.endpoint, removed: ["old"], of: world)) }
        try await stream.barrier()
        try await stream.expectNothingMore()
      }
    }

    @Test("8.7 a reorder of what is served sends nothing (every type; SotW, delta)", arguments: XDSProtocol.allCases)
    func reorder(_ variant: XDSProtocol) async throws {
      func world(_ names: [String]) -> World {
        var world = World()
        for name in names {
          world.cluster(name)
          world.listener(name, version: 1)
          world.host("h-\(name)", [name])
        }
        return world
      }
      let names = (0..<20).map { "c\($0)" }
      try await RunningServer.serving(world(names)) { server, first in
        let stream = try await server.open(variant)
        try await stream.start(first)
        // The same from scratch, last to first.
        var second = world(names.reversed())
        while second.number < first.number { _ = second.generation() }
        try await server.publish(&second, after: stream)
        #expect(server.xds.generation?.number == second.number)
        try await stream.barrier()
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "8.8 a client like gRPC's, which names CDS only after the route and one by one: no deadlock (SotW, delta)",
      arguments: XDSProtocol.allCases)
    func clustersAfterTheRoute(_ variant: XDSProtocol) async throws {
      try await RunningServer.serving(.twoHosts) { server, world in
        let stream = try await server.open(variant)
        stream.subscribe(.listener, ["http"])
        stream.ack(try await stream.expect(.listener, ["http"], of: world))
        stream.subscribe(.route, [World.routeName])
        stream.ack(try await stream.expect(.route, [World.routeName], of: world))
        for cluster in ["a", "b"] {
          stream.subscribe(.cluster, [cluster])
          stream.ack(try await stream.expect(.cluster, [cluster], of: world))
          stream.subscribe(.endpoint, [cluster])
          stream.ack(try await stream.expect(.endpoint, [cluster], of: world))
        }
        // The route comes first: the client asks for n only when it has the route.
        world.cluster("n")
        world.host("x", version: 2, ["n"])
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(.route, [World.routeName], of: world))
        stream.subscribe(.cluster, ["n"])
        let clusters = try await stream.expect(.cluster, ["n"], of: world)
        // Another, while n is on its way: nobody has asked for it, so nothing waits for it.
        world.cluster("m")
        world.host("y", version: 2, ["m"])
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(.route, [World.routeName], of: world))
        // And what names n waits until n is accepted.
        world.host("x", version: 3, ["n", "m"])
        try await server.publish(&world, after: stream)
        stream.ack(clusters)
        stream.ack(try await stream.expect(.route, [World.routeName], of: world))
        stream.subscribe(.endpoint, ["n"])
        stream.ack(try await stream.expect(.endpoint, ["n"], of: world))
        stream.subscribe(.cluster, ["m"])
        stream.ack(try await stream.expect(.cluster, ["m"], of: world))
        stream.subscribe(.endpoint, ["m"])
        stream.ack(try await stream.expect(.endpoint, ["m"], of: world))
        // And back: the route, then the client drops the names.
        world.host("x", version: 4, ["a"])
        world.host("y", version: 3, ["b"])
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(.route, [World.routeName], of: world))
        stream.unsubscribe(.cluster, ["n", "m"])
        stream.unsubscribe(.endpoint, ["n", "m"])
        world.removeCluster("n")
        world.removeCluster("m")
        try await server.publish(&world, after: stream)
        try await stream.barrier()
        try await stream.expectNothingMore()
      }
    }
  }
}
