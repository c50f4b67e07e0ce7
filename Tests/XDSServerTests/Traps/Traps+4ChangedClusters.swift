import Testing
import XDSSnapshot

@testable import XDSServer

extension Traps {
  @Suite("4 A CDS change and its EDS") struct ChangedClusters {
    @Test(
      "4.1 a CDS change with unchanged EDS: EDS is sent again at once after it (SotW, delta)",
      arguments: XDSProtocol.allCases)
    func changed(_ variant: XDSProtocol) async throws {
      try await RunningServer.serving(.twoHosts) { server, world in
        let stream = try await server.open(variant)
        try await stream.start(world)
        world.cluster("a", version: 2)
        try await server.publish(&world, after: stream)
        // Envoy keeps the ACK of the clusters back until it has the endpoints.
        let clusters = try await stream.expect(.cluster, ["a"], of: world)
        stream.ack(try await stream.expect(.endpoint, ["a"], of: world))
        stream.ack(clusters)
        try await stream.barrier()
        try await stream.expectNothingMore()
      }
    }

    @Test("4.2 a CDS change together with an EDS change: both, once (SotW, delta)", arguments: XDSProtocol.allCases)
    func bothChanged(_ variant: XDSProtocol) async throws {
      try await RunningServer.serving(.twoHosts) { server, world in
        let stream = try await server.open(variant)
        try await stream.start(world)
        world.cluster("a", version: 2)
        world.endpoint("b", version: 2)
        try await server.publish(&world, after: stream)
        let clusters = try await stream.expect(.cluster, ["a"], of: world)
        stream.ack(try await stream.expect(.endpoint, ["a", "b"], of: world))
        stream.ack(clusters)
        try await stream.barrier()
        try await stream.expectNothingMore()
      }
    }

    @Test("4.3 CDS changed twice before EDS is asked (SotW, delta)", arguments: XDSProtocol.allCases)
    func twiceBeforeAsked(_ variant: XDSProtocol) async throws {
      try await RunningServer.serving(.twoHosts) { server, world in
        let stream = try await server.open(variant)
        try await stream.start(world)
        world.cluster("n")
        try await server.publish(&world, after: stream)
        let first = try await stream.expect(.cluster, ["n"], of: world)
        world.cluster("n", version: 2)
        try await server.publish(&world)
        world.cluster("n", version: 3)
        try await server.publish(&world)
        stream.ack(first)
        let second = try await stream.expect(.cluster, ["n"], of: world)
        stream.subscribe(.endpoint, ["n"])
        stream.ack(try await stream.expect(.endpoint, ["n"], of: world))
        stream.ack(second)
        try await stream.barrier()
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "4.4 CDS changed twice while EDS is in flight: EDS again after the second (SotW, delta)",
      arguments: XDSProtocol.allCases)
    func twiceInFlight(_ variant: XDSProtocol) async throws {
      try await RunningServer.serving(.twoHosts) { server, world in
        let stream = try await server.open(variant)
        try await stream.start(world)
        world.cluster("a", version: 2)
        try await server.publish(&world, after: stream)
        let clusters = try await stream.expect(.cluster, ["a"], of: world)
        let endpoints = try await stream.expect(.endpoint, ["a"], of: world)
        world.cluster("a", version: 3)
        try await server.publish(&world)
        // The client accepts its clusters before it reads the endpoints: the second change goes out first.
        stream.ack(clusters)
        let changed = try await stream.expect(.cluster, ["a"], of: world)
        stream.ack(endpoints)
        stream.ack(try await stream.expect(.endpoint, ["a"], of: world))
        stream.ack(changed)
        try await stream.barrier()
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "4.5 EDS pushed before its CDS is lost on the client: it follows its CDS again, and is answered again when subscribed (SotW, delta)",
      arguments: XDSProtocol.allCases)
    func endpointsBeforeTheirCluster(_ variant: XDSProtocol) async throws {
      try await RunningServer.serving(.twoHosts) { server, world in
        world.endpoint("n", version: 1)
        try await server.publish(&world)
        let stream = try await server.open(variant)
        try await stream.start(world)
        stream.subscribe(.endpoint, ["n"])
        stream.ack(try await stream.expect(.endpoint, ["n"], of: world))
        world.cluster("n")
        try await server.publish(&world, after: stream)
        let clusters = try await stream.expect(.cluster, ["n"], of: world)
        stream.ack(try await stream.expect(.endpoint, ["n"], of: world))
        // The client asks now that it has the cluster. In the state of the world the list is the same as before.
        stream.subscribe(.endpoint, ["n"])
        if variant == .delta { stream.ack(try await stream.expect(.endpoint, ["n"], of: world)) }
        stream.ack(clusters)
        try await stream.barrier()
        try await stream.expectNothingMore()
      }
    }

    @Test("4.6 a cluster changed whose EDS is not subscribed to: no EDS (SotW, delta)", arguments: XDSProtocol.allCases)
    func notSubscribed(_ variant: XDSProtocol) async throws {
      try await RunningServer.serving(.twoHosts) { server, world in
        let stream = try await server.open(variant)
        try await stream.start(world)
        // A cluster with static endpoints, say.
        world.cluster("dns", endpoints: nil)
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(.cluster, ["dns"], of: world))
        world.cluster("dns", version: 2, endpoints: nil)
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(.cluster, ["dns"], of: world))
        try await stream.barrier()
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "4.7 a cluster that goes and comes back: its EDS is sent again (SotW, delta)", arguments: XDSProtocol.allCases)
    func goesAndComesBack(_ variant: XDSProtocol) async throws {
      var world = World.twoHosts
      world.cluster("spare")
      try await RunningServer.serving(world) { server, world in
        let before = world
        let stream = try await server.open(variant)
        try await stream.start(world)
        world.removeCluster("spare")
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(.cluster, removed: ["spare"], of: world))
        if variant == .delta { stream.ack(try await stream.expect(.endpoint, removed: ["spare"], of: world)) }
        world.clusters = before.clusters
        world.endpoints = before.endpoints
        try await server.publish(&world, after: stream)
        let clusters = try await stream.expect(.cluster, ["spare"], of: world)
        stream.ack(try await stream.expect(.endpoint, ["spare"], of: world))
        stream.ack(clusters)
        try await stream.barrier()
        try await stream.expectNothingMore()
      }
    }
  }
}
