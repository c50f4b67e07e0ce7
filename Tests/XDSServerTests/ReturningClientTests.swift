import GRPCTransport
import Testing
import XDSSnapshot

@testable import XDSServer

/// Clients that come back, and what they may still use.
@Suite struct ReturningClientTests {
  static func world() -> World {
    var world = World()
    world.cluster("a")
    world.cluster("b")
    world.host("x", ["a"])
    world.host("y", ["b"])
    return world
  }

  // MARK: A restart of the server

  @Test func aClusterDeletedAcrossARestartOutlivesTheNewRouteInStateOfTheWorld() throws {
    var world = Self.world()
    let old = world
    let g0 = world.generation()
    world.host("y", version: 2, ["a"])
    world.removeCluster("b")
    let shared = SharedResponses.forTests()
    shared.remember(g0)
    let stream = TestStream(.stateOfTheWorld, shared: shared)
    _ = stream.publish(&world)
    let route = try #require(old.routes[World.routeName]).version
    #expect(stream.subscribe(.cluster, version: old.clusters.contentHash.text).isEmpty, "b is not deleted")
    #expect(stream.subscribe(.endpoint, ["a", "b"], version: "any").map(\.names) == [["a"]])
    #expect(stream.ack(.endpoint).isEmpty)
    #expect(stream.subscribe(.listener, version: old.listeners.contentHash.text).isEmpty)
    #expect(stream.subscribe(.route, [World.routeName], version: route).map(\.type) == [.route])
    #expect(!stream.session[.route].holdsUnknown)
    #expect(stream.ack(.route)[.cluster]?.names == ["a"])
  }

  // MARK: What is kept of claims

  private static let versionOfNothing = String(repeating: "0", count: 32)

  /// It is charged for as long as the client may have what it came with.
  @Test func claimsAreKeptUntilTheClientHasWhatIsServed() throws {
    let memory = BufferAccount()
    let shared = SharedResponses(memory: memory) { _, name in Resource(name: name, bytes: []) }
    var world = Self.world()
    let stream = TestStream(.delta, shared: shared)
    _ = stream.publish(&world)
    var claims = ["a": Self.versionOfNothing, "b": Self.versionOfNothing]
    for number in 0..<1000 { claims["gone-\(number)"] = Self.versionOfNothing }
    #expect(stream.subscribe(.cluster, holding: claims)[.cluster]?.names == ["a", "b"])
    #expect(memory.bytes > 1000 * HeldClaims.bytesPerUnknown)
    #expect(stream.session[.cluster].claimBytes == 1000 * HeldClaims.bytesPerUnknownOfStream)
    #expect(stream.session.claimants.contains(.cluster))
    // The same once more takes nothing.
    let before = memory.bytes
    let twin = TestStream(.delta, shared: shared)
    _ = twin.publish(&world)
    twin.subscribe(.cluster, holding: claims)
    #expect(memory.bytes == before)
    twin.session = ProxySession(variant: .delta, proxyClass: World.proxyClass, shared: shared)

    stream.subscribe(.endpoint, ["a", "b"])
    _ = stream.ack(.cluster)
    _ = stream.ack(.endpoint)
    stream.subscribe(.listener)
    _ = stream.ack(.listener)
    #expect(stream.session.claimants.contains(.cluster), "the route may name any of them")
    let sent = stream.subscribe(.route, [World.routeName]) + stream.ack(.route)
    #expect(sent[.cluster]?.removed.count == 1000)
    _ = stream.ack(.cluster)
    #expect(stream.session.claimants.isEmpty)
    #expect(stream.session[.cluster].claimBytes == 0 && stream.session[.cluster].heldClaims == nil)
    // Nor is anything of them kept elsewhere.
    stream.session.arrived.tree.forEach { #expect(!$0.isClaim) }
    #expect(memory.bytes - (stream.session[.endpoint].subscription.names.byteCount) < 1000)
  }

  /// What it does not want any more is not kept either.
  @Test func whatAClientCameWithAndGaveBackIsKeptNowhere() throws {
    var world = Self.world()
    let stream = TestStream(.delta)
    _ = stream.publish(&world)
    let names = (0..<100).map { "gone-\($0)" }
    let claims = Dictionary(uniqueKeysWithValues: names.map { ($0, Self.versionOfNothing) })
    stream.subscribe(.cluster, names, holding: claims)
    #expect(names.allSatisfy { stream.session.arrived[$0] != nil })
    _ = stream.unsubscribe(.cluster, names)
    #expect(names.allSatisfy { stream.session.arrived[$0] == nil })
  }

  /// What a client says that it has stays with it until its routes are known, but not without end.
  @Test(arguments: [100, 5000]) func clustersThatNobodyKnowsStayWhileTheyAreFew(count: Int) throws {
    var world = Self.world()
    let stream = TestStream(.delta)
    _ = stream.publish(&world)
    var claims = ["a": Self.versionOfNothing]
    for number in 0..<count { claims["gone-\(number)"] = Self.versionOfNothing }
    let sent = try #require(stream.subscribe(.cluster, holding: claims)[.cluster])
    #expect(sent.names == ["a", "b"] && sent.removed.count == (count == 5000 ? 5000 : 0))
    #expect(stream.session[.cluster].held.count == (count == 5000 ? 0 : count))
  }

  // MARK: A client that takes no routes

  private func withoutRoutes(_ variant: XDSProtocol, _ world: inout World, _ shared: SharedResponses) -> TestStream {
    let before = TestStream(variant, shared: shared)
    _ = before.publish(&world)
    before.subscribe(.cluster)
    _ = before.ack(.cluster)
    let stream = TestStream(variant, shared: shared)
    _ = stream.publish(&world)
    let claims = variant == .delta ? versions(world.clusters) : [:]
    let version = variant == .delta ? "" : world.clusters.contentHash.text
    #expect(stream.subscribe(.cluster, holding: claims, version: version).isEmpty)
    return stream
  }

  @Test(arguments: XDSProtocol.allCases)
  func aClusterThatCameOnThisStreamGoesAtOnce(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = withoutRoutes(variant, &world, .forTests())
    world.cluster("n")
    #expect(stream.publish(&world)[.cluster]?.names.contains("n") == true)
    #expect(stream.ack(.cluster).isEmpty)
    world.removeCluster("n")
    let sent = stream.publish(&world)
    #expect(sent.types == [.cluster])
    if variant == .delta {
      #expect(sent.map(\.removed) == [["n"]])
    } else {
      #expect(sent.map(\.names) == [["a", "b"]])
    }
  }

  @Test(arguments: XDSProtocol.allCases)
  func aClusterThatTheClientCameWithGoesOnceItIsKnownToTakeNoRoutes(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = withoutRoutes(variant, &world, .forTests())
    world.removeCluster("b")
    #expect(stream.publish(&world).isEmpty, "its routes may be asked for yet")
    world.cluster("n")
    #expect(stream.publish(&world).types == [.cluster])
    #expect(stream.ack(.cluster).isEmpty)
    world.cluster("n", version: 2)
    let sent = stream.publish(&world)
    #expect(sent[.cluster]?.names.contains("b") == (variant == .stateOfTheWorld))
    // The second answer that it has accepted, and still no request for routes.
    let withdrawn = stream.ack(.cluster)
    #expect(withdrawn.types == [.cluster])
    #expect(withdrawn[.cluster]?.removed == (variant == .delta ? ["b"] : []))
    #expect(withdrawn[.cluster]?.names.contains("b") == false)
  }
}
