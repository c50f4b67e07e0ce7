import EnvoyAPI
import GRPCTransport
import Synchronization
import Testing
import XDSSnapshot

@testable import XDSServer

extension Traps {
  @Suite("7 Odd requests and odd clients") struct OddClients {
    @Test(
      "7.1 unknown type URL: ignored, counted, the stream lives (every type and service; SotW, delta)",
      arguments: Flow.all)
    func unknownType(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a")) { server, world in
        let stream = try await server.open(flow)
        // As the first request, with the node.
        stream.sendUnknownType()
        stream.subscribe(flow.type, ["a"])
        let response = try await stream.expect(flow.type, ["a"], of: world)
        // And while a response is in flight.
        stream.sendUnknownType()
        stream.ack(response)
        world.set(flow.type, "a", version: 2)
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        #expect(await server.xds.metrics().unknownTypeRequests == 2)
        #expect(await server.xds.metrics().invalidRequests == 1, "that of the test's own barrier alone")
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "7.2 a type of another service on a service of one type: ignored, counted, the stream lives (SotW, delta)",
      arguments: Flow.all.filter { !$0.isAggregated })
    func otherType(_ flow: Flow) async throws {
      let other: ResourceType = flow.type == .cluster ? .listener : .cluster
      var world = World.of(flow.type, "a")
      world.set(other, "o")
      try await RunningServer.serving(world) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(other, ["o"])
        stream.subscribe(flow.type, ["a"])
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        #expect(await server.xds.metrics().unknownTypeRequests == 1)
        try await stream.expectNothingMore()
      }
    }

