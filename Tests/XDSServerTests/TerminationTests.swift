import EnvoyAPI
import Testing
import XDSSnapshot

@testable import XDSServer

/// Can any proxy still pick it?
@Suite(.timeLimit(.minutes(1))) struct TerminationTests {
  private static let long = Duration.seconds(1000)

  /// Gives a cluster endpoints as they are on the wire: 10.0.0.1 and so on, port 80.
  private static func set(_ cluster: String, _ health: [LbEndpoint.Health], in world: inout World) {
    let endpoints = health.enumerated().map {
      LbEndpoint(address: "10.0.0.\($0.offset + 1)", port: 80, health: $0.element)
    }
    var fragments = ReferencedTree<Fragment>()
    fragments.set(
      Fragment(
        key: "z", bytes: LocalityEndpoints(region: "", zone: "z", endpoints: endpoints).encodedFragment()))
    world.endpoints.set(
      Resource(
        name: cluster, header: ClusterLoadAssignment.encodedHeader(clusterName: cluster), parts: [fragments]))
  }

  private static let second = TerminationSubject.endpoint(EndpointSearch(address: "10.0.0.2", port: 80)!)

  @Test(arguments: XDSProtocol.allCases)
  func anEndpointIsSafeWhenEveryProxyHasAcceptedThatItDrains(_ variant: XDSProtocol) async throws {
    try await withServer(threads: 2) { server in
      var world = SocketTests.world()
      Self.set("a", [.healthy, .healthy], in: &world)
      server.xds.publish(world.generation())
      let streams = [
        try await server.open(variant, node: NodeIdentity(id: "p")),
        try await server.open(variant, node: NodeIdentity(id: "q")),
      ]
      for stream in streams { try await stream.sync() }
      var now = await server.xds.termination(of: Self.second)
      #expect(!now.isSafe && now.served == ["a"] && now.total == 2)

      async let outcome = server.xds.termination(of: Self.second, within: Self.long)
      Self.set("a", [.healthy, .draining], in: &world)
      server.xds.publish(world.generation())
      streams[0].ack(try await streams[0].next())
      let response = try await streams[1].next()
      try await server.acknowledged(world.number, "p")
      now = await server.xds.termination(of: Self.second)
      #expect(!now.isSafe && now.served.isEmpty)
      #expect(now.holders.map(\.nodeID) == ["q"] && now.holders.map(\.resources) == [["a"]])
      streams[1].ack(response)
      let safe = try await outcome
      #expect(safe.isSafe && safe.total == 2 && safe.holders.isEmpty)
      // Served anew, it is not safe any more.
      Self.set("a", [.healthy, .healthy], in: &world)
      server.xds.publish(world.generation())
      now = await server.xds.termination(of: Self.second)
      #expect(!now.isSafe && now.served == ["a"])
      for stream in streams { stream.close() }
    }
  }

  @Test(arguments: XDSProtocol.allCases)
  func whileItIsServedAgainNobodyIsSafe(_ variant: XDSProtocol) async throws {
    try await withServer { server in
      var world = SocketTests.world()
      Self.set("a", [.healthy, .draining], in: &world)
      server.xds.publish(world.generation())
      let stream = try await server.open(variant, node: NodeIdentity(id: "p"))
      try await stream.sync()
      #expect(try await server.xds.termination(of: Self.second, within: Self.long).isSafe)
      Self.set("a", [.healthy, .healthy], in: &world)
      server.xds.publish(world.generation())
      let response = try await stream.next()
      async let outcome = server.xds.termination(of: Self.second, within: Self.long)
      // Before the answer to that the next is not sent, and what the client has may be either.
      Self.set("a", [.healthy], in: &world)
      server.xds.publish(world.generation())
      let now = await server.xds.termination(of: Self.second)
      #expect(!now.isSafe && now.served.isEmpty && now.holders.map(\.nodeID) == ["p"])
      stream.ack(response)
      stream.ack(try await stream.next())
      #expect(try await outcome.isSafe)
      stream.close()
    }
  }

  @Test(arguments: XDSProtocol.allCases)
  func whoHasLeftMayPickIt(_ variant: XDSProtocol) async throws {
    try await withServer { server in
      var world = SocketTests.world()
      Self.set("a", [.healthy, .healthy], in: &world)
      server.xds.publish(world.generation())
      let stream = try await server.open(variant, node: NodeIdentity(id: "p"))
      try await stream.sync()
      try await server.acknowledged(world.number, "p")
      stream.close()
      // Else it may be sent what is published next, and then may have either.
      await server.until { $0.streams[variant] == 0 }
      Self.set("a", [.healthy], in: &world)
      server.xds.publish(world.generation())
      let clock = ManualClock()
      async let outcome = server.xds.termination(of: Self.second, within: .seconds(1), clock: clock)
      for await _ in clock.sleeps { break }
      clock.advance(by: .seconds(1))
      let late = try await outcome
      #expect(!late.isSafe && late.holders.map(\.nodeID) == ["p"] && late.holders[0].resources == ["a"])
      // It comes back and says that it has that.
      let again = try await server.open(variant, node: NodeIdentity(id: "p"))
      try await again.sync()
      #expect(try await server.xds.termination(of: Self.second, within: Self.long).isSafe)
      again.close()
    }
  }

  /// What it was sent and has not answered it may have taken, or not.
  @Test(arguments: XDSProtocol.allCases)
  func whoLeavesWithoutAnAnswerMayPickAnything(_ variant: XDSProtocol) async throws {
    try await withServer { server in
      var world = SocketTests.world()
      Self.set("a", [.healthy, .healthy], in: &world)
      server.xds.publish(world.generation())
      let stream = try await server.open(variant, node: NodeIdentity(id: "p"))
      try await stream.sync()
      try await server.acknowledged(world.number, "p")
      Self.set("a", [.healthy], in: &world)
      server.xds.publish(world.generation())
      _ = try await stream.next()
      stream.close()
      await server.until { $0.streams[variant] == 0 }
      let late = await server.xds.termination(of: Self.second)
      #expect(!late.isSafe && late.served.isEmpty && late.total == 1)
      #expect(late.holders.map(\.nodeID) == ["p"] && late.holders.map(\.resources) == [[]])
      #expect(late.holders.first?.disconnectedFor != nil)
    }
  }

  /// A state-of-the-world client that comes back does not say which endpoints it has.
  @Test func whoComesBackMayHaveAnything() {
    var world = SocketTests.world()
    Self.set("a", [.healthy], in: &world)
    let stream = TestStream(.stateOfTheWorld)
    let generation = world.generation()
    stream.session.published(generation)
    let goal = TerminationGoal(Self.second, stream.session.shared)
    #expect(goal.admits(generation))
    _ = stream.subscribe(.cluster, version: world.clusters.contentHash.text)
    #expect(goal.holdings(of: stream.session) == .unknown)
    _ = stream.subscribe(.endpoint, ["a", "b"], version: "before")
    #expect(goal.holdings(of: stream.session) == .unknown)
    _ = stream.ack(.endpoint)
    #expect(goal.holdings(of: stream.session) == .none)
  }

  @Test(arguments: XDSProtocol.allCases)
  func aClusterIsSafeWhenNoRouteNamesIt(_ variant: XDSProtocol) async throws {
    try await withServer { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let stream = try await server.open(variant, node: NodeIdentity(id: "p"))
      try await stream.sync()
      try await server.acknowledged(world.number, "p")
      let subject = TerminationSubject.clusters(["b", "never"])
      #expect(await server.xds.termination(of: subject).served == ["b"])
      #expect(await server.xds.termination(of: .clusters(["never"])).isSafe)
      async let outcome = server.xds.termination(of: subject, within: Self.long)
      world.host("y", version: 2, ["a"])
      server.xds.publish(world.generation())
      let response = try await stream.next()
      let now = await server.xds.termination(of: subject)
      #expect(!now.isSafe && now.served.isEmpty && now.holders.map(\.resources) == [["b"]])
      stream.ack(response)
      #expect(try await outcome.isSafe)
      stream.close()
    }
  }
}

extension RunningServer {
  /// Returns when a proxy has accepted a generation.
  func acknowledged(_ generation: UInt64, _ nodeID: String) async throws {
    let outcome = try await xds.live(
      ConvergenceQuery(generation: generation, scope: .node(nodeID)), within: .seconds(30))
    #expect(outcome.isLive)
  }
}
