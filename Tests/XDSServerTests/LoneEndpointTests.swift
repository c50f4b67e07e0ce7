import EnvoyAPI
import Testing
import XDSSnapshot

@testable import XDSServer

/// Endpoints as resources of their own (LEDS), by Envoy's rules (`ProxySession+LoneEndpoints`).
@Suite struct LoneEndpointTests {
  /// A cluster's collection.
  private static func collection(_ cluster: String) -> String { "xdstp://weir/LbEndpoint/\(cluster)/*" }
  private static func endpoint(_ cluster: String, _ name: String) -> String {
    "xdstp://weir/LbEndpoint/\(cluster)/\(name)"
  }

  /// Clusters with lone endpoints, and the same as assignments with all of them.
  private struct LoneWorld {
    var world = World()
    var members: [String: [String: Int]] = [:]

    mutating func set(_ cluster: String, _ endpoints: [String: Int]) {
      members[cluster] = endpoints
      if world.clusters[cluster] == nil { world.cluster(cluster, endpoints: nil) }
      world.endpoints.set(
        Resource(name: cluster, bytes: Array("E \(cluster) \(endpoints.sorted { $0.key < $1.key })".utf8)))
    }

    mutating func remove(_ cluster: String) {
      members[cluster] = nil
      world.removeCluster(cluster)
    }

    mutating func generation() -> Generation {
      let plain = world.generation()
      var assignments = ResourceTable()
      var endpoints = ResourceTable()
      for (cluster, members) in members {
        let collection = collection(cluster)
        assignments.set(
          Resource(
            name: cluster, header: Array("E \(cluster) lone".utf8), parts: [],
            references: members.isEmpty ? [] : [collection]))
        for (name, version) in members {
          endpoints.set(
            Resource(
              name: endpoint(cluster, name), namelessBytes: Array("M \(version)".utf8), references: [collection]))
        }
      }
      return Generation(
        number: plain.number, clusters: plain.clusters, endpoints: plain.endpoints,
        loneEndpoints: .init(assignments: assignments, endpoints: endpoints), classes: plain.classes)
    }
  }

  /// A delta stream that can take them.
  private struct Stream {
    var session: ProxySession
    private var last: [ResourceType: Sent] = [:]

    init(shared: SharedResponses = .forTests()) {
      session = ProxySession(
        variant: .delta, proxyClass: World.proxyClass, shared: shared, takesLoneEndpoints: true)
    }

    private mutating func pump() -> [Sent] {
      let sent = session.pump().map(Sent.init)
      for item in sent { last[item.type] = item }
      return sent
    }

    mutating func publish(_ world: inout LoneWorld) -> [Sent] {
      session.published(world.generation())
      return pump()
    }

    @discardableResult
    mutating func subscribe(
      _ type: ResourceType, _ names: [String] = [], without gone: [String] = [], holding: [String: String] = [:]
    ) -> [Sent] {
      var request = DeltaDiscoveryRequest()
      request.resourceNamesSubscribe = names
      request.resourceNamesUnsubscribe = gone
      request.initialResourceVersions = holding
      _ = session.received(request, for: type)
      return pump()
    }

    mutating func ack(_ type: ResourceType) -> [Sent] {
      var request = DeltaDiscoveryRequest()
      request.responseNonce = last[type]?.nonce ?? ""
      _ = session.received(request, for: type)
      return pump()
    }

    /// As Envoy asks: clusters, endpoints, collections; all accepted.
    static func synced(_ world: inout LoneWorld) -> Stream {
      var stream = Stream()
      _ = stream.publish(&world)
      stream.subscribe(.cluster)
      let clusters = world.members.keys.sorted()
      stream.subscribe(.endpoint, clusters)
      stream.subscribe(.loneEndpoint, clusters.map(LoneEndpointTests.collection))
      for type in [ResourceType.cluster, .endpoint, .loneEndpoint] { _ = stream.ack(type) }
      stream.subscribe(.listener)
      _ = stream.ack(.listener)
      stream.subscribe(.route, [World.routeName])
      _ = stream.ack(.route)
      #expect(stream.session.warm.count == clusters.count)
      return stream
    }
  }

  private static func world() -> LoneWorld {
    var world = LoneWorld()
    world.set("a", ["1": 1, "2": 1])
    world.set("b", ["1": 1])
    return world
  }

