import EnvoyAPI
import Testing
import XDSSnapshot

@testable import XDSServer

/// A client that is silent about its clusters, as an Envoy is that could not build one of them. The time is the test's.
@Suite struct WithdrawalTests {
  static func world() -> World {
    var world = World()
    world.cluster("a")
    world.host("x", ["a"])
    return world
  }

  /// A client that has got `bad` and `good`, asked for the endpoints of these names and accepted them, and is silent.
  private func frozen(
    _ variant: XDSProtocol, _ world: inout World, asking names: [String] = ["good"]
  ) -> TestStream {
    let stream = TestStream.synced(variant, &world)
    world.cluster("bad")
    world.cluster("good")
    world.host("x", version: 2, ["bad"])
    world.host("y", ["good"])
    #expect(stream.publish(&world)[.cluster]?.names.isSuperset(of: ["bad", "good"]) == true)
    #expect(stream.session.wakeUp == nil, "it has not asked for endpoints yet")
    let sent = stream.subscribe(.endpoint, names)
    #expect(sent[.endpoint]?.names == Set(names))
    #expect(stream.session.wakeUp == nil, "its endpoints are on their way")
    _ = stream.ack(.endpoint)
    return stream
  }

  @Test(arguments: XDSProtocol.allCases)
  func theClusterWhoseEndpointsWereNotAskedForIsWithdrawn(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = frozen(variant, &world)
    #expect(stream.session.wakeUp == .seconds(5))
    #expect(stream.pump(at: .milliseconds(4999)).isEmpty)
    let sent = stream.pump(at: .seconds(5))
    #expect(sent.types == [.cluster])
    #expect(sent[.cluster]?.response.suspects == ["bad"])
    if variant == .delta {
      #expect(sent[.cluster]?.names == [] && sent[.cluster]?.removed == ["bad"])
      // Envoy answers both now.
      #expect(stream.nackBefore(.cluster, "Error adding/updating cluster(s) bad: ring hash").isEmpty)
      #expect(stream.ack(.cluster)[.cluster]?.names == ["good"], "it may have lost it with the refusal")
    } else {
      #expect(sent[.cluster]?.names == ["a", "good"])
      // One answer, to the last response, with the words for the one before.
      #expect(
        stream.nack(.cluster, "Error adding/updating cluster(s) bad: ring hash")[.cluster]?.names == ["a", "good"])
    }
    _ = stream.ack(.endpoint)
    let routes = stream.ack(.cluster)
    #expect(routes[.route]?.hosts == ["x": ["a"], "y": ["good"]], "the route to the bad one is held")
    _ = stream.ack(.route)
    #expect(stream.session[.cluster].held == [HeldItem(resource: "bad", reason: .refused)])
    #expect(stream.session[.cluster].rejection?.resources == ["bad"])
    #expect(stream.session.wakeUp == nil)
    #expect(stream.pump(at: .seconds(1000)).isEmpty, "no loop")

    // Its next content is tried.
    world.cluster("bad", version: 2)
    #expect(stream.publish(&world)[.cluster]?.names.contains("bad") == true)
    _ = stream.subscribe(.endpoint, ["bad"])
    _ = stream.ack(.cluster)
    let mended = stream.ack(.endpoint)
    #expect(mended[.route]?.hosts == ["x": ["bad"], "y": ["good"]])
    #expect(stream.ack(.route).isEmpty)
    for type in ResourceType.general { #expect(stream.session.converged(type) == world.number) }
  }

  @Test(arguments: XDSProtocol.allCases)
  func aClientThatNeverExplainsIsTriedOnceMore(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = frozen(variant, &world)
    _ = stream.pump(at: .seconds(5))
    // Only the withdrawal is answered.
    let again = stream.ack(.cluster)
    #expect(again[.cluster]?.names.contains("bad") == true, "it may have been slow")
    #expect(again[.route]?.hosts == ["x": ["a"], "y": ["good"]])
    _ = stream.ack(.route)
    // The route was sent after it, so the client has read it.
    #expect(stream.session.wakeUp == .seconds(10))
    #expect(stream.pump(at: .seconds(10))[.cluster]?.response.suspects == ["bad"])
    #expect(stream.ack(.cluster).isEmpty, "not a third time")
    #expect(stream.session[.cluster].held == [HeldItem(resource: "bad", reason: .refused)])
    #expect(stream.session[.cluster].rejection?.message == ProxySession.withdrawalReason)
  }

