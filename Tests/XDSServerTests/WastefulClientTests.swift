import EnvoyAPI
import GRPCTransport
import NIOCore
import Testing
import XDSSnapshot

@testable import XDSServer

/// What makes an address suspect though every request is allowed: work that is of no use to whoever asks for it.
@Suite(.timeLimit(.minutes(1))) struct WastefulClientTests {
  private func suspect(_ server: RunningServer) async {
    await server.until { _ in server.grpc.distrusts("127.0.0.1") }
  }

  @Test(arguments: XDSProtocol.allCases)
  func whoAsksForNothingNewBeyondTheRate(_ variant: XDSProtocol) async throws {
    try await withServer(limits: XDSLimits(requestsPerSecond: 1000, requestBurst: 5)) { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let stream = try await server.open(variant)
      stream.subscribe(.endpoint, ["a"])
      _ = try await stream.next()
      for _ in 0..<400 {
        switch variant {
        case .delta:
          var request = DeltaDiscoveryRequest()
          request.responseNonce = "stale"
          stream.send(request, .endpoint, node: false)
        case .stateOfTheWorld:
          var request = DiscoveryRequest()
          request.responseNonce = "stale"
          stream.send(request, .endpoint)
        }
      }
      await suspect(server)
      stream.close()
    }
  }

  /// It waits behind others on its event loop, and misses nothing.
  @Test func whoIsServedLaterIsToldAllTheSame() async throws {
    try await withServer(limits: XDSLimits(requestsPerSecond: 200, requestBurst: 5)) { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let stream = try await server.open(.delta)
      try await stream.sync()
      for _ in 0..<40 {
        var request = DeltaDiscoveryRequest()
        request.responseNonce = "stale"
        stream.send(request, .endpoint, node: false)
      }
      await server.until { $0.throttledRequests > 5 }
      for version in 2..<6 {
        world.endpoint("a", version: version)
        let generation = world.generation()
        server.xds.publish(generation)
        let sent = try await stream.next()
        #expect(sent.text == "E a \(version)")
        stream.ack(sent)
        let live = try await server.xds.live(.init(generation: generation.number), within: .seconds(10))
        #expect(live.isLive && live.total == 1)
      }
      stream.close()
    }
  }

  /// The same number of requests of which each asks for something.
  @Test func whoAsksForMuchIsNone() async throws {
    try await withServer(limits: XDSLimits(requestsPerSecond: 1000, requestBurst: 5)) { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let stream = try await server.open(.delta)
      for index in 0..<400 { stream.subscribe(.endpoint, ["c\(index)"]) }
      await server.until { $0.types[.endpoint]?.requests == 400 }
      #expect(await server.xds.metrics().throttledRequests > 5)
      #expect(!server.grpc.distrusts("127.0.0.1"))
      stream.close()
    }
  }

  /// Each stream is sent all clusters, and left at once. One that stays for more than a moment is left as well one day.
  @Test func whoComesAndLeavesAtOnce() async throws {
    try await withServer { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      for _ in 0..<130 where !server.grpc.distrusts("127.0.0.1") {
        let stream = try await server.open(.delta)
        stream.subscribe(.cluster)
        _ = try await stream.next()
        stream.end()
        _ = try await stream.status()
        stream.close()
      }
      await suspect(server)
    }
  }

  /// Where a table was made for the stream, a few are enough.
  @Test func whoComesForATableOfItsOwnAndLeavesAtOnce() async throws {
    let classify: @Sendable (NodeIdentity) -> ProxyClass = {
      ProxyClass(namespace: $0.id, listenHost: "127.0.0.1", listenPort: 15001)
    }
    try await withServer(classify: classify) { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      for index in 0..<40 where !server.grpc.distrusts("127.0.0.1") {
        let stream = try await server.open(.delta, node: .init(id: "class-\(index)"))
        stream.subscribe(.cluster)
        stream.end()
        _ = try await stream.status()
        stream.close()
      }
      await suspect(server)
    }
  }

  /// It does not read what it was sent, so its stream does not close.
  @Test(arguments: XDSProtocol.allCases)
  func whoHasEndedItsSideIsForgottenAtOnce(_ variant: XDSProtocol) async throws {
    try await withServer { server in
      var world = World()
      for index in 0..<200 {
        world.cluster("c\(index)")
        world.endpoints.set(Resource(name: "c\(index)", bytes: [UInt8](repeating: 65, count: 10_000)))
      }
      server.xds.publish(world.generation())
      let stream = try await server.open(variant)
      stream.subscribe(.endpoint, (0..<200).map { "c\($0)" })
      stream.pauseReading()
      stream.end()
      await server.until { $0.streams[variant] == 0 }
      #expect(await server.xds.proxies().isEmpty)
      #expect(await server.xds.metrics().classes == 0)
      #expect(server.grpc.callCount == 1, "it has not closed")
      stream.close()
    }
  }

  @Test func whoGivesBackByTheThousandWhatItNeverHad() async throws {
    try await withServer { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let stream = try await server.open(.delta)
      let names = (0..<1000).map { "n\($0)" }
      stream.subscribe(.endpoint, names)
      stream.ack(try await stream.next())
      for _ in 0..<40 {
        // What it has it may give back, and have again.
        stream.unsubscribe(.endpoint, names)
        stream.subscribe(.endpoint, names)
        stream.ack(try await stream.next())
      }
      #expect(!server.grpc.distrusts("127.0.0.1"))
      stream.unsubscribe(.endpoint, names)
      for _ in 0..<40 { stream.unsubscribe(.endpoint, names) }
      await suspect(server)
      // It is still served.
      stream.subscribe(.endpoint, ["a"])
      #expect(try await stream.next().text == "E a 1")
      stream.close()
    }
  }

  /// A client that names its resources one by one sends the next list before it has seen the answer to the one before, as gRPC's
  /// does. Such a request has a nonce of before and is not taken, but there is something new in each.
  @Test func whoseListsCrossAnswersIsNone() async throws {
    try await withServer(limits: XDSLimits(requestsPerSecond: 200, requestBurst: 5)) { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let stream = try await server.open(.stateOfTheWorld)
      stream.subscribe(.endpoint, ["a"])
      stream.ack(try await stream.next())
      stream.subscribe(.endpoint, ["b"])
      for index in 0..<400 { stream.subscribe(.endpoint, ["c\(index)"]) }
      await server.until { $0.types[.endpoint]?.requests == 403 }
      let metrics = await server.xds.metrics()
      #expect(metrics.types[.endpoint]?.stale ?? 0 > 300 && metrics.throttledRequests > 200)
      #expect(!server.grpc.distrusts("127.0.0.1"))
      stream.close()
    }
  }

  /// An Envoy that fetches hosts or clusters on demand asks again each time somebody wants one that is not there.
  @Test func whoAsksAgainForWhatIsNotThereIsNone() async throws {
    try await withServer(limits: XDSLimits(requestsPerSecond: 200, requestBurst: 5)) { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let stream = try await server.open(.delta)
      stream.subscribe(.endpoint, ["gone"])
      stream.ack(try await stream.next())
      for _ in 0..<400 { stream.subscribe(.endpoint, ["gone"]) }
      await server.until { $0.types[.endpoint]?.requests == 402 }
      #expect(await server.xds.metrics().throttledRequests > 200)
      #expect(!server.grpc.distrusts("127.0.0.1"))
      stream.close()
    }
  }

  /// The services of one type need no `type_url` in their requests.
  @Test func whoGivesBackWhatItHasWithoutSayingOfWhichTypeIsNone() async throws {
    try await withServer { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let stream = try await server.open(
        .delta, method: "/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints")
      let names = (0..<1000).map { "n\($0)" } + ["a"]
      func change(_ subscribed: [String], _ unsubscribed: [String], answers nonce: String = "") {
        var request = DeltaDiscoveryRequest()
        request.resourceNamesSubscribe = subscribed
        request.resourceNamesUnsubscribe = unsubscribed
        request.responseNonce = nonce
        stream.send(request, nil)
      }
      change(names, [])
      for _ in 0..<40 {
        change([], [], answers: try await stream.next().nonce)
        change([], names)
        change(names, [])
      }
      change([], [], answers: try await stream.next().nonce)
      change([], names)
      change(["b"], [])
      let sent = try await stream.next()
      #expect(sent.text == "E b 1")
      change([], [], answers: sent.nonce)
      world.endpoint("a", version: 2)
      server.xds.publish(world.generation())
      world.endpoint("b", version: 2)
      server.xds.publish(world.generation())
      #expect(try await stream.next().text == "E b 2", "a was given back")
      #expect(!server.grpc.distrusts("127.0.0.1"))
      stream.close()
    }
  }
}