    @Test("7.3 stale nonce: ignored, its list too (every type and service; SotW)", arguments: Flow.stateOfTheWorld)
    func staleNonce(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["a"])
        let first = try await stream.expect(flow.type, ["a"], of: world)
        stream.ack(first)
        world.set(flow.type, "a", version: 2)
        try await server.publish(&world, after: stream)
        let second = try await stream.expect(flow.type, ["a"], of: world)
        stream.request(flow.type, list: ["a", "b"], nonce: first.nonce)
        stream.request(flow.type, list: ["a", "b"], nonce: first.nonce, error: "late")
        stream.request(flow.type, list: ["a"], nonce: second.nonce, version: second.version)
        // Neither the acceptance nor the list: b is answered when it is asked for with the right nonce.
        stream.subscribe(flow.type, ["b"])
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        let counts = await server.xds.metrics().types[flow.type]
        #expect(counts?.stale == 2)
        #expect(counts?.nacks == 0)
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "7.4 stale nonce: neither ACK nor NACK, but its subscription changes still count (every type and service; delta)",
      arguments: Flow.delta)
    func staleNonceInDelta(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a", "b", "c")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["a", "c"])
        let first = try await stream.expect(flow.type, ["a", "c"], of: world)
        stream.ack(first)
        world.set(flow.type, "a", version: 2)
        try await server.publish(&world, after: stream)
        let second = try await stream.expect(flow.type, ["a"], of: world)
        stream.request(flow.type, subscribe: ["b"], unsubscribe: ["c"], nonce: "no nonce of this stream")
        stream.request(flow.type, subscribe: ["b"], nonce: first.nonce, error: "late")
        world.set(flow.type, "c", version: 2)
        try await server.publish(&world, after: stream)
        // The second response is in flight as before.
        #expect(await server.xds.metrics().types[flow.type]?.pushes == 2)
        stream.ack(second)
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        let counts = await server.xds.metrics().types[flow.type]
        #expect(counts?.stale == 2)
        #expect(counts?.nacks == 0)
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "7.5 duplicate ACK: changes nothing, and accepts no later response (every type and service; SotW, delta)",
      arguments: Flow.all)
    func duplicateAck(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["a"])
        let first = try await stream.expect(flow.type, ["a"], of: world)
        stream.ack(first)
        stream.ack(first)
        stream.ack(first)
        world.set(flow.type, "a", version: 2)
        try await server.publish(&world, after: stream)
        let second = try await stream.expect(flow.type, ["a"], of: world)
        stream.ack(first)
        world.set(flow.type, "a", version: 3)
        try await server.publish(&world, after: stream)
        #expect(await server.xds.metrics().types[flow.type]?.pushes == 2)
        #expect(await server.xds.metrics().types[flow.type]?.acks == 1)
        stream.ack(second)
        stream.ack(second)
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "7.6 node on the first request only; in a later one it means nothing (every type and service; SotW, delta)",
      arguments: Flow.all)
    func nodeOnTheFirstRequest(_ flow: Flow) async throws {
      let nodes = Mutex<[String]>([])
      let classify: @Sendable (NodeIdentity) -> ProxyClass = { node in
        nodes.withLock { $0.append(node.id) }
        return World.proxyClass
      }
      try await RunningServer.serving(.of(flow.type, "a", "b"), classify: classify) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["a"])
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        // Without a node.
        stream.subscribe(flow.type, ["b"])
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        // With another.
        stream.unsubscribe(flow.type, ["b"])
        stream.sendNodeAgain(NodeIdentity(id: "other"), flow.type)
        stream.subscribe(flow.type, ["b"])
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        #expect(await server.xds.proxies().map(\.nodeID) == ["test"])
        #expect(nodes.withLock { $0 } == ["test"])
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "7.7 a proxy without a node: INVALID_ARGUMENT, and its connection lives (every type and service; SotW, delta)",
      arguments: Flow.all)
    func withoutNode(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a")) { server, world in
        let bystander = try await server.open(flow)
        bystander.subscribe(flow.type, ["a"])
        bystander.ack(try await bystander.expect(flow.type, ["a"], of: world))
        let stream = try await server.open(flow, on: bystander.client)
        stream.node = nil
        stream.subscribe(flow.type, ["a"])
        #expect(try await stream.status().code == .invalidArgument)
        #expect(await server.xds.metrics().invalidRequests == 1)
        #expect(await server.xds.proxies().count == 1)
        world.set(flow.type, "a", version: 2)
        try await server.publish(&world, after: bystander)
        bystander.ack(try await bystander.expect(flow.type, ["a"], of: world))
        try await bystander.expectNothingMore()
      }
    }

    @Test(
      "7.8 two streams of one node, on one connection and on two: both served, neither heeds the other (every type and service; SotW, delta)",
      arguments: Flow.all, [true, false])
    func twoStreams(_ flow: Flow, sharesConnection: Bool) async throws {
      try await RunningServer.serving(.of(flow.type, "a", "b")) { server, world in
        let first = try await server.open(flow)
        let second = try await server.open(flow, on: sharesConnection ? first.client : nil)
        first.subscribe(flow.type, ["a", "b"])
        second.subscribe(flow.type, ["a", "b"])
        first.ack(try await first.expect(flow.type, ["a", "b"], of: world))
        second.ack(try await second.expect(flow.type, ["a", "b"], of: world))
        #expect(await server.xds.proxies().map(\.nodeID) == ["test", "test"])

        // One accepts nothing more, and drops a name.
        world.set(flow.type, "a", version: 2)
        try await server.publish(&world, after: first, second)
        let unanswered = try await first.expect(flow.type, ["a"], of: world)
        first.unsubscribe(flow.type, ["b"])
        second.ack(try await second.expect(flow.type, ["a"], of: world))
        world.set(flow.type, "b", version: 2)
        try await server.publish(&world, after: first, second)
        second.ack(try await second.expect(flow.type, ["b"], of: world))

        // One refuses; the other does not pay for it.
        if flow.variant == .delta { first.nack(unanswered, "a is bad") }
        world.set(flow.type, "b", version: 3)
        try await server.publish(&world, after: first, second)
        second.ack(try await second.expect(flow.type, ["b"], of: world))
        if flow.repeatsRefused {
          var before = world
          before.set(flow.type, "a", version: 1)
          // Sent at the refusal, before the last generation.
          let newest = server.xds.generation?.number ?? 0
          first.ack(try await first.expect(flow.type, ["a"], of: before, generation: newest - 1))
        }
        // One goes; the other stays.
        try await first.expectNothingMore()
        world.set(flow.type, "b", version: 4)
        try await server.publish(&world, after: second)
        second.ack(try await second.expect(flow.type, ["b"], of: world))
        #expect(await server.xds.proxies().count == 1)
        try await second.expectNothingMore()
      }
    }

    @Test(
      "7.9 a stream reset in the middle of a response: the connection's other streams live, and nothing is left of it (ADS; SotW, delta)",
      arguments: XDSProtocol.allCases)
    func resetInTheMiddle(_ variant: XDSProtocol) async throws {
      var world = World.of(.listener, "a")
      world.clusters.set(Resource(name: "big", bytes: [UInt8](repeating: 120, count: 4 << 20)))
      try await RunningServer.serving(world) { server, world in
        var configuration = GRPCClientConfiguration()
        configuration.streamWindow = 16 << 10
        let client = try await server.client(configuration)
        let bystander = try await server.open(variant, on: client)
        bystander.subscribe(.listener)
        bystander.ack(try await bystander.expect(.listener, ["a"], of: world))
        for round in 1...20 {
          let stream = try await server.open(variant, on: client)
          stream.pauseReading()
          stream.subscribe(.cluster)
          try await server.hasRead(client)
          // 4 MiB are given to the transport, and at most 16 kiB of them can have left.
          let counts = await server.xds.metrics()
          #expect(counts.types[.cluster]?.pushes == UInt64(round))
          #expect(counts.streams[variant] == 2)
          #expect((counts.types[.cluster]?.bytes ?? 0) > UInt64(round) << 22)
          stream.close()
          try await server.hasRead(client)
          #expect(await server.xds.metrics().streams[variant] == 1)
          #expect(await server.xds.proxies().count == 1)
          #expect(server.grpc.callCount == 1)
          world.set(.listener, "a", version: 1 + round)
          try await server.publish(&world, after: bystander)
          bystander.ack(try await bystander.expect(.listener, ["a"], of: world))
        }
        #expect(server.grpc.connectionCount == 1)
        try await bystander.expectNothingMore()
      }
    }

    @Test(
      "7.10 a proxy whose class changes: its next stream has what its new class has (ADS, LDS alone; SotW, delta)",
      arguments: Flow.all.filter { $0.type == .listener })
    func classChanges(_ flow: Flow) async throws {
      func classNamed(_ namespace: String) -> ProxyClass {
        ProxyClass(namespace: namespace, listenHost: "127.0.0.1", listenPort: 15001)
      }
      let classify: @Sendable (NodeIdentity) -> ProxyClass = { node in
        guard case .string(let namespace)? = node.metadata["namespace"] else { return World.proxyClass }
        return ProxyClass(namespace: namespace, listenHost: "127.0.0.1", listenPort: 15001)
      }
      let (events, continuation) = AsyncStream<String>.makeStream()
      try await withServer(
        classify: classify, onNewClass: { continuation.yield("new \($0.namespace)") },
        onClassGone: { continuation.yield("gone \($0.namespace)") }
      ) { server in
        var iterator = events.makeAsyncIterator()
        var shop = World.of(.listener, "http", "only-shop")
        shop.set(.listener, "http", version: 1)
        var bank = World.of(.listener, "http", "only-bank")
        bank.set(.listener, "http", version: 2)
        server.xds.publish(
          Generation(
            number: 1, clusters: shop.clusters, endpoints: shop.endpoints,
            classes: [
              classNamed("shop"): .init(listeners: shop.listeners),
              classNamed("bank"): .init(listeners: bank.listeners),
            ]))
        let before = try await server.open(flow)
        before.node = NodeIdentity(id: "test", metadata: ["namespace": .string("shop")])
        before.subscribe(.listener)
        let held = try await before.expect(.listener, ["http", "only-shop"], of: shop)
        before.ack(held)
        #expect(await iterator.next() == "new shop")
        before.close()
        #expect(await iterator.next() == "gone shop")

        let stream = try await server.open(flow)
        stream.node = NodeIdentity(id: "test", metadata: ["namespace": .string("bank")])
        stream.request(.listener, version: held.version, holding: versions(shop.listeners))
        stream.ack(try await stream.expect(.listener, ["http", "only-bank"], removed: ["only-shop"], of: bank))
        #expect(await iterator.next() == "new bank")
        #expect(await server.xds.proxies().map(\.proxyClass) == [classNamed("bank")])
        try await stream.expectNothingMore()
      }
    }
  }
}

extension RawStream {
  /// A request that says nothing but who the client is.
  fileprivate func sendNodeAgain(_ node: NodeIdentity, _ type: ResourceType) {
    switch variant {
    case .delta:
      var request = DeltaDiscoveryRequest()
      request.node = node
      send(request, type)
    case .stateOfTheWorld:
      var request = DiscoveryRequest()
      request.node = node
      request.resourceNames = lists[type] ?? []
      send(request, type)
    }
  }
}
