import Dispatch
import EnvoyAPI
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing
import XDSSnapshot

@testable import GRPCTransport
@testable import XDSServer

/// The event loop of those who are served last may get no time at all. Nobody else waits for it.
@Suite(.timeLimit(.minutes(1))) struct StarvedLoopTests {
  private struct Place {
    let xds: XDSServer
    let grpc: GRPCServer
    let low: any EventLoop
    let client: () async throws -> GRPCClient

    func open() async throws -> RawStream {
      let stream = await RawStream.open(
        .delta, try await client(), "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources")
      stream.generation = { [xds] in xds.generation?.number ?? 0 }
      return stream
    }

    /// Keeps the loop from everything until the body has ended, at most for 20 s, which fails the test.
    func starving(_ body: () async throws -> Void) async throws {
      let end = DispatchSemaphore(value: 0)
      let isInTime = Atomic(true)
      let starved = low.submit { isInTime.store(end.wait(timeout: .now() + 20) == .success, ordering: .relaxed) }
      do { try await body() } catch {
        end.signal()
        throw error
      }
      end.signal()
      try await starved.get()
      let wasInTime = isInTime.load(ordering: .relaxed)
      #expect(wasInTime, "it was waited for")
    }
  }

  /// - Parameter body: from now on whoever connects gets the loop that is served last.
  private func withPlace(_ body: (Place, _ distrust: () throws -> Void) async throws -> Void) async throws {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let low = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let clients = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    let xds = XDSServer(logger: logger, classify: { _ in World.proxyClass })
    let grpc = GRPCServer(group: group, lowPriorityGroup: low, logger: logger) { xds.accept($0) }
    let port = try await grpc.bind(to: .tcp(host: "127.0.0.1", port: 0)).port ?? 0
    let place = Place(xds: xds, grpc: grpc, low: low.next()) {
      try await GRPCClient.connect(to: .tcp(host: "127.0.0.1", port: port), group: clients)
    }
    let host = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
    let result: Result<Void, any Error>
    do {
      try await body(place) { for _ in 0..<10 { grpc.core.offenders.note(host, at: .now()) } }
      result = .success(())
    } catch {
      result = .failure(error)
    }
    await grpc.shutdown(gracePeriod: .zero)
    for group in [group, low, clients] { try await group.shutdownGracefully() }
    try result.get()
  }

  private func until(_ condition: () async -> Bool) async {
    let end = ContinuousClock.now + .seconds(20)
    while await !condition(), .now < end { await Task.yield() }
    #expect(await condition())
  }

  @Test func nobodyWaitsForALoopWithoutProxies() async throws {
    try await withPlace { place, distrust in
      var world = SocketTests.world()
      place.xds.publish(world.generation())
      let proxy = try await place.open()
      try await proxy.sync()
      try distrust()
      // It says nothing.
      let stranger = try await place.open()
      await until { await place.xds.metrics().streams[.delta] == 2 }
      #expect(place.grpc.distrustedConnectionCount == 1)
      try await place.starving {
        world.endpoint("a", version: 2)
        let generation = world.generation()
        place.xds.publish(generation)
        proxy.ack(try await proxy.next())
        let live = try await place.xds.live(.init(generation: generation.number), within: .seconds(10))
        #expect(live.isLive && live.total == 1)
        #expect(await place.xds.proxies().count == 1)
        #expect(await place.xds.metrics().types[.endpoint]?.acks == 2)
      }
      proxy.close()
      stranger.close()
    }
  }

  /// It is a proxy like any other.
  @Test func aProxyThatIsServedLastCounts() async throws {
    try await withPlace { place, distrust in
      var world = SocketTests.world()
      place.xds.publish(world.generation())
      try distrust()
      let proxy = try await place.open()
      try await proxy.sync()
      world.endpoint("a", version: 2)
      let generation = world.generation()
      let watch = ConvergenceWatch(goal: GenerationGoal(.init(generation: generation.number)), scope: .all)
      try await place.starving {
        place.xds.publish(generation)
        place.xds.add(watch)
        #expect(!watch.isMet)
      }
      proxy.ack(try await proxy.next())
      await until { watch.isMet }
      #expect(watch.counts.total == 1)
      place.xds.remove(watch)
      proxy.close()
    }
  }

  /// Counts are those that the loop gave last.
  @Test func countsDoNotWaitForALoopThatGetsNoTime() async throws {
    try await withPlace { place, distrust in
      var world = SocketTests.world()
      place.xds.publish(world.generation())
      try distrust()
      let proxy = try await place.open()
      try await proxy.sync()
      await until { await place.xds.metrics().types[.route]?.acks == 1 }
      try await place.starving { #expect(await place.xds.metrics().types[.route]?.acks == 1) }
      proxy.close()
    }
  }
}
