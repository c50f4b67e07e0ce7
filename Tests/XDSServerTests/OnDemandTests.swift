import EnvoyAPI
import Testing
import XDSSnapshot

@testable import XDSServer

/// Clusters on demand (ODCDS), as Envoy asks for them: a wildcard, and names beside it (`ProxySession+OnDemand`).
@Suite struct OnDemandTests {
  private static let onDemandClass = ProxyClass(
    namespace: "default", listenHost: "127.0.0.1", listenPort: 15001, fetchesClusters: true)

  /// The world's generation, with the class.
  private static func publish(_ world: inout World, to stream: TestStream) -> [Sent] {
    let generation = world.generation()
    stream.session.published(
      Generation(
        number: generation.number, clusters: generation.clusters, endpoints: generation.endpoints,
        classes: [onDemandClass: .init(listeners: world.listeners, routes: world.routes)]))
    return stream.pump(at: .zero)
  }

  private static func synced(_ world: inout World) -> TestStream {
    let stream = TestStream(.delta, proxyClass: onDemandClass)
    _ = publish(&world, to: stream)
    stream.subscribe(.cluster)
    _ = stream.ack(.cluster)
    stream.subscribe(.listener)
    _ = stream.ack(.listener)
    stream.subscribe(.route, [World.routeName])
    _ = stream.ack(.route)
    return stream
  }

  private static func world() -> World {
    var world = World()
    for name in ["a", "b", "tcp"] { world.cluster(name) }
    world.listener("tcp", version: 1, clusters: ["tcp"])
    world.host("x", ["a"])
    world.host("y", ["b"])
    return world
  }

  @Test func theWildcardBringsWhatTCPListenersNameAndRoutesWaitForNothing() {
    var world = Self.world()
    let stream = TestStream(.delta, proxyClass: Self.onDemandClass)
    _ = Self.publish(&world, to: stream)
    #expect(stream.subscribe(.cluster)[.cluster]?.names == ["tcp"])
    stream.subscribe(.endpoint, ["tcp"])
    for type in [ResourceType.cluster, .endpoint] { _ = stream.ack(type) }
    #expect(stream.subscribe(.listener)[.listener]?.names == ["http", "tcp"])
    _ = stream.ack(.listener)
    #expect(stream.subscribe(.route, [World.routeName])[.route]?.hosts == ["x": ["a"], "y": ["b"]])
  }

  /// Envoy waits for the first answer.
  @Test func anEmptyAnswerIsGiven() {
    var world = World()
    world.cluster("a")
    let stream = TestStream(.delta, proxyClass: Self.onDemandClass)
    _ = Self.publish(&world, to: stream)
    let sent = stream.subscribe(.cluster)
    #expect(sent[.cluster]?.names == [] && sent[.cluster]?.removed == [])
  }

  @Test func whatIsAskedForComesAndIsKeptUpToDate() {
    var world = Self.world()
    let stream = Self.synced(&world)
    #expect(stream.subscribe(.cluster, ["a"])[.cluster]?.names == ["a"])
    _ = stream.subscribe(.endpoint, ["a"])
    for type in [ResourceType.cluster, .endpoint] { _ = stream.ack(type) }
    world.cluster("a", version: 2, endpoints: nil)
    world.cluster("b", version: 2, endpoints: nil)
    let sent = Self.publish(&world, to: stream)
    #expect(sent[.cluster]?.names == ["a"])
    // It warms anew with its endpoints.
    #expect(sent[.endpoint]?.names == ["a"])
  }

  /// A request waits for the answer.
  @Test func whatIsNotThereIsToldAtOnceAndComesLater() {
    var world = Self.world()
    let stream = Self.synced(&world)
    #expect(stream.subscribe(.cluster, ["later"])[.cluster]?.removed == ["later"])
    _ = stream.ack(.cluster)
    world.cluster("later")
    #expect(Self.publish(&world, to: stream)[.cluster]?.names == ["later"])
  }

  @Test func aRouteWaitsForAClusterThatWasAskedForAndAClusterOutlivesItsRoute() {
    var world = Self.world()
    let stream = Self.synced(&world)
    stream.subscribe(.cluster, ["a"])
    stream.subscribe(.endpoint, ["a"])
    for type in [ResourceType.cluster, .endpoint] { _ = stream.ack(type) }
    // It has b asked for, and not accepted yet: the route to it waits.
    stream.subscribe(.cluster, ["b"])
    world.host("x", version: 2, ["b"])
    #expect(Self.publish(&world, to: stream)[.route] == nil)
    stream.subscribe(.endpoint, ["b"])
    _ = stream.ack(.cluster)
    #expect(stream.ack(.endpoint)[.route]?.hosts["x"] == ["b"])
    _ = stream.ack(.route)
    // Gone from the world, a stays until the route that names it is gone from the proxy.
    world.host("y", version: 2, ["a"])
    _ = Self.publish(&world, to: stream)
    _ = stream.ack(.route)
    world.host("y", version: 3, ["b"])
    world.removeCluster("a")
    #expect(Self.publish(&world, to: stream).types == [.route])
    #expect(stream.ack(.route)[.cluster]?.removed == ["a"])
  }

  @Test func whoComesBackWithAllOfItIsSentNothing() {
    var world = Self.world()
    let stream = TestStream(.delta, proxyClass: Self.onDemandClass)
    _ = Self.publish(&world, to: stream)
    var held = versions(world.clusters)
    held["b"] = nil
    #expect(stream.subscribe(.cluster, ["*", "a"], holding: held).isEmpty)
    #expect(stream.subscribe(.endpoint, ["a", "tcp"], holding: versions(world.endpoints)).isEmpty)
  }
}
