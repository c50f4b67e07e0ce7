import Testing
import XDSSnapshot

@testable import XDSServer

@Suite struct MakeBeforeBreakTests {
  static func world() -> World {
    var world = World()
    world.cluster("a")
    world.cluster("b")
    world.host("x", ["a"])
    world.host("y", ["b"])
    return world
  }

  @Test(arguments: XDSProtocol.allCases)
  func aRouteWaitsForItsNewClusterWhileOtherHostsFlow(_ variant: XDSProtocol) throws {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    world.cluster("n")
    world.host("x", version: 2, ["a", "n"])
    world.host("y", version: 2, ["b"])
    var sent = stream.publish(&world)
    #expect(sent[.cluster]?.names.contains("n") == true)
    // Host y is new at once, host x is the old one.
    #expect(sent[.route]?.hosts == ["x": ["a"], "y": ["b"]])
    #expect(sent[.route]?.text("outbound")?.contains("y 2") == true)
    #expect(
      stream.session[.route].held == [
        HeldItem(resource: "outbound", part: "x", reason: .waitsForCluster("n"))
      ])
    #expect(stream.ack(.route).isEmpty)
    sent = stream.subscribe(.endpoint, ["n"])
    #expect(sent.map(\.names) == [["n"]])
    // CDS accepted, its endpoints not yet.
    #expect(stream.ack(.cluster).isEmpty)
    world.host("z", ["b"])
    sent = stream.publish(&world)
    #expect(sent[.route]?.hosts == ["x": ["a"], "y": ["b"], "z": ["b"]])
    #expect(stream.ack(.route).isEmpty)
    sent = stream.ack(.endpoint)
    #expect(sent.map(\.type) == [.route])
    #expect(sent[0].hosts["x"] == ["a", "n"])
    #expect(stream.ack(.route).isEmpty)
    #expect(stream.session.converged(.route) == world.number)
  }

  @Test(arguments: XDSProtocol.allCases)
  func endpointsAcceptedBeforeTheClusterReleaseTheRouteWithTheCluster(_ variant: XDSProtocol) {
    // Envoy holds its CDS ACK until the cluster is warm.
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    world.cluster("n")
    world.host("x", version: 2, ["n"])
    let sent = stream.publish(&world)
    #expect(sent.types == [.cluster])
    #expect(stream.subscribe(.endpoint, ["n"]).types == [.endpoint])
    #expect(stream.ack(.endpoint).isEmpty)
    let released = stream.ack(.cluster)
    #expect(released.types == [.route])
    // The cluster that the route named is still there and stays.
    #expect(released[0].hosts["x"] == ["n"])
  }

  @Test(arguments: XDSProtocol.allCases)
  func aGoneClusterStaysUntilTheRouteWithoutItIsAccepted(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    world.host("y", version: 2, ["a"])
    world.removeCluster("b")
    world.cluster("a", version: 2)
    let sent = stream.publish(&world)
    #expect(sent.types == [.cluster, .endpoint, .route])
    #expect(sent[.cluster]?.names == (variant == .delta ? ["a"] : ["a", "b"]))
    #expect(sent[.cluster]?.removed == [])
    #expect(sent[.endpoint]?.names == ["a"])
    #expect(sent[.endpoint]?.removed == [])
    #expect(stream.ack(.cluster).isEmpty)
    #expect(stream.ack(.endpoint).isEmpty)
    let withdrawn = stream.ack(.route)
    #expect(withdrawn.types == [.cluster])
    if variant == .delta {
      #expect(withdrawn[0].removed == ["b"])
      #expect(withdrawn[0].names == [])
      #expect(stream.ack(.cluster).map(\.removed) == [["b"]])
    } else {
      #expect(withdrawn[0].names == ["a"])
      #expect(stream.ack(.cluster).isEmpty)
    }
  }

  @Test(arguments: XDSProtocol.allCases)
  func aRefusedClusterDoesNotBlockOthers(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    world.cluster("bad")
    world.cluster("good")
    world.host("x", version: 2, ["bad"])
    world.host("y", version: 2, ["good"])
    #expect(stream.publish(&world).types == [.cluster])
    var sent = stream.nack(.cluster, "Error adding/updating cluster(s) bad: ring hash: minimum > maximum")
    #expect(sent.types == [.cluster])
    #expect(sent[0].names.contains("good") && !sent[0].names.contains("bad"))
    #expect(stream.subscribe(.endpoint, ["good"]).types == [.endpoint])
    #expect(stream.ack(.endpoint).isEmpty)
    sent = stream.ack(.cluster)
    #expect(sent.types == [.route])
    #expect(sent[0].hosts == ["x": ["a"], "y": ["good"]])
    #expect(stream.ack(.route).isEmpty)
    #expect(stream.session[.cluster].held == [HeldItem(resource: "bad", reason: .refused)])
    // The next content of the bad one goes out, and then its route.
    world.cluster("bad", version: 2)
    #expect(stream.publish(&world)[.cluster]?.names.contains("bad") == true)
    #expect(stream.subscribe(.endpoint, ["bad"]).types == [.endpoint])
    #expect(stream.ack(.endpoint).isEmpty)
    #expect(stream.ack(.cluster)[.route]?.hosts["x"] == ["bad"])
  }

  @Test(arguments: XDSProtocol.allCases)
  func aListenerWaitsForItsCluster(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    world.cluster("tcp")
    world.listener("tcp", version: 1, clusters: ["tcp"])
    world.listener("http", version: 2)
    let sent = stream.publish(&world)
    #expect(sent.types == [.cluster, .listener])
    #expect(sent[.listener]?.names == ["http"])
    #expect(stream.ack(.listener).isEmpty)
    #expect(stream.subscribe(.endpoint, ["tcp"]).types == [.endpoint])
    #expect(stream.ack(.cluster).isEmpty)
    #expect(stream.ack(.endpoint)[.listener]?.names.contains("tcp") == true)
    #expect(stream.ack(.listener).isEmpty)
    // And the way back: the cluster goes after the listener.
    world.removeCluster("tcp")
    world.listeners.remove("tcp")
    #expect(stream.publish(&world).types == [.listener])
    #expect(stream.ack(.listener).types == [.cluster])
  }

  @Test(arguments: XDSProtocol.allCases)
  func aClusterTakenByNameAfterTheRouteDoesNotHoldIt(_ variant: XDSProtocol) {
    // A gRPC client: LDS, RDS, then the clusters of the route by name, then their endpoints.
    var world = Self.world()
    let stream = TestStream(variant)
    _ = stream.publish(&world)
    #expect(stream.subscribe(.listener, ["http"])[.listener]?.names == ["http"])
    _ = stream.ack(.listener)
    #expect(stream.subscribe(.route, ["outbound"])[.route]?.hosts == ["x": ["a"], "y": ["b"]])
    _ = stream.ack(.route)
    #expect(stream.subscribe(.cluster, ["a"])[.cluster]?.names == ["a"])
    #expect(stream.ack(.cluster).isEmpty)
    #expect(stream.subscribe(.cluster, ["b"])[.cluster]?.names == (variant == .delta ? ["b"] : ["a", "b"]))
    #expect(stream.ack(.cluster).isEmpty)
    #expect(stream.subscribe(.endpoint, ["a", "b"])[.endpoint]?.names == ["a", "b"])
    #expect(stream.ack(.endpoint).isEmpty)
    world.cluster("n")
    world.host("x", version: 2, ["n"])
    let sent = stream.publish(&world)
    #expect(sent.types == [.route])
    #expect(sent[0].hosts["x"] == ["n"])
  }

  @Test func aClusterDeletedWhileAwayOutlivesTheNewRouteInDelta() {
    var world = Self.world()
    let old = world
    world.host("y", version: 2, ["a"])
    world.removeCluster("b")
    let stream = TestStream(.delta)
    _ = stream.publish(&world)
    let sent = stream.subscribe(.cluster, holding: versions(old.clusters))
    #expect(sent.isEmpty, "nothing changed but the removal, which waits: \(sent)")
    #expect(stream.subscribe(.endpoint, ["a", "b"], holding: versions(old.endpoints)).isEmpty)
    #expect(stream.subscribe(.listener, holding: versions(old.listeners)).isEmpty)
    #expect(stream.subscribe(.route, ["outbound"], holding: versions(old.routes)).types == [.route])
    #expect(stream.ack(.route).map(\.removed) == [["b"]])
    #expect(stream.ack(.cluster).map(\.removed) == [["b"]])
  }

  @Test func aClusterDeletedWhileAwayGoesWhenTheRouteIsFoundToMatch() {
    var world = Self.world()
    world.cluster("unused")
    let old = world
    world.removeCluster("unused")
    let stream = TestStream(.delta)
    _ = stream.publish(&world)
    #expect(stream.subscribe(.cluster, holding: versions(old.clusters)).isEmpty)
    #expect(stream.subscribe(.listener, holding: versions(old.listeners)).isEmpty)
    #expect(stream.subscribe(.route, ["outbound"], holding: versions(old.routes)).map(\.removed) == [["unused"]])
  }

  @Test func aClusterDeletedWhileAwayOutlivesTheNewRouteInStateOfTheWorld() throws {
    var world = Self.world()
    let shared = SharedResponses.forTests()
    let before = TestStream.synced(.stateOfTheWorld, &world, shared: shared)
    let clusters = before.session[.cluster].acked.contentHash.text
    let listeners = before.session[.listener].acked.contentHash.text
    let route = try #require(world.routes["outbound"]).version
    world.host("y", version: 2, ["a"])
    world.removeCluster("b")
    world.cluster("a", version: 2)
    let stream = TestStream(.stateOfTheWorld, shared: shared)
    _ = stream.publish(&world)
    #expect(stream.subscribe(.cluster, version: clusters)[.cluster]?.names == ["a", "b"])
    #expect(stream.subscribe(.endpoint, ["a", "b"], version: "any")[.endpoint]?.names == ["a"])
    #expect(stream.ack(.endpoint).isEmpty)
    #expect(stream.subscribe(.listener, version: listeners).isEmpty)
    #expect(stream.subscribe(.route, ["outbound"], version: route)[.route]?.hosts["y"] == ["a"])
    #expect(stream.ack(.cluster).isEmpty)
    #expect(stream.ack(.route)[.cluster]?.names == ["a"])
  }

  @Test func aRouteOfUnknownContentIsNotTornWhileItsClusterWarms() {
    // After a restart of the server the client's route is a version without content: none of its hosts may vanish.
    var world = Self.world()
    let old = world
    world.cluster("n")
    world.host("x", version: 2, ["n"])
    let stream = TestStream(.delta)
    _ = stream.publish(&world)
    #expect(stream.subscribe(.cluster, holding: versions(old.clusters))[.cluster]?.names == ["n"])
    #expect(stream.subscribe(.endpoint, ["a", "b"], holding: versions(old.endpoints)).isEmpty)
    #expect(stream.subscribe(.listener, holding: versions(old.listeners)).isEmpty)
    #expect(stream.subscribe(.route, ["outbound"], holding: versions(old.routes)).isEmpty)
    #expect(stream.subscribe(.endpoint, ["n"])[.endpoint]?.names == ["n"])
    #expect(stream.ack(.endpoint).isEmpty)
    #expect(stream.ack(.cluster)[.route]?.hosts == ["x": ["n"], "y": ["b"]])
  }

  /// A route that was on its way when its name was dropped and asked for again: the client uses it until the next one.
  @Test func aRouteOnItsWayWhileItsNameIsAskedForAgainKeepsItsCluster() {
    var world = World()
    world.cluster("a")
    world.cluster("b")
    world.host("x", ["a"])
    let stream = TestStream.synced(.delta, &world)
    world.host("x", version: 2, ["b"])
    #expect(stream.publish(&world).types == [.route])
    #expect(stream.unsubscribe(.route, [World.routeName]).isEmpty)
    #expect(stream.subscribe(.route, [World.routeName]).isEmpty, "one is in flight")
    world.host("x", version: 3, ["a"])
    world.removeCluster("b")
    #expect(stream.publish(&world).isEmpty, "b stays")
    #expect(stream.ack(.route)[.route]?.hosts == ["x": ["a"]])
    #expect(stream.session[.cluster].acked["b"] != nil && stream.session[.cluster].inFlight == nil)
    #expect(stream.ack(.route)[.cluster]?.removed == ["b"])
  }
}

/// What a client that holds a table claims when it comes back.
func versions(_ table: ResourceTable) -> [String: String] {
  var versions: [String: String] = [:]
  table.tree.forEach { versions[$0.name] = $0.version }
  return versions
}
