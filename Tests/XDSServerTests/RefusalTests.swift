import EnvoyAPI
import Testing
import XDSSnapshot

@testable import XDSServer

/// What happens after a client has refused something, in the corners.
@Suite struct RefusalTests {
  static func world() -> World {
    var world = World()
    world.cluster("a")
    world.cluster("b")
    world.host("x", ["a"])
    world.host("y", ["b"])
    return world
  }

  // MARK: No loops

  @Test(arguments: XDSProtocol.allCases)
  func aRefusedStubIsNotSentAgain(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    #expect(stream.subscribe(.route, ["nope"]).map(\.names) == [["nope"]])
    #expect(stream.nack(.route, "no virtual hosts in nope").isEmpty)
    #expect(stream.nack(.route).isEmpty)
    #expect(stream.session[.route].held == [HeldItem(resource: "nope", reason: .refused)])
    world.host("h", ["a"], in: "nope")
    #expect(stream.publish(&world)[.route]?.text("nope") == "R nope;h 1 a;")
    #expect(stream.ack(.route).isEmpty)
    #expect(stream.session[.route].quarantine == nil)
  }

  @Test(arguments: XDSProtocol.allCases)
  func aStubRefusedTogetherWithARouteLeavesTheRoute(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    #expect(stream.unsubscribe(.route, [World.routeName]).isEmpty)
    var sent = stream.subscribe(.route, ["nope", World.routeName])
    var responses = 0
    var accepted: Set<String> = []
    while let response = sent.first, responses < 20 {
      responses += 1
      if response.names.contains("nope") {
        sent = stream.nack(.route)
      } else {
        accepted.formUnion(response.names)
        sent = stream.ack(.route)
      }
    }
    #expect(accepted == [World.routeName])
    #expect(responses <= 4)
  }

  @Test func aRemovalRefusedAfterContentWasIsNotSentAgain() {
    var world = Self.world()
    let stream = TestStream.synced(.delta, &world)
    // News and a removal in one response.
    world.listener("tcp", version: 1)
    _ = stream.publish(&world)
    _ = stream.ack(.listener)
    world.listener("http", version: 2)
    world.listeners.remove("tcp")
    #expect(stream.publish(&world).map(\.removed) == [["tcp"]])
    var sent = stream.nack(.listener)
    var responses = 0
    while !sent.isEmpty && responses < 20 {
      responses += 1
      sent = stream.nack(.listener)
    }
    #expect(responses <= 1)
  }

  // MARK: Asked for anew

  @Test(arguments: XDSProtocol.allCases)
  func aRefusedRouteThatIsAskedForAnewIsSentOnceMore(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream(variant)
    _ = stream.publish(&world)
    #expect(stream.subscribe(.route, [World.routeName]).map(\.names) == [[World.routeName]])
    #expect(stream.nack(.route, "bad outbound").isEmpty)
    #expect(stream.unsubscribe(.route, [World.routeName]).isEmpty)
    var sent = stream.subscribe(.route, [World.routeName])
    #expect(sent.map(\.hosts) == [["x": ["a"], "y": ["b"]]], "the route, and no stub for it")
    #expect(stream.nack(.route, "bad outbound").isEmpty, "once")
    #expect(stream.unsubscribe(.route, [World.routeName]).isEmpty)
    sent = stream.subscribe(.route, [World.routeName])
    #expect(sent.map(\.hosts) == [["x": ["a"], "y": ["b"]]])
    #expect(stream.ack(.route).isEmpty)
    #expect(stream.session[.route].quarantine == nil, "accepted after all")
    #expect(stream.session.converged(.route) == world.number)
  }

  @Test func aRefusedClusterThatIsAskedForByNameIsNotRemoved() {
    var world = Self.world()
    let stream = TestStream(.delta)
    _ = stream.publish(&world)
    stream.subscribe(.cluster)
    #expect(stream.nack(.cluster, "bad: a").map(\.names) == [["b"]])
    #expect(stream.ack(.cluster).isEmpty)
    let sent = stream.subscribe(.cluster, ["a"])
    #expect(sent.map(\.names) == [["a"]])
    #expect(sent.map(\.removed) == [[]])
    #expect(stream.nack(.cluster, "bad: a").isEmpty)
  }

  // MARK: Not asked for any more

  @Test(arguments: XDSProtocol.allCases)
  func aRefusedResourceIsForgottenWithItsSubscription(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    world.endpoint("a", version: 2)
    #expect(stream.publish(&world).types == [.endpoint])
    #expect(stream.nack(.endpoint, "a: malformed").isEmpty)
    #expect(stream.session[.endpoint].held == [HeldItem(resource: "a", reason: .refused)])
    #expect(stream.unsubscribe(.endpoint, ["a"]).isEmpty)
    #expect(stream.session[.endpoint].quarantine == nil)
    #expect(stream.session[.endpoint].held.isEmpty)
    #expect(stream.session.converged(.endpoint) == world.number)
  }

  @Test(arguments: XDSProtocol.allCases)
  func aNameThatIsDroppedBeforeItIsAnsweredGetsNoAnswer(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    world.endpoint("b", version: 2)
    #expect(stream.publish(&world).types == [.endpoint])
    let sent = stream.subscribe(.endpoint, ["c"])
    if variant == .delta {
      #expect(sent.isEmpty, "one is in flight")
    } else {
      // The request accepts that one.
      #expect(sent.map(\.names) == [[]])
    }
    world.cluster("c")
    _ = stream.publish(&world)
    #expect(stream.unsubscribe(.endpoint, ["c"])[.endpoint] == nil)
    #expect(stream.ack(.endpoint)[.endpoint] == nil)
  }

