import GRPCTransport
import Testing
import XDSSnapshot

@testable import XDSServer

extension SentResources {
  fileprivate mutating func add(_ resource: Resource, _ type: ResourceType) {
    var forgotten: [any Sendable] = []
    add(Item(resource, type), forgetting: &forgotten)
  }

  fileprivate func resource(_ name: String, version: ContentHash) -> Resource? {
    found(version)?.resource(name, version: version)
  }
}

/// What is kept of listeners and routes that clients may come back with.
@Suite struct SentResourcesTests {
  private static let naming = Resource(name: "tcp", bytes: Array("L tcp".utf8), references: ["a"])
  private static let hostless = Resource(name: "outbound", bytes: Array("R outbound".utf8))

  private static func plain(_ number: Int) -> Resource {
    Resource(
      name: "http-\(number % 3)", bytes: Array("L http \(number) \(String(repeating: "x", count: number % 500))".utf8))
  }

  @Test func whatIsPackedIsAsItWas() throws {
    var sent = SentResources(limit: 8)
    let plain = Self.plain(7)
    sent.add(plain, .listener)
    sent.add(Self.naming, .listener)
    sent.add(Self.hostless, .route)
    let again = try #require(sent.resource(plain.name, version: plain.contentHash))
    #expect(again.name == plain.name && again.contentHash == plain.contentHash)
    #expect(again.flattened() == plain.flattened() && again.references.isEmpty)
    #expect(sent.resource("tcp", version: Self.naming.contentHash)?.references == ["a"])
    #expect(sent.resource("outbound", version: Self.hostless.contentHash)?.storageIs(Self.hostless) == true)
    #expect(sent.resource("tcp", version: plain.contentHash) == nil)
    #expect(sent.resource("http-1", version: Self.naming.contentHash) == nil)
    #expect(sent.resource("http-1", version: ContentHash(text: "never")) == nil)
  }

  /// The last ones are kept, and no room of those before them.
  @Test func theLastOnesAreKept() throws {
    var sent = SentResources(limit: 64)
    for number in 0..<2000 {
      // A few that are kept whole come between, and some come again.
      if number % 7 == 0 {
        sent.add(Resource(name: "t", bytes: [1, UInt8(number % 250)], references: ["\(number)"]), .listener)
      }
      sent.add(Self.plain(number), .listener)
      sent.add(Self.plain(number - number % 5), .listener)
      guard number % 50 == 49 else { continue }
      for back in 0..<40 {
        let plain = Self.plain(number - back)
        #expect(sent.resource(plain.name, version: plain.contentHash)?.flattened() == plain.flattened())
      }
      #expect(sent.packedCapacity < 4 * 64 * 520)
    }
    let old = Self.plain(1800)
    #expect(sent.resource(old.name, version: old.contentHash) == nil)
  }

  /// A client's copies of what it came with are charged, however much that is.
  @Test func copiesAreCharged() throws {
    let memory = BufferAccount()
    let shared = SharedResponses(memory: memory) { _, name in Resource(name: name, bytes: []) }
    var world = World()
    let large = Resource(name: "http", bytes: [UInt8](repeating: 7, count: 50_000))
    world.listeners.set(large)
    var before = world
    shared.remember(before.generation())
    world.listener("http", version: 2)
    let stream = TestStream(.delta, shared: shared)
    _ = stream.publish(&world)
    let bytes = memory.bytes
    _ = stream.subscribe(.listener, holding: ["http": large.version])
    #expect(memory.bytes - bytes >= 50_000)
    #expect(stream.session[.listener].acked["http"]?.contentHash == large.contentHash)
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

  /// A client that comes back with an old listener, refuses the new one and asks again is sent the old one.
  @Test func aListenerThatAClientCameWithIsSentAgainWhenTheNewOneIsRefused() throws {
    var world = World()
    world.cluster("a")
    world.host("x", ["a"])
    let shared = SharedResponses.forTests()
    var before = world
    shared.remember(before.generation())
    let old = try #require(before.listeners["http"])
    world.listener("http", version: 2)
    let stream = TestStream(.delta, shared: shared)
    _ = stream.publish(&world)
    #expect(stream.subscribe(.listener, ["http"], holding: ["http": old.version])[.listener]?.names == ["http"])
    _ = stream.nack(.listener)
    let again = try #require(stream.subscribe(.listener, ["http"])[.listener])
    #expect(again.text("http") == "L http 1 ")
  }
}

extension Resource {
  /// The same object, and not one like it.
  fileprivate func storageIs(_ other: Resource) -> Bool { treeObject === other.treeObject }
}