  @Test(arguments: XDSProtocol.allCases)
  func aClientThatHasAnsweredNothingSinceMayNotHaveReadIt(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    world.cluster("n")
    #expect(stream.publish(&world).types == [.cluster])
    #expect(stream.session.wakeUp == nil)
    #expect(stream.pump(at: .seconds(1000)).isEmpty)
    // It has read this, and asked for no endpoints.
    world.host("x", version: 2, [])
    #expect(stream.publish(&world).types == [.route])
    _ = stream.ack(.route)
    #expect(stream.session.wakeUp == .seconds(1005))
  }

  @Test(arguments: XDSProtocol.allCases)
  func silenceForTheSecondTimeBlocks(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = frozen(variant, &world)
    _ = stream.pump(at: .seconds(5))
    world.cluster("more")
    _ = stream.publish(&world)
    #expect(stream.ack(.cluster)[.cluster]?.names.isSuperset(of: ["bad", "more"]) == true)
    _ = stream.ack(.route)
    _ = stream.subscribe(.endpoint, ["more"])
    _ = stream.ack(.endpoint)
    #expect(stream.session.wakeUp == .seconds(10))
    #expect(stream.pump(at: .seconds(10))[.cluster]?.response.suspects == ["bad"])
    #expect(stream.ack(.cluster)[.cluster] == nil, "not a third time")
    #expect(stream.session[.cluster].held == [HeldItem(resource: "bad", reason: .refused)])
    #expect(stream.session[.cluster].rejection?.resources == ["bad"])
    #expect(stream.session[.cluster].rejection?.message == ProxySession.withdrawalReason)
    #expect(stream.session[.cluster].acked["more"] != nil)
    #expect(stream.pump(at: .seconds(1000)).isEmpty)
  }

