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
    try await withServer(limits: XDSLimits(requestsPerSecond: 10_000, requestBurst: 5)) { server in
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

  /// The same number of requests of which each asks for something.
  @Test func whoAsksForMuchIsNone() async throws {
    try await withServer(limits: XDSLimits(requestsPerSecond: 10_000, requestBurst: 5)) { server in
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
}