  // MARK: A client of unknown state

  /// A client that comes back to a server that knows nothing of it; `b` is bad, the others are good.
  private func returned(_ world: inout World, message: String) -> TestStream {
    let stream = TestStream(.stateOfTheWorld)
    _ = stream.publish(&world)
    let unknown = "0123456789abcdef0123456789abcdef"
    #expect(stream.subscribe(.cluster, version: unknown).map(\.names) == [["a", "b"]])
    _ = stream.subscribe(.endpoint, ["a", "b"], version: unknown)
    _ = stream.ack(.endpoint)
    #expect(stream.nack(.cluster, message).isEmpty)
    _ = stream.subscribe(.listener, version: unknown)
    _ = stream.ack(.listener)
    return stream
  }

  @Test(arguments: ["Error adding/updating cluster(s) b: ring hash: minimum > maximum", "refused"])
  func aRefusedClusterDoesNotFreezeTheRoutesOfAClientOfUnknownState(_ message: String) {
    var world = Self.world()
    let stream = returned(&world, message: message)
    let sent = stream.subscribe(.route, [World.routeName], version: "0123456789abcdef0123456789abcdef")
    #expect(sent.map(\.hosts) == [["x": ["a"], "y": ["b"]]])
    #expect(stream.ack(.route).isEmpty)
    #expect(stream.session[.cluster].held.contains(HeldItem(resource: "b", reason: .refused)))
    world.host("x", version: 2, ["a"])
    #expect(stream.publish(&world).types == [.route])
    #expect(stream.ack(.route).isEmpty)
  }

  @Test func theRefusedStaysInTheFullStateOfAClientOfUnknownState() {
    let message = "Error adding/updating cluster(s) b: ring hash: minimum > maximum"
    var world = Self.world()
    let stream = returned(&world, message: message)
    _ = stream.subscribe(.route, [World.routeName], version: "0123456789abcdef0123456789abcdef")
    _ = stream.ack(.route)
    world.cluster("n")
    world.host("x", version: 2, ["n"])
    // Without b, what the client may hold of it would be deleted. The answer names b again, and n is taken.
    #expect(stream.publish(&world).map(\.names) == [["a", "b", "n"]])
    _ = stream.subscribe(.endpoint, ["n"])
    #expect(stream.nack(.cluster, message).isEmpty)
    #expect(stream.session[.cluster].rejection?.resources == ["b"])
    #expect(stream.ack(.endpoint)[.route]?.hosts == ["x": ["n"], "y": ["b"]])
    #expect(stream.ack(.route).isEmpty)
    // A good content of b ends it.
    world.cluster("b", version: 2)
    #expect(stream.publish(&world)[.cluster]?.names == ["a", "b", "n"])
    _ = stream.ack(.endpoint)
    #expect(stream.ack(.cluster).isEmpty)
    #expect(stream.session[.cluster].quarantine == nil)
    #expect(!stream.session[.cluster].holdsUnknown)
    for type in ResourceType.general { #expect(stream.session.converged(type) == world.number) }
  }

  @Test func aRefusedClusterDoesNotFreezeAClaimedRoute() {
    var world = Self.world()
    let old = world
    world.cluster("bad")
    world.host("x", version: 2, ["bad"])
    world.host("y", version: 2, ["b"])
    let stream = TestStream(.delta)
    _ = stream.publish(&world)
    #expect(stream.subscribe(.cluster, holding: versions(old.clusters)).map(\.names) == [["bad"]])
    #expect(stream.subscribe(.endpoint, ["a", "b"], holding: versions(old.endpoints)).isEmpty)
    #expect(stream.subscribe(.listener, holding: versions(old.listeners)).isEmpty)
    #expect(stream.subscribe(.route, [World.routeName], holding: versions(old.routes)).isEmpty)
    #expect(stream.nack(.cluster, "bad").map(\.type) == [.route])
    #expect(stream.ack(.route).isEmpty)
  }

  // MARK: The client's words

  @Test func namesAreFoundInWhatAClientSays() {
    let text = RefusalText(
      #"Error adding/updating cluster(s) outbound|80|v1|a.shop, b-1.: 'c:80' and "d e"; (f) unknown_g"#)
    for name in ["outbound|80|v1|a.shop", "b-1", "c:80", "d e", "f", "unknown_g"] { #expect(text.names(name)) }
    for name in ["", "a.shop", "b", "g", "outbound|80|v1", "c:8"] { #expect(!text.names(name)) }
  }

  @Test func aLongTextIsCutAndReadOnce() {
    var world = World()
    for index in 0..<300 { world.cluster("c\(index)") }
    let stream = TestStream(.delta)
    _ = stream.publish(&world)
    _ = stream.subscribe(.cluster)
    let long = "c7 " + String(repeating: "é", count: 200_000)
    let elapsed = ContinuousClock().measure { _ = stream.nack(.cluster, long) }
    // It took minutes when each name searched the whole text.
    #expect(elapsed < .seconds(5))
    #expect(stream.session[.cluster].rejection?.resources == ["c7"])
    let message = stream.session[.cluster].rejection?.message ?? ""
    #expect(message.utf8.count <= RefusalText.limit && message.utf8.count >= RefusalText.limit - 4)
    #expect(long.hasPrefix(message))
  }
}
