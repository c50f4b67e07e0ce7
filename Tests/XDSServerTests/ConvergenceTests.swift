import EnvoyAPI
import Testing
import XDSSnapshot

@testable import XDSServer

/// Where is a generation live: over sockets, asked in all three ways.
@Suite(.timeLimit(.minutes(1))) struct ConvergenceTests {
  /// A world that is served, and a client that holds all of it.
  private static func synced(
    _ server: RunningServer, _ variant: XDSProtocol, _ nodeID: String
  ) async throws -> RawStream {
    let stream = try await server.open(variant, node: NodeIdentity(id: nodeID))
    try await stream.sync()
    return stream
  }

  private static func query(_ world: World, _ scope: ProxyScope = .all) -> ConvergenceQuery {
    ConvergenceQuery(generation: world.number, scope: scope)
  }

  /// A long time, which no test waits for.
  private static let long = Duration.seconds(1000)

  @Test(arguments: XDSProtocol.allCases)
  func itIsLiveTheMomentTheLastProxyHasAccepted(_ variant: XDSProtocol) async throws {
    try await withServer(threads: 2) { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let a = try await Self.synced(server, variant, "a")
      let b = try await Self.synced(server, variant, "b")
      #expect(try await server.xds.live(Self.query(world), within: Self.long).isLive)

      world.host("x", version: 2, ["b"])
      server.xds.publish(world.generation())
      let query = Self.query(world)
      async let outcome = server.xds.live(query, within: Self.long)
      a.ack(try await a.next())
      let response = try await b.next()
      #expect(try await server.xds.live(Self.query(world, .node("a")), within: Self.long).isLive)
      let now = await server.xds.convergence(of: query, listsLive: true)
      #expect(!now.isLive && now.total == 2 && now.live == 1)
      #expect(now.proxies.map(\.nodeID) == ["a", "b"] && now.proxies.map(\.state) == [.live, .sent])
      #expect(now.proxies[1].obstacles == [.unanswered(.route, generation: world.number)])
      #expect(now.proxies[1].confirmedGeneration == world.number - 1)
      b.ack(response)
      let live = try await outcome
      #expect(live.isLive && live.total == 2 && live.live == 2 && live.proxies.isEmpty)
      #expect(await server.xds.convergence(of: query).isLive)
      a.close()
      b.close()
    }
  }

  @Test(arguments: XDSProtocol.allCases)
  func aClusterIsLiveWhenItIsWarm(_ variant: XDSProtocol) async throws {
    try await withServer { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let stream = try await Self.synced(server, variant, "a")
      world.cluster("n")
      world.host("x", version: 2, ["n"])
      server.xds.publish(world.generation())
      let query = Self.query(world)
      async let outcome = server.xds.live(query, within: Self.long)
      let clusters = try await stream.next()
      // As at start-up, when Envoy does not hold its answer back until the cluster is warm.
      stream.subscribe(.endpoint, ["n"])
      stream.ack(clusters)
      let endpoints = try await stream.next()
      #expect(endpoints.type == .endpoint)
      let clusterGoal = Self.query(world, .node("a"))
      let now = await server.xds.convergence(of: clusterGoal)
      #expect(now.proxies.map(\.state) == [.pending])
      let obstacles = Set(now.proxies[0].obstacles)
      #expect(obstacles.contains(.cold(cluster: "n")) || obstacles.contains(.unanswered(.endpoint, generation: 2)))
      #expect(
        obstacles.contains(
          .held(.route, HeldItem(resource: "outbound", part: "x", reason: .waitsForCluster("n")))))
      stream.ack(endpoints)
      stream.ack(try await stream.next())
      #expect(try await outcome.isLive)
      stream.close()
    }
  }

  @Test(arguments: XDSProtocol.allCases)
  func atTheDeadlineThoseWhoLagAreNamed(_ variant: XDSProtocol) async throws {
    try await withServer { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let a = try await Self.synced(server, variant, "a")
      let b = try await Self.synced(server, variant, "b")
      world.host("x", version: 2, ["b"])
      server.xds.publish(world.generation())
      a.ack(try await a.next())
      let query = Self.query(world)
      let clock = ManualClock()
      async let outcome = server.xds.live(query, within: .seconds(5), clock: clock)
      for await _ in clock.sleeps { break }
      #expect(try await server.xds.live(Self.query(world, .node("a")), within: Self.long).isLive)
      clock.advance(by: .seconds(5))
      let late = try await outcome
      #expect(!late.isLive && late.total == 2 && late.live == 1)
      #expect(late.proxies.map(\.nodeID) == ["b"] && late.proxies.map(\.state) == [.sent])
      a.close()
      b.close()
    }
  }

  @Test(arguments: XDSProtocol.allCases)
  func aRefusalIsNamedWithItsReason(_ variant: XDSProtocol) async throws {
    try await withServer { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let stream = try await Self.synced(server, variant, "a")
      world.host("x", version: 2, ["b"])
      server.xds.publish(world.generation())
      let query = Self.query(world)
      var changes = server.xds.convergences(of: query).makeAsyncIterator()
      stream.nack(try await stream.next(), "no such route")
      var now = await changes.next()
      while let state = now?.proxies.map(\.state), state != [.refused] { now = await changes.next() }
      let refused = try #require(now)
      #expect(
        refused.proxies[0].refusals == [
          RefusedResource(
            type: .route, resource: "outbound", parts: ["x"], reason: "no such route", generation: world.number)
        ])
      // About anything else it is no obstacle.
      var other = query
      other.concerns = { $0 == "c" }
      #expect(await server.xds.convergence(of: other).isLive)
      other.concerns = { $0 == "b" }
      #expect(await server.xds.convergence(of: other).isLive == false)
      // The next good version ends it; a newer generation counts for the older one.
      world.host("x", version: 3, ["a"])
      server.xds.publish(world.generation())
      stream.ack(try await stream.next())
      var last: Convergence?
      while let change = await changes.next() { last = change }
      #expect(last?.isLive == true)
      stream.close()
    }
  }

  @Test(arguments: XDSProtocol.allCases)
  func whoHasDisconnectedBeforeItAcceptedIsNoProof(_ variant: XDSProtocol) async throws {
    try await withServer { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let a = try await Self.synced(server, variant, "a")
      let b = try await Self.synced(server, variant, "b")
      #expect(try await server.xds.live(Self.query(world), within: Self.long).isLive)
      world.host("x", version: 2, ["b"])
      server.xds.publish(world.generation())
      a.ack(try await a.next())
      _ = try await b.next()
      let query = Self.query(world)
      var changes = server.xds.convergences(of: query).makeAsyncIterator()
      b.close()
      var now = await changes.next()
      while let state = now?.proxies.map(\.state), state != [.disconnected] { now = await changes.next() }
      #expect(now?.isLive == false && now?.total == 2 && now?.live == 1)
      #expect(now?.proxies.first?.nodeID == "b" && now?.proxies.first?.disconnectedFor != nil)
      let clock = ManualClock()
      async let late = server.xds.live(query, within: .seconds(1), clock: clock)
      for await _ in clock.sleeps { break }
      clock.advance(by: .seconds(1))
      #expect(try await late.isLive == false)
      var connected = query
      connected.countsDisconnected = false
      #expect(try await server.xds.live(connected, within: Self.long).isLive)
      // It comes back, and has it.
      let again = try await Self.synced(server, variant, "b")
      while let change = await changes.next() { now = change }
      #expect(now?.isLive == true && now?.total == 2)
      // Who has shown it and leaves then has it still.
      again.close()
      #expect(try await server.xds.live(Self.query(world), within: Self.long).isLive)
      a.close()
    }
  }

  @Test func whoDoesNotComeBackIsForgottenAfterATime() async throws {
    let departures = Departures(memory: .seconds(10))
    let identity = ProxyIdentity(
      nodeID: "a", proxyClass: World.proxyClass, variant: .delta, scope: .aggregated, remoteAddress: "")
    departures.opened(identity)
    departures.opened(identity)
    departures.closed(identity, .init(holdsSomething: true), at: .uptimeNanoseconds(0))
    #expect(departures.all.isEmpty, "another stream of it is open")
    departures.closed(identity, .init(holdsSomething: true), at: .uptimeNanoseconds(0))
    #expect(departures.all.count == 1)
    departures.forget(at: .uptimeNanoseconds(9_999_999_999))
    #expect(departures.all.count == 1)
    departures.forget(at: .uptimeNanoseconds(10_000_000_000))
    #expect(departures.all.isEmpty)
    for index in 0..<(Departures.limit + 5) {
      var other = identity
      other.nodeID = "\(index)"
      departures.opened(other)
      departures.closed(other, .init(holdsSomething: true), at: .uptimeNanoseconds(UInt64(index)))
    }
    #expect(departures.all.count == Departures.limit)
    #expect(!departures.all.contains { $0.identity.nodeID == "4" })
  }

  @Test(arguments: XDSProtocol.allCases)
  func whereNothingChangesItIsLiveAtOnce(_ variant: XDSProtocol) async throws {
    try await withServer { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let stream = try await Self.synced(server, variant, "a")
      #expect(try await server.xds.live(Self.query(world), within: Self.long).isLive)
      // A generation that is not there yet is waited for.
      let later = ConvergenceQuery(generation: world.number + 2)
      async let outcome = server.xds.live(later, within: Self.long)
      #expect(await server.xds.convergence(of: later).isLive == false)
      server.xds.publish(world.generation())
      server.xds.publish(world.generation())
      #expect(try await outcome.isLive)
      stream.close()
    }
  }

  @Test(arguments: XDSProtocol.allCases)
  func bothStreamsOfANodeMustHaveIt(_ variant: XDSProtocol) async throws {
    try await withServer { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let first = try await Self.synced(server, variant, "a")
      let second = try await Self.synced(server, variant, "a")
      #expect(try await server.xds.live(Self.query(world), within: Self.long).isLive)
      world.host("x", version: 2, ["b"])
      server.xds.publish(world.generation())
      first.ack(try await first.next())
      let response = try await second.next()
      var changes = server.xds.convergences(of: Self.query(world)).makeAsyncIterator()
      var now = await changes.next()
      while let state = now, state.live < 1 { now = await changes.next() }
      #expect(now?.total == 2 && now?.isLive == false)
      second.ack(response)
      while let change = await changes.next() { now = change }
      #expect(now?.isLive == true)
      first.close()
      second.close()
    }
  }

  /// It is answered by what was served, whatever a proxy has taken since.
  @Test(arguments: XDSProtocol.allCases)
  func whatComesAfterTheQuestionIsNoPartOfIt(_ variant: XDSProtocol) async throws {
    try await withServer { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let stream = try await Self.synced(server, variant, "a")
      // A generation that says the same to this proxy.
      server.xds.publish(world.generation())
      var query = Self.query(world)
      query.concerns = { _ in true }
      var changes = server.xds.convergences(of: query).makeAsyncIterator()
      // Every loop has been asked.
      _ = await server.xds.proxies()
      world.cluster("new", version: 1)
      server.xds.publish(world.generation())
      // It takes a cluster, and does not ask for its endpoints yet.
      stream.ack(try await stream.next())
      await server.until { $0.types[.cluster]?.acks == 2 }
      #expect(await changes.next()?.isLive == true)
      stream.close()
    }
  }

  @Test func fewerProxiesThanAskedForAreNotEnough() async throws {
    try await withServer { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let any = ConvergenceQuery(generation: world.number, atLeast: 0)
      #expect(try await server.xds.live(any, within: Self.long).isLive, "nobody is there to lack it")
      // As it is asked if nothing is said.
      let query = ConvergenceQuery(generation: world.number)
      #expect(await server.xds.convergence(of: query).isLive == false)
      async let outcome = server.xds.live(query, within: Self.long)
      let stream = try await Self.synced(server, .delta, "a")
      let live = try await outcome
      #expect(live.isLive && live.total == 1)
      stream.close()
    }
  }

  @Test func aClientThatComesBackMayFollowItsOldRoutesUntilItHasAskedForThem() async throws {
    try await withServer { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let stream = try await server.open(.delta, node: NodeIdentity(id: "a"))
      var request = DeltaDiscoveryRequest()
      world.clusters.tree.forEach { request.initialResourceVersions[$0.name] = $0.version }
      stream.send(request, .cluster)
      let query = ConvergenceQuery(generation: world.number, atLeast: 1)
      var changes = server.xds.convergences(of: query).makeAsyncIterator()
      var now = await changes.next()
      while now?.proxies.first?.obstacles != [.unasked(.listener)] { now = await changes.next() }
      #expect(now?.isLive == false)
      stream.subscribe(.listener)
      stream.ack(try await stream.next())
      stream.subscribe(.route, [World.routeName])
      stream.ack(try await stream.next())
      while let change = await changes.next() { now = change }
      #expect(now?.isLive == true)
      stream.close()
    }
  }

  /// A client that starts has accepted all that it has asked for, time and again, before it has routes; and what it asks for
  /// anew it may do without.
  @Test(arguments: XDSProtocol.allCases)
  func whoHasJustComeIsNotLiveBeforeItHasRoutes(_ variant: XDSProtocol) {
    var world = SocketTests.world()
    let stream = TestStream(variant)
    let generation = world.generation()
    stream.session.published(generation)
    let goal = LiveGoal(generation: world.number, snapshot: generation)
    stream.subscribe(.cluster)
    stream.subscribe(.endpoint, ["a", "b"])
    _ = stream.ack(.cluster)
    _ = stream.ack(.endpoint)
    #expect(!stream.session.isLive(goal))
    stream.subscribe(.listener)
    _ = stream.ack(.listener)
    #expect(!stream.session.isLive(goal))
    stream.subscribe(.route, [World.routeName])
    #expect(!stream.session.isLive(goal))
    _ = stream.ack(.route)
    #expect(stream.session.isLive(goal))
    stream.subscribe(.endpoint, ["c"])
    _ = stream.ack(.endpoint)
    _ = stream.unsubscribe(.route, [World.routeName])
    stream.subscribe(.route, [World.routeName])
    #expect(!stream.session.isLive(goal))
    _ = stream.ack(.route)
    #expect(stream.session.isLive(goal))
  }

  @Test func aWaiterCanBeCancelled() async throws {
    try await withServer { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let stream = try await Self.synced(server, .delta, "a")
      world.host("x", version: 2, ["b"])
      server.xds.publish(world.generation())
      let query = Self.query(world)
      let waiting = Task { try await server.xds.live(query, within: Self.long) }
      waiting.cancel()
      await #expect(throws: CancellationError.self) { try await waiting.value }
      let reading = Task {
        var count = 0
        for await _ in server.xds.convergences(of: query) { count += 1 }
        return count
      }
      reading.cancel()
      #expect(await reading.value <= 1)
      stream.close()
    }
  }

  @Test func aSlowReaderGetsTheNewestState() async throws {
    try await withServer { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let stream = try await Self.synced(server, .delta, "a")
      let target = ConvergenceQuery(generation: world.number + 20)
      var changes = server.xds.convergences(of: target).makeAsyncIterator()
      #expect(await changes.next()?.isLive == false)
      for version in 2...21 {
        world.host("x", version: version, ["b"])
        server.xds.publish(world.generation())
        stream.ack(try await stream.next())
      }
      #expect(try await server.xds.live(target, within: Self.long).isLive)
      // Of some forty events nothing but the last is left.
      #expect(await changes.next()?.isLive == true)
      #expect(await changes.next() == nil)
      stream.close()
    }
  }
}