  @Test(arguments: XDSProtocol.allCases)
  func aSlowClientGetsBackWhatWasWithdrawn(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = frozen(variant, &world)
    #expect(stream.pump(at: .seconds(5))[.cluster]?.response.suspects == ["bad"])
    // It answers the first after all: nothing in it was bad.
    let routes = stream.ackBefore(.cluster)
    #expect(routes[.cluster] == nil, "the withdrawal is on its way")
    #expect(stream.session[.cluster].quarantine == nil)
    let back = stream.ack(.cluster)
    #expect(back[.cluster]?.names.contains("bad") == true)
    #expect(stream.session.patience.normal == .seconds(20), "and gets more time from now on")
    _ = stream.subscribe(.endpoint, ["bad"])
    _ = stream.ack(.endpoint)
    _ = stream.ack(.route)
    let final = stream.ack(.cluster)
    #expect(final[.route]?.hosts == ["x": ["bad"], "y": ["good"]])
    _ = stream.ack(.route)
    for type in ResourceType.general { #expect(stream.session.converged(type) == world.number) }
  }

  @Test(arguments: XDSProtocol.allCases)
  func nothingIsWithdrawnWhileEndpointsAreMissing(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    world.cluster("n")
    _ = stream.publish(&world)
    _ = stream.pump(at: .seconds(100))
    #expect(stream.subscribe(.endpoint, ["n"]).types == [.endpoint])
    #expect(stream.pump(at: .seconds(200)).isEmpty && stream.session.wakeUp == nil)
    // The endpoints are refused: it goes on waiting for good ones.
    _ = stream.nack(.endpoint, "n: malformed")
    #expect(stream.pump(at: .seconds(300)).isEmpty && stream.session.wakeUp == nil)
    world.endpoint("n", version: 2)
    #expect(stream.publish(&world).types == [.endpoint])
    _ = stream.ack(.endpoint)
    #expect(stream.session.wakeUp != nil)
    _ = stream.ack(.cluster)
    #expect(stream.session.wakeUp == nil && stream.session.converged(.cluster) == world.number)
  }

  @Test(arguments: XDSProtocol.allCases)
  func aClusterWithoutEndpointsIsNoSuspectAndGivesMoreTime(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    world.cluster("dns", endpoints: nil)
    world.cluster("bad")
    world.cluster("good")
    _ = stream.publish(&world)
    _ = stream.subscribe(.endpoint, ["good"])
    _ = stream.ack(.endpoint)
    #expect(stream.session.wakeUp == .seconds(30))
    #expect(stream.pump(at: .seconds(30))[.cluster]?.response.suspects == ["bad"])
  }

  @Test(arguments: XDSProtocol.allCases)
  func onlyAClusterThatResolvesNamesIsLeftAlone(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    world.cluster("dns", endpoints: nil)
    _ = stream.publish(&world)
    #expect(stream.session.wakeUp == nil)
    #expect(stream.pump(at: .seconds(1000)).isEmpty)
  }

  @Test(arguments: XDSProtocol.allCases)
  func aChangedClusterIsGivenItsOldContent(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    world.cluster("a", version: 2)
    #expect(stream.publish(&world).types == [.cluster, .endpoint])
    _ = stream.ack(.endpoint)
    let sent = stream.pump(at: .seconds(5))
    #expect(sent[.cluster]?.text("a") == "C a 1")
    #expect(sent[.cluster]?.removed == [])
    #expect(sent[.endpoint]?.names == ["a"], "it warms again")
    _ = stream.ack(.endpoint)
    _ = stream.nackBefore(.cluster, "a: ring hash")
    _ = stream.ack(.cluster)
    #expect(stream.session[.cluster].held == [HeldItem(resource: "a", reason: .refused)])
    #expect(stream.session.warm["a"] != nil)
    #expect(stream.pump(at: .seconds(1000)).isEmpty)
  }

  @Test(arguments: XDSProtocol.allCases, 0..<8)
  func ofSeveralTheBadOneIsFoundAndTheOthersComeBack(_ variant: XDSProtocol, _ bad: Int) {
    var world = Self.world()
    for index in 0..<8 { world.cluster("c\(index)") }
    let stream = TestStream.synced(variant, &world)
    // All change, so nothing tells which of them is not taken.
    for index in 0..<8 { world.cluster("c\(index)", version: 2) }
    _ = stream.publish(&world)
    let culprit = "C c\(bad) 2"
    var now = Duration.zero
    var largest = 0
    for _ in 0..<100 {
      // The client: endpoints at once; clusters only while the culprit is not there.
      if stream.session[.endpoint].inFlight != nil {
        _ = stream.ack(.endpoint)
      } else if let flight = stream.session[.cluster].inFlight,
        flight.table["c\(bad)"].map({ String(decoding: $0.flattened(), as: UTF8.self) }) != culprit
      {
        _ = stream.ack(.cluster)
      } else if let next = stream.session.wakeUp {
        now = next
        let sent = stream.pump(at: now)
        largest = max(largest, sent[.cluster]?.response.suspects.count ?? 0)
      } else {
        break
      }
    }
    #expect(stream.session.wakeUp == nil)
    #expect(stream.session[.cluster].inFlight == nil)
    #expect(largest <= 4, "never all at once")
    for index in 0..<8 {
      let text = stream.session[.cluster].acked["c\(index)"].map { String(decoding: $0.flattened(), as: UTF8.self) }
      #expect(text == (index == bad ? "C c\(index) 1" : "C c\(index) 2"))
    }
    #expect(stream.session[.cluster].held == [HeldItem(resource: "c\(bad)", reason: .refused)])
    #expect(now <= .seconds(60))
  }

  @Test func aRefusedClusterIsTakenBackWithTheNextResponse() {
    var world = Self.world()
    let stream = TestStream.synced(.delta, &world)
    world.cluster("bad")
    _ = stream.publish(&world)
    #expect(stream.nack(.cluster, "bad: ring hash").isEmpty, "no response of its own")
    world.cluster("good")
    let sent = stream.publish(&world)
    #expect(sent[.cluster]?.names == ["good"])
    #expect(sent[.cluster]?.removed == ["bad"], "else it would warm in Envoy for ever")
    _ = stream.subscribe(.endpoint, ["good"])
    _ = stream.ack(.cluster)
    world.cluster("good", version: 2)
    #expect(stream.publish(&world)[.cluster]?.removed == [], "once")
  }

  @Test(arguments: XDSProtocol.allCases)
  func aStreamOfClustersAloneIsLeftAlone(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream(variant, scope: .only(.cluster))
    _ = stream.publish(&world)
    _ = stream.subscribe(.cluster)
    #expect(stream.session.wakeUp == nil)
    #expect(stream.pump(at: .seconds(1000)).isEmpty)
  }
}
