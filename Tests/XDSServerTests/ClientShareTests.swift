import EnvoyAPI
import Foundation
import GRPCTransport
import NIOCore
import NIOPosix
import Testing
import XDSSnapshot

@testable import XDSServer

/// What one address may make the process hold.
@Suite(.timeLimit(.minutes(1))) struct ClientShareTests {
  private static func names(_ stream: String, _ count: Int = 3000) -> [String] { (0..<count).map { "\(stream)\($0)" } }

  private static func world(bytes: Int) -> World {
    var world = World()
    for index in 0..<5 {
      world.cluster("c\(index)")
      world.endpoints.set(Resource(name: "c\(index)", bytes: [UInt8](repeating: 65, count: bytes)))
    }
    return world
  }

  @Test func whatSeveralStreamsHaveCountsOnceAndForEachAddress() {
    let pool = NameSetPool()
    let shares = ClientShares(limit: 10_000)
    let one = shares.share(of: [10, 0, 0, 1])
    let other = shares.share(of: [10, 0, 0, 2])
    #expect(shares.share(of: [10, 0, 0, 1]) === one && one !== other)
    #expect(shares.share(of: nil) === shares.share(of: nil))
    let names = pool.set(of: Self.names("a", 50))
    #expect(names.byteCount == 50 * NameSet.bytesPerName)
    for _ in 0..<3 { #expect(one.hold(names) && other.hold(names)) }
    #expect(one.byteCounts == (6400, 0) && other.byteCounts == (6400, 0) && shares.largest == 6400)
    // The one that goes beyond the limit is the last, but for what is there already.
    let more = pool.set(of: Self.names("b", 60))
    #expect(one.hold(more))
    #expect(one.byteCounts.names == 110 * NameSet.bytesPerName)
    let third = pool.set(of: Self.names("c", 60))
    #expect(!one.hold(third) && one.hold(names) && other.hold(third))
    let few = pool.set(of: Self.names("d", 10))
    #expect(one.hold(few), "next to nothing")
    one.release(few)
    one.release(third)
    one.release(more)
    for _ in 0..<3 { one.release(names) }
    #expect(one.byteCounts.names == 6400)
    one.release(names)
    #expect(one.byteCounts == (0, 0))
    #expect(one.hold(third))
  }

  @Test func addressesWithoutStreamsAreForgotten() {
    let shares = ClientShares(limit: 10_000)
    let kept = shares.share(of: [1])
    for index in 0..<2000 { _ = shares.share(of: [2, UInt8(index >> 8), UInt8(index & 255)]) }
    #expect(shares.share(of: [1]) === kept)
    #expect(shares.count <= 512)
  }

  @Test(arguments: XDSProtocol.allCases)
  func namesAreHeldUpToTheLimitOfAnAddress(_ variant: XDSProtocol) async throws {
    try await withServer(limits: XDSLimits(maximumClientMemory: 1 << 20)) { server in
      var world = Self.world(bytes: 100)
      server.xds.publish(world.generation())
      let first = try await server.open(variant)
      first.subscribe(.endpoint, ["c0"])
      first.ack(try await first.next())
      var open = [first]
      // The second set is had twice.
      for names in ["m", "n", "n", "o"] {
        let stream = try await server.open(variant)
        stream.subscribe(.endpoint, Self.names(names) + ["c1"])
        #expect(try await stream.next().count == 1)
        open.append(stream)
      }
      #expect(await server.xds.metrics().largestClient == 3 * 3001 * NameSet.bytesPerName)
      let over = try await server.open(variant)
      over.subscribe(.endpoint, Self.names("p"))
      let status = try await over.status()
      #expect(status.code == .resourceExhausted && status.message.contains("this client's address"))
      #expect(await server.xds.metrics().limitedStreams == [.clientMemory: 1])
      // Those that are there go on, and others do not notice.
      world.endpoint("c0", version: 2)
      server.xds.publish(world.generation())
      #expect(try await first.next().text == "E c0 2")
      try await Self.withOtherAddress(server, variant) { other in
        other.subscribe(.endpoint, Self.names("p") + ["c1"])
        let response = try await other.next()
        #expect(response.count == 1)
      }
      // What is given up makes room.
      open[1].close()
      await server.until { $0.streams[variant] == 4 }
      let next = try await server.open(variant)
      next.subscribe(.endpoint, Self.names("p") + ["c1"])
      #expect(try await next.next().count == 1)
      for stream in open[2...] + [next, first] { stream.close() }
      await server.until { $0.streams[variant] == 0 }
      #expect(await server.xds.metrics().largestClient == 0)
    }
  }

  /// A wildcard has no names: what it says that it has counts all the same.
  @Test func claimsAreHeldUpToTheLimitOfAnAddress() async throws {
    let memory = BufferAccount()
    try await withServer(limits: XDSLimits(maximumClientMemory: 1 << 20), memory: memory) { server in
      var world = Self.world(bytes: 100)
      server.xds.publish(world.generation())
      func open(_ prefix: String) async throws -> RawStream {
        let stream = try await server.open(.delta)
        var request = DeltaDiscoveryRequest()
        for index in 0..<1500 {
          request.initialResourceVersions["\(prefix)\(index)"] = String(repeating: "0", count: 32)
        }
        stream.send(request, .cluster)
        return stream
      }
      var streams = [try await open("a"), try await open("a")]
      for stream in streams { #expect(try await stream.next().count == 5) }
      let held = await server.xds.metrics().largestClient
      #expect(held > 1500 * (HeldClaims.bytesPerUnknown + 2 * HeldClaims.bytesPerUnknownOfStream) && held < 1 << 20)
      #expect(memory.bytes > held)
      let over = try await open("b")
      #expect(try await over.status().message.contains("this client's address"))
      #expect(await server.xds.metrics().limitedStreams == [.clientMemory: 1])
      // Who has what is served needs no room.
      let honest = try await server.open(.delta)
      var request = DeltaDiscoveryRequest()
      world.clusters.tree.forEach { request.initialResourceVersions[$0.name] = $0.version }
      honest.send(request, .cluster)
      honest.subscribe(.endpoint, ["c0"])
      #expect(try await honest.next().count == 1)
      streams.append(honest)
      for stream in streams { stream.close() }
      await server.until { $0.streams[.delta] == 0 }
      #expect(await server.xds.metrics().largestClient == 0)
    }
  }

  /// Streams that ask for next to nothing, and no end of them.
  @Test(arguments: XDSProtocol.allCases)
  func streamsAreHeldUpToTheLimitOfAnAddress(_ variant: XDSProtocol) async throws {
    let memory = BufferAccount()
    let limits = XDSLimits(maximumClientMemory: 10 * StreamHoldings.bytesPerStream)
    try await withServer(limits: limits, memory: memory) { server in
      var world = Self.world(bytes: 100)
      server.xds.publish(world.generation())
      var open: [RawStream] = []
      for _ in 0..<10 {
        let stream = try await server.open(variant)
        stream.subscribe(.endpoint, ["c0"])
        stream.ack(try await stream.next())
        open.append(stream)
      }
      #expect(await server.xds.metrics().largestClient == 10 * StreamHoldings.bytesPerStream)
      #expect(memory.bytes >= 10 * StreamHoldings.bytesPerStream)
      let over = try await server.open(variant)
      over.subscribe(.endpoint, ["c0"])
      #expect(try await over.status().code == .resourceExhausted)
      #expect(await server.xds.metrics().limitedStreams == [.clientMemory: 1])
      open.removeLast().close()
      await server.until { $0.streams[variant] == 9 }
      let next = try await server.open(variant)
      next.subscribe(.endpoint, ["c0"])
      #expect(try await next.next().count == 1)
      for stream in open + [next] { stream.close() }
      await server.until { $0.streams[variant] == 0 }
      #expect(await server.xds.metrics().largestClient == 0)
    }
  }

  /// A client that never answers.
  @Test(arguments: XDSProtocol.allCases)
  func unansweredResponsesAreHeldUpToTheLimitOfAnAddress(_ variant: XDSProtocol) async throws {
    try await withServer(limits: XDSLimits(maximumClientMemory: 1 << 20)) { server in
      var world = Self.world(bytes: 400_000)
      server.xds.publish(world.generation())
      var open: [RawStream] = []
      var sent: [RawStream.Received] = []
      // What two streams are sent alike counts once.
      for name in ["c0", "c0", "c1", "c2"] {
        let stream = try await server.open(variant)
        stream.subscribe(.endpoint, [name])
        sent.append(try await stream.next())
        open.append(stream)
      }
      let held = await server.xds.metrics().largestClient
      #expect(held > 1_200_000 && held < 1_300_000)
      let over = try await server.open(variant)
      over.subscribe(.endpoint, ["c3"])
      #expect(try await over.status().code == .resourceExhausted)
      #expect(await server.xds.metrics().limitedStreams == [.clientMemory: 1])
      try await Self.withOtherAddress(server, variant) { other in
        other.subscribe(.endpoint, ["c3"])
        let response = try await other.next()
        #expect(response.count == 1)
      }
      // An answer makes room.
      open[2].ack(sent[2])
      await server.until { $0.types[.endpoint]?.acks == 1 }
      let next = try await server.open(variant)
      next.subscribe(.endpoint, ["c3"])
      #expect(try await next.next().count == 1)
      for stream in open + [next] { stream.close() }
      await server.until { $0.streams[variant] == 0 }
      #expect(await server.xds.metrics().largestClient == 0)
    }
  }

  /// A stream that comes to the server over a Unix socket.
  private static func withOtherAddress(
    _ server: RunningServer, _ variant: XDSProtocol, _ body: (RawStream) async throws -> Void
  ) async throws {
    let path = FileManager.default.temporaryDirectory.appending(path: "weir-\(UUID().uuidString)").path
    let address = ListenAddress.unix(path: path)
    _ = try await server.grpc.bind(to: address)
    let client = try await GRPCClient.connect(to: address, group: MultiThreadedEventLoopGroup.singleton)
    let stream = try await server.open(variant, on: client)
    try await body(stream)
    let before = await server.xds.metrics().streams[variant] ?? 0
    stream.close()
    await server.until { $0.streams[variant] == before - 1 }
    await client.close()
  }
}
