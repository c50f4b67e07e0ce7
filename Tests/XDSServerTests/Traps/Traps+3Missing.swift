import EnvoyAPI
import Testing
import XDSSnapshot

@testable import XDSServer

extension Traps {
  @Suite("3 What is not there") struct Missing {
    @Test(
      "3.1 a name subscribed before it exists, then created (every type and service; SotW, delta)", arguments: Flow.all)
    func beforeItExists(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["late"])
        try await stream.expectMissing(flow.type, ["late"], of: world)
        world.set(flow.type, "late")
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, ["late"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "3.2 a name subscribed before it exists, created while the answer is in flight (every type and service; SotW, delta)",
      arguments: Flow.all)
    func createdInFlight(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["a", "late"])
        let isRoute = flow.type == .route
        let inFlight = try await stream.expect(
          flow.type, ["a"], stubs: isRoute ? ["late"] : [], removed: isRoute ? [] : ["late"], of: world)
        world.set(flow.type, "late")
        try await server.publish(&world, after: stream)
        stream.ack(inFlight)
        stream.ack(try await stream.expect(flow.type, ["late"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "3.3 a missing ClusterLoadAssignment: removed_resources (EDS on ADS and alone; delta)",
      arguments: Flow.delta.filter { $0.type == .endpoint })
    func missingAssignment(_ flow: Flow) async throws {
      var world = World.of(.endpoint, "a")
      world.cluster("missing", endpoints: nil)
      try await RunningServer.serving(world) { server, world in
        let stream = try await server.open(flow)
        // At once, also when it is all that is asked for.
        stream.subscribe(.endpoint, ["missing"])
        stream.ack(try await stream.expect(.endpoint, removed: ["missing"], of: world))
        stream.subscribe(.endpoint, ["a", "missing"])
        stream.ack(try await stream.expect(.endpoint, ["a"], removed: ["missing"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "3.4 a missing ClusterLoadAssignment: absent from the answer (EDS on ADS and alone; SotW)",
      arguments: Flow.stateOfTheWorld.filter { $0.type == .endpoint })
    func absentAssignment(_ flow: Flow) async throws {
      var world = World.of(.endpoint, "a")
      world.cluster("missing", endpoints: nil)
      try await RunningServer.serving(world) { server, world in
        let stream = try await server.open(flow)
        // When it is all that is asked for the answer is empty, and comes at once; not again when it is accepted.
        stream.subscribe(.endpoint, ["missing"])
        stream.ack(try await stream.expect(.endpoint, of: world))
        stream.subscribe(.endpoint, ["a"])
        stream.ack(try await stream.expect(.endpoint, ["a"], of: world))
        // Nor is there one for what goes away.
        world.remove(.endpoint, "a")
        try await server.publish(&world, after: stream)
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "3.5 an empty ClusterLoadAssignment is sent as one, and is no removal (EDS on ADS and alone; SotW, delta)",
      arguments: Flow.all.filter { $0.type == .endpoint })
    func emptyAssignment(_ flow: Flow) async throws {
      var world = World.of(.endpoint, "a", "b")
      func empty(_ name: String) -> Resource {
        Resource(name: name, bytes: ClusterLoadAssignment.encodedHeader(clusterName: name))
      }
      world.endpoints.set(empty("a"))
      try await RunningServer.serving(world) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(.endpoint, ["a", "b"])
        stream.ack(try await stream.expect(.endpoint, ["a", "b"], of: world))
        // The last endpoint goes.
        world.endpoints.set(empty("b"))
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(.endpoint, ["b"], of: world))
        // And comes back.
        world.endpoint("b", version: 2)
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(.endpoint, ["b"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "3.6 a missing RouteConfiguration: a stub answers, never a removal (RDS on ADS and alone; SotW, delta)",
      arguments: Flow.all.filter { $0.type == .route })
    func missingRoute(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(.route, "a")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(.route, ["missing"])
        stream.ack(try await stream.expect(.route, stubs: ["missing"], of: world))
        stream.subscribe(.route, ["a", "other"])
        stream.ack(try await stream.expect(.route, ["a"], stubs: ["other"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "3.7 a RouteConfiguration that goes away later: a stub, never a removal; and it comes back (RDS on ADS and alone; SotW, delta)",
      arguments: Flow.all.filter { $0.type == .route })
    func routeGoesAway(_ flow: Flow) async throws {
      let before = World.of(.route, "a", "b")
      try await RunningServer.serving(before) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(.route, ["a", "b"])
        stream.ack(try await stream.expect(.route, ["a", "b"], of: world))
        world.remove(.route, "a")
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(.route, stubs: ["a"], of: world))
        world.routes = before.routes
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(.route, ["a"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "3.8 nothing at all: CDS and LDS are answered at once, with an empty answer (ADS, own service; SotW, delta)",
      arguments: Flow.fullState)
    func emptyAnswer(_ flow: Flow) async throws {
      try await RunningServer.serving(World.empty) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type)
        stream.ack(try await stream.expect(flow.type, of: world))
        world.set(flow.type, "a")
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        world.remove(flow.type, "a")
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, removed: ["a"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "3.9 a fresh client where nothing is: every type that it asks for is answered, so that it starts (ADS; SotW, delta)",
      arguments: XDSProtocol.allCases)
    func freshStart(_ variant: XDSProtocol) async throws {
      var world = World.empty
      world.cluster("a", endpoints: nil)
      try await RunningServer.serving(world) { server, world in
        let stream = try await server.open(variant)
        stream.subscribe(.cluster)
        stream.ack(try await stream.expect(.cluster, ["a"], of: world))
        stream.subscribe(.endpoint, ["a"])
        try await stream.expectMissing(.endpoint, ["a"], of: world)
        stream.subscribe(.listener)
        stream.ack(try await stream.expect(.listener, of: world))
        stream.subscribe(.route, ["outbound"])
        stream.ack(try await stream.expect(.route, stubs: ["outbound"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "3.10 asked before anything is published: not answered before, and then with what there is (every type and service; SotW, delta)",
      arguments: Flow.all)
    func beforeTheFirstGeneration(_ flow: Flow) async throws {
      try await withServer { server in
        var world = World.of(flow.type, "a", "b")
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["a"])
        stream.unsubscribe(flow.type, ["a"])
        stream.subscribe(flow.type, ["b", "missing"])
        try await server.publish(&world, after: stream)
        let isRoute = flow.type == .route
        stream.ack(
          try await stream.expect(
            flow.type, ["b"], stubs: isRoute ? ["missing"] : [], removed: isRoute ? [] : ["missing"], of: world))
        try await stream.expectNothingMore()
      }
    }
  }
}
