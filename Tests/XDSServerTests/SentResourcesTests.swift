import Testing
import XDSSnapshot

@testable import XDSServer

/// What is kept of listeners and routes that clients may come back with.
@Suite struct SentResourcesTests {
  private static let plain = Resource(name: "http", bytes: Array("L http".utf8))
  private static let naming = Resource(name: "tcp", bytes: Array("L tcp".utf8), references: ["a"])
  private static let hostless = Resource(name: "outbound", bytes: Array("R outbound".utf8))

  @Test func whatNamesClustersIsKeptWholeAndOfTheRestOnlyTheName() throws {
    var sent = SentResources(limit: 8)
    sent.add(Self.plain, .listener)
    sent.add(Self.naming, .listener)
    sent.add(Self.hostless, .route)
    let plain = try #require(sent.resource("http", version: Self.plain.contentHash))
    #expect(plain.name == "http" && plain.isClaim(of: Self.plain.version) && plain.references.isEmpty)
    #expect(plain.contentHash != Self.plain.contentHash, "it has no content, and must not pass for what has")
    #expect(sent.resource("tcp", version: Self.naming.contentHash)?.references == ["a"])
    #expect(sent.resource("outbound", version: Self.hostless.contentHash)?.isClaim == false)
    #expect(sent.resource("tcp", version: Self.plain.contentHash) == nil)
    #expect(sent.resource("http", version: Self.naming.contentHash) == nil)
    #expect(sent.resource("http", version: ContentHash(text: "never")) == nil)
  }

  enum Listener: CaseIterable {
    case namesNothing
    case namesTheCluster
    case neverSent
  }

  /// A cluster that is gone stays for a client that comes back until no listener of its can name it.
  @Test(arguments: Listener.allCases) func aClusterWaitsForAListenerThatMayNameIt(listener: Listener) throws {
    var world = World()
    world.cluster("a")
    world.cluster("b")
    world.host("x", ["a", "b"])
    world.listener("http", version: 1, clusters: listener == .namesTheCluster ? ["b"] : [])
    let shared = SharedResponses.forTests()
    var before = world
    shared.remember(before.generation())
    if listener == .neverSent { before.listener("http", version: 7) }
    world.listener("http", version: 2)
    world.host("x", version: 2, ["a"])
    world.removeCluster("b")

    let stream = TestStream(.delta, shared: shared)
    _ = stream.publish(&world)
    func held(_ type: ResourceType) -> [String: String] {
      var versions: [String: String] = [:]
      before.table(type).tree.forEach { versions[$0.name] = $0.version }
      return versions
    }
    #expect(stream.subscribe(.cluster, holding: held(.cluster)).isEmpty, "b is not deleted")
    _ = stream.subscribe(.endpoint, ["a", "b"], holding: held(.endpoint))
    #expect(stream.subscribe(.listener, holding: held(.listener))[.listener]?.names == ["http"])
    let told = stream.subscribe(.route, [World.routeName], holding: held(.route))
    #expect(told[.route]?.names == [World.routeName])
    let afterRoute = stream.ack(.route)
    #expect(afterRoute[.cluster]?.removed == (listener == .namesNothing ? ["b"] : nil))
    let afterListener = stream.ack(.listener)
    #expect(afterListener[.cluster]?.removed == (listener == .namesNothing ? nil : ["b"]))
  }
}
