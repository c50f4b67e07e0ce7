import EnvoyAPI
import GRPCTransport
import Logging
import NIOCore
import NIOPosix
import Testing
import XDSSnapshot

@testable import XDSServer

/// The server over real sockets, with GRPCTransport's own client.
@Suite(.timeLimit(.minutes(1))) struct SocketTests {
  static func world() -> World {
    var world = World()
    world.cluster("a")
    world.cluster("b")
    world.host("x", ["a"])
    world.host("y", ["b"])
    return world
  }

  @Test(arguments: XDSProtocol.allCases)
  func makeBeforeBreakOverARawStream(_ variant: XDSProtocol) async throws {
    try await withServer { server in
      var world = Self.world()
      server.xds.publish(world.generation())
      let stream = try await server.open(variant)
      try await stream.sync()

      // While the CDS ACK is withheld no route names the new cluster; other routes change.
      world.cluster("n")
      world.host("x", version: 2, ["n"])
      world.host("y", version: 2, ["a"])
      world.removeCluster("b")
      server.xds.publish(world.generation())
      let clusters = try await stream.next()
      #expect(clusters.type == .cluster && clusters.text.contains("C n 1"))
      if variant == .stateOfTheWorld { #expect(clusters.text.contains("C b 1")) }
      #expect(clusters.removed.isEmpty)
      let held = try await stream.next()
      #expect(held.type == .route && held.text == "R outbound;x 1 a;y 2 a;")
      stream.ack(held)
      // The route without b is accepted, but the CDS response is not: nothing else is sent before it is.
      stream.subscribe(.endpoint, ["n"])
      let endpoints = try await stream.next()
      #expect(endpoints.type == .endpoint && endpoints.text == "E n 1")
      stream.ack(endpoints)
      stream.ack(clusters)
      let withdrawn = try await stream.next()
      #expect(withdrawn.type == .cluster)
      #expect(withdrawn.removed == (variant == .delta ? ["b"] : []))
      #expect(!withdrawn.text.contains("C b"))
      let route = try await stream.next()
      #expect(route.type == .route && route.text == "R outbound;x 2 n;y 2 a;")
      stream.close()
    }
  }

  @Test(arguments: XDSProtocol.allCases)
  func theOldClusterGoesAfterItsRoute(_ variant: XDSProtocol) async throws {
    try await withServer { server in
      var world = Self.world()
      server.xds.publish(world.generation())
      let stream = try await server.open(variant)
      try await stream.sync()
      world.host("y", version: 2, ["a"])
      world.removeCluster("b")
      server.xds.publish(world.generation())
      // Only the route: the cluster stays until this is accepted.
      let route = try await stream.next()
      #expect(route.type == .route)
      var status = try #require(await server.xds.proxies().first)
      #expect(status.types.first { $0.type == .cluster }?.held == [HeldItem(resource: "b", reason: .inUse)])
      #expect(status.types.first { $0.type == .route }?.inFlight?.nonce == "2")
      stream.ack(route)
      let clusters = try await stream.next()
      #expect(clusters.type == .cluster)
      #expect(clusters.removed == (variant == .delta ? ["b"] : []))
      #expect(!clusters.text.contains("C b"))
      stream.ack(clusters)
      stream.unsubscribe(.endpoint, ["b"])
      if variant == .delta { stream.ack(try await stream.next()) }
      status = try #require(await server.xds.proxies().first)
      #expect(status.nodeID == "test")
      #expect(status.variant == variant)
      stream.close()
    }
  }

  @Test(arguments: XDSProtocol.allCases)
  func oneEndpointChangedSendsExactlyOneAssignmentEncodedOnce(_ variant: XDSProtocol) async throws {
    try await withServer(threads: 2) { server in
      var world = World()
      for index in 0..<100 { world.cluster("c\(index)") }
      server.xds.publish(world.generation())
      var streams: [RawStream] = []
      for _ in 0..<8 {
        let stream = try await server.open(variant)
        try await stream.sync((0..<100).map { "c\($0)" })
        streams.append(stream)
      }
      let before = await server.xds.metrics()
      let pushesBefore = server.xds.latencies.push.snapshot.count
      world.endpoint("c50", version: 2)
      server.xds.publish(world.generation())
      for stream in streams {
        let sent = try await stream.next()
        #expect(sent.type == .endpoint && sent.text == "E c50 2" && sent.count == 1)
        stream.ack(sent)
      }
      // A second change is the next response: nothing was in between.
      world.endpoint("c51", version: 2)
      server.xds.publish(world.generation())
      for stream in streams { #expect(try await stream.next().text == "E c51 2") }
      let after = await server.xds.metrics()
      #expect(after.encodings - before.encodings == 2)
      #expect(after.types[.endpoint]!.resources - before.types[.endpoint]!.resources == 16)
      #expect(after.types[.cluster]!.pushes == before.types[.cluster]!.pushes)
      // A push that its ACK had to wait for is no push of the publication; the first of each stream is.
      #expect(server.xds.latencies.push.snapshot.count - pushesBefore >= 8)
      #expect(after.streams[variant] == 8)
      for stream in streams { stream.close() }
    }
  }

  @Test func aRequestWithoutANodeIsRefused() async throws {
    try await withServer { server in
      let stream = try await server.open(.delta)
      stream.send(DeltaDiscoveryRequest(), .cluster, node: false)
      #expect(try await stream.status().code == .invalidArgument)
      #expect(await server.xds.metrics().invalidRequests == 1)
    }
  }

  @Test(arguments: XDSProtocol.allCases)
  func aSubscriptionBeyondTheLimitEndsTheStream(_ variant: XDSProtocol) async throws {
    try await withServer(limits: XDSLimits(maximumSubscription: 3)) { server in
      var world = Self.world()
      server.xds.publish(world.generation())
      let stream = try await server.open(variant)
      stream.subscribe(.endpoint, ["a", "b", "c"])
      #expect(try await stream.next().type == .endpoint)
      stream.subscribe(.endpoint, ["d"])
      #expect(try await stream.status().code == .resourceExhausted)
    }
  }

  @Test func bytesThatAreNoRequestAreRefused() async throws {
    try await withServer { server in
      let stream = try await server.open(.stateOfTheWorld)
      stream.send(bytes: [0xff, 0xff, 0xff])
      #expect(try await stream.status().code == .invalidArgument)
    }
  }

  @Test(arguments: XDSProtocol.allCases)
  func anUnknownTypeIsIgnoredAndTheStreamLives(_ variant: XDSProtocol) async throws {
    try await withServer { server in
      var world = Self.world()
      server.xds.publish(world.generation())
      let stream = try await server.open(variant)
      stream.sendUnknownType()
      stream.subscribe(.listener)
      #expect(try await stream.next().type == .listener)
      #expect(await server.xds.metrics().unknownTypeRequests == 1)
      stream.close()
    }
  }

  @Test func aSingleTypeServiceNeedsNoTypeURL() async throws {
    try await withServer { server in
      var world = Self.world()
      server.xds.publish(world.generation())
      let stream = try await server.open(
        .delta, method: "/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters")
      var request = DeltaDiscoveryRequest()
      request.resourceNamesSubscribe = ["a"]
      stream.send(request, nil)
      let sent = try await stream.next()
      #expect(sent.type == .cluster && sent.text == "C a 1")
      stream.close()
    }
  }

  @Test func classesComeAndGoWithTheirStreams() async throws {
    let (events, continuation) = AsyncStream<String>.makeStream()
    try await withServer(
      onNewClass: { continuation.yield("new \($0.namespace)") },
      onClassGone: { continuation.yield("gone \($0.namespace)") }
    ) { server in
      var iterator = events.makeAsyncIterator()
      let first = try await server.open(.delta)
      first.subscribe(.cluster)
      #expect(await iterator.next() == "new default")
      // Nothing is served before a generation has the class.
      var world = Self.world()
      server.xds.publish(world.generation())
      #expect(try await first.next().type == .cluster)
      first.close()
      #expect(await iterator.next() == "gone default")
      #expect(await server.xds.proxies().isEmpty)
    }
  }
}