  @Test func aCollectionIsAnsweredWithItsMembersAndAChangeIsTheMemberThatChanged() {
    var world = Self.world()
    var stream = Stream()
    _ = stream.publish(&world)
    stream.subscribe(.cluster)
    #expect(stream.subscribe(.endpoint, ["a"])[.endpoint]?.text("a") == "E a lone")
    let members = stream.subscribe(.loneEndpoint, [Self.collection("a")])[.loneEndpoint]
    #expect(members?.names == [Self.endpoint("a", "1"), Self.endpoint("a", "2")])
    #expect(members?.removed == [])
    for type in [ResourceType.cluster, .endpoint, .loneEndpoint] { #expect(stream.ack(type).isEmpty) }
    world.set("a", ["1": 1, "2": 2, "3": 1])
    world.set("b", ["1": 7])
    let sent = stream.publish(&world)
    #expect(sent.types == [.loneEndpoint])
    #expect(sent[.loneEndpoint]?.names == [Self.endpoint("a", "2"), Self.endpoint("a", "3")])
    _ = stream.ack(.loneEndpoint)
    world.set("a", ["1": 1, "3": 1])
    #expect(stream.publish(&world)[.loneEndpoint]?.removed == [Self.endpoint("a", "2")])
  }

  /// `{}` is an answer that Envoy accepts and goes on waiting after.
  @Test func aCollectionThatIsNotThereIsTold() {
    var world = Self.world()
    var stream = Stream()
    _ = stream.publish(&world)
    stream.subscribe(.endpoint, ["a"])
    let sent = stream.subscribe(.loneEndpoint, [Self.collection("gone")])[.loneEndpoint]
    #expect(sent?.removed == [Self.collection("gone")])
    #expect(sent?.names == [])
  }

  @Test func aRouteWaitsForTheEndpointsOfItsCluster() {
    var world = Self.world()
    world.world.host("x", ["a"])
    var stream = Stream.synced(&world)
    world.set("c", ["1": 1])
    world.world.host("x", version: 2, ["c"])
    #expect(stream.publish(&world).types == [.cluster])
    #expect(stream.subscribe(.endpoint, ["c"]).types == [.endpoint])
    #expect(stream.subscribe(.loneEndpoint, [Self.collection("c")]).types == [.loneEndpoint])
    #expect(stream.ack(.endpoint).isEmpty)
    #expect(stream.ack(.cluster).isEmpty)
    #expect(stream.ack(.loneEndpoint)[.route]?.hosts["x"] == ["c"])
  }

  /// An Envoy that gets a cluster anew warms it with what comes, and does not ask for a collection that it has already.
  @Test func aChangedClusterBringsItsEndpointsAgain() {
    var world = Self.world()
    var stream = Stream.synced(&world)
    world.world.cluster("a", version: 2, endpoints: nil)
    let sent = stream.publish(&world)
    #expect(sent.types == [.cluster, .endpoint, .loneEndpoint])
    #expect(sent[.endpoint]?.names == ["a"])
    #expect(sent[.loneEndpoint]?.names == [Self.endpoint("a", "1"), Self.endpoint("a", "2")])
  }

  @Test func theEndpointsOfAClusterThatIsInUseStayWithIt() {
    var world = Self.world()
    world.world.host("x", ["a"])
    var stream = Stream.synced(&world)
    world.world.host("x", version: 2, ["b"])
    world.remove("a")
    // The route first, then the cluster; nothing takes the endpoints away from it.
    #expect(stream.publish(&world).types == [.route])
    let clusters = stream.ack(.route)
    #expect(clusters.types == [.cluster])
    #expect(clusters[.cluster]?.removed == ["a"])
    _ = stream.ack(.cluster)
    stream.subscribe(.endpoint, without: ["a"])
    #expect(stream.subscribe(.loneEndpoint, without: [Self.collection("a")]).isEmpty)
  }

  /// It does not say what it has of a collection.
  @Test func whoComesBackGetsAssignmentsWholeUntilTheyChange() {
    var world = Self.world()
    let held = versions(world.generation().loneEndpoints?.assignments ?? .init())
    var stream = Stream()
    _ = stream.publish(&world)
    // Whatever it asks for first.
    #expect(stream.subscribe(.loneEndpoint, [Self.collection("a"), Self.collection("b")]).isEmpty)
    let sent = stream.subscribe(.endpoint, ["a", "b"], holding: held)
    #expect(sent.types == [.endpoint])
    #expect(sent[.endpoint]?.names == ["a", "b"])
    #expect(sent[.endpoint]?.text("a") == #"E a [(key: "1", value: 1), (key: "2", value: 1)]"#)
    #expect(stream.ack(.endpoint).isEmpty)
    #expect(stream.subscribe(.loneEndpoint, without: [Self.collection("a"), Self.collection("b")]).isEmpty)

    world.set("a", ["1": 1, "2": 1, "3": 1])
    let next = stream.publish(&world)
    #expect(next[.endpoint]?.text("a") == "E a lone")
    #expect(next[.endpoint]?.names == ["a"])
    let members = stream.subscribe(.loneEndpoint, [Self.collection("a")])
    #expect(members[.loneEndpoint]?.names.count == 3)
    #expect(stream.session.wholeAssignments.names == ["b"])
  }

  @Test func othersHaveTheirEndpointsInTheAssignment() {
    var world = Self.world()
    let stream = TestStream(.delta)
    stream.session.published(world.generation())
    #expect(stream.subscribe(.endpoint, ["b"])[.endpoint]?.text("b") == #"E b [(key: "1", value: 1)]"#)
  }
}
