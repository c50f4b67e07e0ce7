import Testing
import XDSSnapshot

@testable import XDSServer

/// Virtual hosts as resources of their own (VHDS), by Envoy's rules (`ProxySession+Form`).
@Suite struct HostByHostTests {
  private static let prefix = World.hostlessName + "/"

  private static func world() -> World {
    var world = World()
    world.cluster("a")
    world.cluster("b")
    world.host("x", ["a"])
    world.host("y", ["b"])
    return world
  }

  private static func stream(
    shared: SharedResponses = .forTests(), delivery: VirtualHostDelivery = .always
  ) -> TestStream {
    TestStream(.delta, shared: shared, proxyClass: World.hostByHostClass, delivery: delivery)
  }

  /// All subscribed as Envoy does it, and accepted.
  private static func synced(_ world: inout World, shared: SharedResponses = .forTests()) -> TestStream {
    let stream = stream(shared: shared)
    _ = stream.publish(&world)
    stream.subscribe(.cluster)
    stream.subscribe(.endpoint, ["a", "b"])
    for type in [ResourceType.cluster, .endpoint] { _ = stream.ack(type) }
    stream.subscribe(.listener)
    _ = stream.ack(.listener)
    stream.subscribe(.route, [World.hostlessName])
    _ = stream.ack(.route)
    stream.subscribe(.virtualHost)
    _ = stream.ack(.virtualHost)
    for type in ResourceType.general + [.virtualHost] { #expect(stream.session.converged(type) == world.number) }
    return stream
  }

  @Test func theListenerNamesTheRouteTableWithoutHosts() {
    var world = Self.world()
    let stream = Self.stream()
    _ = stream.publish(&world)
    #expect(stream.subscribe(.listener)[.listener]?.text("http") == "L http 1  vhds")
    #expect(stream.subscribe(.route, [World.hostlessName])[.route]?.text(World.hostlessName) == "R outbound-vhds;")
    #expect(stream.subscribe(.virtualHost)[.virtualHost]?.names == [Self.prefix + "x", Self.prefix + "y"])
  }

  @Test func oneChangedHostIsOneResource() {
    var world = Self.world()
    let stream = Self.synced(&world)
    world.host("x", version: 2, ["a"])
    let sent = stream.publish(&world)
    #expect(sent.types == [.virtualHost])
    #expect(sent[.virtualHost]?.names == [Self.prefix + "x"])
    #expect(sent[.virtualHost]?.text(Self.prefix + "x") == "V outbound-vhds/x x 2 a;")
    world.removeHost("y")
    #expect(stream.publish(&world).isEmpty)
    #expect(stream.ack(.virtualHost)[.virtualHost]?.removed == [Self.prefix + "y"])
  }

  /// What a host loses and another gains goes in one response: Envoy refuses a domain that is there twice.
  @Test func whatChangesTogetherIsSentTogether() {
    var world = Self.world()
    let stream = Self.synced(&world)
    world.host("x", version: 2, ["a"])
    world.host("y", version: 2, ["b"])
    #expect(stream.publish(&world)[.virtualHost]?.names == [Self.prefix + "x", Self.prefix + "y"])
  }

  @Test func aHostWaitsForItsClusterAndTheOthersDoNot() {
    var world = Self.world()
    let stream = Self.synced(&world)
    world.cluster("c")
    world.host("x", version: 2, ["c"])
    world.host("y", version: 2, ["b"])
    var sent = stream.publish(&world)
    #expect(sent[.virtualHost]?.names == [Self.prefix + "y"])
    _ = stream.ack(.virtualHost)
    #expect(stream.session[.virtualHost].held == [.init(resource: Self.prefix + "x", reason: .waitsForCluster("c"))])
    sent = stream.subscribe(.endpoint, ["c"])
    #expect(sent.types == [.endpoint])
    #expect(stream.ack(.cluster).isEmpty)
    #expect(stream.ack(.endpoint)[.virtualHost]?.names == [Self.prefix + "x"])
  }

  @Test func aClusterOutlivesTheHostThatNamedIt() {
    var world = Self.world()
    let stream = Self.synced(&world)
    world.host("x", version: 2, ["b"])
    world.removeCluster("a")
    let sent = stream.publish(&world)
    #expect(sent.types == [.virtualHost])
    #expect(stream.ack(.virtualHost)[.cluster]?.removed == ["a"])
  }

  /// `{}` is an answer that Envoy accepts and goes on waiting after.
  @Test func theFirstAnswerIsNeverEmpty() {
    var world = World()
    let stream = Self.stream()
    _ = stream.publish(&world)
    let sent = stream.subscribe(.virtualHost)[.virtualHost]
    #expect(sent?.names == [])
    #expect(sent?.removed == [Self.prefix + "_none_"])
    _ = stream.ack(.virtualHost)
    world.cluster("a")
    world.host("x", [])
    #expect(stream.publish(&world)[.virtualHost]?.names == [Self.prefix + "x"])
  }

  /// Envoy asks for virtual hosts once on a stream; a table that comes later waits for its hosts without asking.
  @Test func aTableThatComesAfterTheSubscriptionBringsItsHosts() {
    var world = Self.world()
    let stream = Self.stream()
    _ = stream.publish(&world)
    stream.subscribe(.virtualHost, holding: versions(world.virtualHosts))
    #expect(stream.session.state(.virtualHost) == .quiet)
    let sent = stream.subscribe(.route, [World.hostlessName])
    #expect(sent.types == [.route, .virtualHost])
    #expect(sent[.virtualHost]?.names == [Self.prefix + "x", Self.prefix + "y"])
  }

  @Test func whoComesBackIsSentWhatDiffers() {
    var world = Self.world()
    let old = world
    world.host("x", version: 2, ["a"])
    world.removeHost("y")
    let stream = Self.stream()
    _ = stream.publish(&world)
    stream.subscribe(.route, [World.hostlessName], holding: versions(world.generation().table(.route)))
    let sent = stream.subscribe(.virtualHost, holding: versions(old.virtualHosts))
    #expect(sent.types == [.virtualHost])
    #expect(sent[.virtualHost]?.names == [Self.prefix + "x"])
    #expect(sent[.virtualHost]?.removed == [Self.prefix + "y"])
  }

  @Test func whoComesBackWithAllOfItIsSentNothing() {
    var world = Self.world()
    let shared = SharedResponses.forTests()
    _ = Self.synced(&world, shared: shared)
    let stream = Self.stream(shared: shared)
    _ = stream.publish(&world)
    let generation = world.generation()
    var sent: [Sent] = []
    for type in ResourceType.general + [.virtualHost] {
      let table = stream.session.table(type, generation) ?? .init()
      sent += stream.subscribe(
        type, type == .endpoint ? ["a", "b"] : type == .route ? [World.hostlessName] : [],
        holding: type == .listener ? ["http": Self.version(of: "http", in: generation)] : versions(table))
    }
    #expect(sent.isEmpty)
  }

  private static func version(of listener: String, in generation: Generation) -> String {
    generation.classes[World.hostByHostClass]?.hostByHost?.listeners[listener]?.version ?? ""
  }

  /// A refusal takes the whole response with it. A host that was refused alone is tried once more after the others: it may
  /// want a domain that one of them gives up.
  @Test func aHostThatIsRefusedAloneIsTriedOnceMoreAfterTheOthers() {
    var world = Self.world()
    let stream = Self.synced(&world)
    world.host("x", version: 2, ["a"])
    world.host("y", version: 2, ["b"])
    #expect(stream.publish(&world)[.virtualHost]?.names.count == 2)
    let first = stream.nack(.virtualHost, "Only unique values for domains are permitted")[.virtualHost]
    #expect(first?.names.count == 1)
    let second = stream.nack(.virtualHost, "Only unique values for domains are permitted")[.virtualHost]
    #expect(second?.names.intersection(first?.names ?? []) == [])
    let third = stream.ack(.virtualHost)[.virtualHost]
    #expect(third?.names == first?.names)
    #expect(stream.ack(.virtualHost).isEmpty)
    #expect(stream.session.state(.virtualHost) == .quiet)
  }

  @Test func aHostThatIsRefusedStaysAsItWas() {
    var world = Self.world()
    let stream = Self.synced(&world)
    world.host("x", version: 2, ["a"])
    #expect(stream.publish(&world)[.virtualHost]?.names == [Self.prefix + "x"])
    #expect(stream.nack(.virtualHost).isEmpty)
    #expect(stream.session.state(.virtualHost) == .quarantined)
    world.host("y", version: 2, ["b"])
    #expect(stream.publish(&world)[.virtualHost]?.names == [Self.prefix + "y"])
    #expect(stream.ack(.virtualHost).isEmpty)
    world.host("x", version: 3, ["a"])
    #expect(stream.publish(&world)[.virtualHost]?.text(Self.prefix + "x") == "V outbound-vhds/x x 3 a;")
  }

  // MARK: The form

  private static func listener(_ delivery: VirtualHostDelivery, _ claimed: (Generation) -> String?) -> String? {
    var world = world()
    let stream = stream(delivery: delivery)
    _ = stream.publish(&world)
    var holding: [String: String] = [:]
    holding["http"] = claimed(world.generation())
    return stream.subscribe(.listener, holding: holding)[.listener]?.text("http")
  }

  @Test func aNewProxyGetsItsFormByTheNumberOfHosts() {
    #expect(Self.listener(.automatic(threshold: 2)) { _ in nil } == "L http 1  vhds")
    #expect(Self.listener(.automatic(threshold: 3)) { _ in nil } == "L http 1 ")
  }

  @Test func aProxyThatComesBackKeepsItsForm() {
    let plain = { (generation: Generation) in generation.table(.listener)["http"]?.version }
    let hostByHost = { (generation: Generation) in Self.version(of: "http", in: generation) }
    #expect(Self.listener(.automatic(threshold: 0), plain) == nil)
    #expect(Self.listener(.automatic(threshold: 99), hostByHost) == nil)
    // Unless it is told otherwise, or has a listener that is another anyhow.
    #expect(Self.listener(.always, plain) == "L http 1  vhds")
    #expect(Self.listener(.automatic(threshold: 99)) { _ in "0" } == "L http 1 ")
  }

  /// A client that cannot take them is not served any, and its clusters wait for none.
  @Test func othersHaveTheirHostsInTheRouteTable() {
    var world = Self.world()
    let stream = TestStream.synced(.delta, &world)
    world.removeHost("y")
    world.removeCluster("b")
    #expect(stream.publish(&world).types == [.route])
    #expect(stream.ack(.route)[.cluster]?.removed == ["b"])
    #expect(stream.subscribe(.virtualHost).isEmpty)
  }
}

extension Generation {
  fileprivate func table(_ type: ResourceType) -> ResourceTable {
    table(type, for: World.hostByHostClass) ?? ResourceTable()
  }
}
