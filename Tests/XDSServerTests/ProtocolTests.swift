import EnvoyAPI
import Testing
import XDSSnapshot

@testable import XDSServer

@Suite struct ProtocolTests {
  static func world() -> World {
    var world = World()
    world.cluster("a")
    world.cluster("b")
    world.host("x", ["a"])
    world.host("y", ["b"])
    return world
  }

  // MARK: Before there is something to say

  @Test(arguments: XDSProtocol.allCases)
  func nothingIsServedBeforeTheFirstGeneration(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream(variant)
    #expect(stream.subscribe(.cluster).isEmpty)
    #expect(stream.publish(&world)[.cluster]?.names == ["a", "b"])
  }

  @Test(arguments: XDSProtocol.allCases)
  func aClassThatTheGenerationLacksWaits(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream(variant)
    stream.subscribe(.cluster)
    stream.session.published(Generation(number: 1, clusters: world.clusters, endpoints: world.endpoints, classes: [:]))
    #expect(stream.session.pump().isEmpty)
    _ = world.generation()
    #expect(stream.publish(&world).types == [.cluster])
  }

  @Test(arguments: XDSProtocol.allCases)
  func theFirstAnswerIsGivenEvenWhenThereIsNothing(_ variant: XDSProtocol) {
    var world = World()
    let stream = TestStream(variant)
    _ = stream.publish(&world)
    let sent = stream.subscribe(.cluster)
    #expect(sent.map(\.names) == [[]])
    #expect(stream.ack(.cluster).isEmpty)
  }

  // MARK: Subscriptions

  @Test(arguments: XDSProtocol.allCases)
  func unsubscribeThenSubscribeAgainIsAnsweredAnew(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    #expect(stream.unsubscribe(.endpoint, ["b"]).isEmpty)
    world.endpoint("b", version: 2)
    #expect(stream.publish(&world).isEmpty)
    let sent = stream.subscribe(.endpoint, ["b"])
    #expect(sent.map(\.names) == [["b"]])
    #expect(sent.first?.text("b") == "E b 2")
    // And with nothing changed in between.
    #expect(stream.ack(.endpoint).isEmpty)
    #expect(stream.unsubscribe(.endpoint, ["b"]).isEmpty)
    #expect(stream.subscribe(.endpoint, ["b"]).map(\.names) == [["b"]])
  }

  @Test(arguments: XDSProtocol.allCases)
  func unsubscribeAndSubscribeAgainWhileAResponseIsInFlight(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    world.endpoint("a", version: 2)
    world.endpoint("b", version: 2)
    #expect(stream.publish(&world).map(\.names) == [["a", "b"]])
    #expect(stream.unsubscribe(.endpoint, ["b"]).isEmpty)
    let sent = stream.subscribe(.endpoint, ["b"])
    // In the state of the world the request with the nonce was the ACK.
    #expect((sent + stream.ack(.endpoint)).map(\.names) == [["b"]])
  }

  @Test func aNameTwiceInARequestLosesNoOther() {
    var world = Self.world()
    let stream = TestStream.synced(.delta, &world)
    #expect(stream.unsubscribe(.endpoint, ["a", "a"]).isEmpty)
    #expect(stream.session[.endpoint].subscription.covers("b"))
    #expect(!stream.session[.endpoint].subscription.covers("a"))
    world.endpoint("b", version: 2)
    #expect(stream.publish(&world).map(\.names) == [["b"]])
    #expect(stream.ack(.endpoint).isEmpty)
    #expect(stream.subscribe(.endpoint, ["a", "a"]).map(\.names) == [["a"]])
    #expect(stream.ack(.endpoint).isEmpty)
    #expect(stream.session[.endpoint].subscription.names.identity.count == 2)
  }

  @Test func subscribeTwiceIsAnsweredTwiceInDelta() {
    var world = Self.world()
    let stream = TestStream.synced(.delta, &world)
    #expect(stream.subscribe(.endpoint, ["a"]).map(\.names) == [["a"]])
    #expect(stream.ack(.endpoint).isEmpty)
    #expect(stream.subscribe(.cluster, ["a"]).map(\.names) == [["a"]])
  }

  @Test(arguments: XDSProtocol.allCases)
  func anExplicitWildcardIsEverything(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream(variant)
    _ = stream.publish(&world)
    #expect(stream.subscribe(.cluster, ["*"])[.cluster]?.names == ["a", "b"])
    #expect(stream.ack(.cluster).isEmpty)
    world.cluster("c")
    #expect(stream.publish(&world)[.cluster]?.names == (variant == .delta ? ["c"] : ["a", "b", "c"]))
  }

  @Test func wildcardThenNamedIsStillWildcardInDelta() {
    var world = Self.world()
    let stream = TestStream.synced(.delta, &world)
    #expect(stream.subscribe(.cluster, ["a"]).map(\.names) == [["a"]])
    #expect(stream.ack(.cluster).isEmpty)
    world.cluster("c")
    #expect(stream.publish(&world)[.cluster]?.names == ["c"])
    #expect(stream.ack(.cluster).isEmpty)
    // Unsubscribed by name, still covered by the wildcard: the client must be told that it keeps it.
    #expect(stream.unsubscribe(.cluster, ["a"]).map(\.names) == [["a"]])
  }

  @Test func unsubscribeFromTheWildcardLeavesTheNamesInDelta() {
    var world = Self.world()
    let stream = TestStream.synced(.delta, &world)
    #expect(stream.subscribe(.cluster, ["a"]).map(\.names) == [["a"]])
    #expect(stream.ack(.cluster).isEmpty)
    #expect(stream.unsubscribe(.cluster, ["*"]).isEmpty)
    world.cluster("b", version: 2)
    world.cluster("c")
    // The endpoints of b are subscribed to, but its cluster is not and was not sent.
    #expect(stream.publish(&world).isEmpty)
    world.cluster("a", version: 2)
    #expect(stream.publish(&world)[.cluster]?.names == ["a"])
    #expect(stream.ack(.cluster).isEmpty)
    _ = stream.ack(.endpoint)
    #expect(stream.subscribe(.cluster, ["*"])[.cluster]?.names == ["a", "b", "c"])
  }

  @Test func theLegacyWildcardEndsWithANameInStateOfTheWorld() {
    var world = Self.world()
    let stream = TestStream.synced(.stateOfTheWorld, &world)
    #expect(stream.subscribe(.cluster, ["a"])[.cluster]?.names == ["a"])
    #expect(stream.ack(.cluster).isEmpty)
    world.cluster("c")
    #expect(stream.publish(&world).isEmpty)
    // From then on an empty list is nothing.
    #expect(stream.unsubscribe(.cluster, ["a"]).isEmpty)
    world.cluster("a", version: 2)
    #expect(stream.publish(&world)[.cluster] == nil)
    #expect(stream.subscribe(.cluster, ["*"])[.cluster]?.names == ["a", "b", "c"])
  }

  @Test(arguments: XDSProtocol.allCases)
  func aNameSubscribedBeforeItExistsIsSentWhenItIsCreated(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream(variant)
    _ = stream.publish(&world)
    for type in [ResourceType.cluster, .endpoint, .listener] {
      let sent = stream.subscribe(type, ["late"])
      if variant == .delta {
        #expect(sent.map(\.removed) == [["late"]])
      } else {
        #expect(sent.map(\.names) == [[]], "an empty answer")
      }
      _ = stream.ack(type)
    }
    world.cluster("late")
    world.listener("late", version: 1)
    let sent = stream.publish(&world)
    #expect(sent.types == [.cluster, .endpoint, .listener])
    #expect(sent.allSatisfy { $0.names == ["late"] })
  }

  @Test(arguments: XDSProtocol.allCases)
  func aMissingAssignmentIsNotAnEmptyOne(_ variant: XDSProtocol) {
    var world = Self.world()
    world.cluster("missing", endpoints: nil)
    let stream = TestStream(variant)
    _ = stream.publish(&world)
    stream.subscribe(.cluster)
    let sent = stream.subscribe(.endpoint, ["a", "missing"])
    #expect(sent[.endpoint]?.names == ["a"])
    #expect(sent[.endpoint]?.removed == (variant == .delta ? ["missing"] : []))
    _ = stream.ack(.cluster)
    #expect(stream.ack(.endpoint).isEmpty)
    world.endpoint("missing", version: 0)
    #expect(stream.publish(&world).map(\.names) == [["missing"]])
  }

  @Test(arguments: XDSProtocol.allCases)
  func aMissingRouteIsAnsweredWithAStubAndNeverRemoved(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    var sent = stream.subscribe(.route, ["late"])
    #expect(sent.map(\.names) == [["late"]])
    #expect(sent.first?.removed == [])
    #expect(sent.first?.text("late") == "R late;")
    #expect(stream.ack(.route).isEmpty)
    world.host("h", ["a"], in: "late")
    sent = stream.publish(&world)
    #expect(sent.first?.text("late") == "R late;h 1 a;")
    #expect(stream.ack(.route).isEmpty)
    world.routes.remove("late")
    sent = stream.publish(&world)
    #expect(sent.map(\.names) == [["late"]])
    #expect(sent.first?.text("late") == "R late;")
    #expect(stream.ack(.route).isEmpty)
  }

  // MARK: Clusters and their endpoints

  @Test(arguments: XDSProtocol.allCases)
  func aClusterChangedWithTheSameEndpointsGetsThemAgainAtOnce(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    world.cluster("a", version: 2)
    let sent = stream.publish(&world)
    #expect(sent.types == [.cluster, .endpoint])
    #expect(sent[.endpoint]?.names == ["a"])
    #expect(stream.ack(.endpoint).isEmpty)
    #expect(stream.ack(.cluster).isEmpty)
  }

  @Test(arguments: XDSProtocol.allCases)
  func aClusterChangedTwiceBeforeItsEndpointsAreAskedFor(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    world.cluster("n")
    #expect(stream.publish(&world).types == [.cluster])
    world.cluster("n", version: 2)
    #expect(stream.publish(&world).isEmpty)
    world.cluster("n", version: 3)
    #expect(stream.publish(&world).isEmpty)
    #expect(stream.ack(.cluster)[.cluster]?.text("n") == "C n 3")
    #expect(stream.subscribe(.endpoint, ["n"]).map(\.names) == [["n"]])
    #expect(stream.ack(.endpoint).isEmpty)
    #expect(stream.ack(.cluster).isEmpty)
  }

  @Test(arguments: XDSProtocol.allCases)
  func oneEndpointChangedSendsOneAssignment(_ variant: XDSProtocol) {
    var world = World()
    for index in 0..<200 { world.cluster("c\(index)") }
    let stream = TestStream.synced(variant, &world)
    world.endpoint("c77", version: 2)
    let sent = stream.publish(&world)
    #expect(sent.types == [.endpoint])
    #expect(sent.map(\.names) == [["c77"]])
    #expect(stream.ack(.endpoint).isEmpty)
    // The same content in a new generation is nothing new.
    world.endpoint("c77", version: 2)
    #expect(stream.publish(&world).isEmpty)
  }

  @Test(arguments: XDSProtocol.allCases)
  func aHundredGenerationsBehindOneResponseAreOneResponse(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    world.endpoint("a", version: 2)
    #expect(stream.publish(&world).count == 1)
    for version in 3..<103 {
      world.endpoint(version.isMultiple(of: 2) ? "a" : "b", version: version)
      #expect(stream.publish(&world).isEmpty)
    }
    let sent = stream.ack(.endpoint)
    #expect(sent.count == 1)
    #expect(sent[0].text("a") == "E a 102")
    #expect(sent[0].text("b") == "E b 101")
    #expect(stream.ack(.endpoint).isEmpty)
  }

  // MARK: Coming back

  @Test func matchingVersionsAreNotSentStaleOnesAreAndGoneOnesAreRemoved() {
    var world = Self.world()
    world.cluster("gone")
    let old = world
    world.cluster("a", version: 2)
    world.endpoint("b", version: 2)
    world.removeCluster("gone")
    world.listener("http", version: 2)
    let stream = TestStream(.delta)
    _ = stream.publish(&world)
    #expect(stream.subscribe(.cluster, holding: versions(old.clusters)).map(\.names) == [["a"]])
    // b is stale; a matches, but its cluster was sent anew; the endpoints of a cluster that still stands stay.
    let endpoints = stream.subscribe(.endpoint, ["a", "b", "gone"], holding: versions(old.endpoints))
    #expect(endpoints.map(\.names) == [["a", "b"]])
    #expect(endpoints.first?.removed == [])
    #expect(stream.subscribe(.listener, holding: versions(old.listeners)).map(\.names) == [["http"]])
    #expect(stream.subscribe(.route, ["outbound"], holding: versions(old.routes)).isEmpty)
    #expect(stream.ack(.endpoint).isEmpty)
    #expect(stream.ack(.cluster).isEmpty)
    #expect(stream.ack(.listener).map(\.removed) == [["gone"]])
    #expect(stream.ack(.cluster).map(\.removed) == [["gone"]])
  }

  @Test func allMatchingMeansSilence() {
    var world = Self.world()
    let stream = TestStream(.delta)
    _ = stream.publish(&world)
    #expect(stream.subscribe(.cluster, holding: versions(world.clusters)).isEmpty)
    #expect(stream.subscribe(.endpoint, ["a", "b"], holding: versions(world.endpoints)).isEmpty)
    #expect(stream.subscribe(.listener, holding: versions(world.listeners)).isEmpty)
    #expect(stream.subscribe(.route, ["outbound"], holding: versions(world.routes)).isEmpty)
    for type in ResourceType.general { #expect(stream.session.converged(type) == world.number) }
    world.endpoint("a", version: 2)
    #expect(stream.publish(&world).map(\.names) == [["a"]])
  }

  @Test func claimsWaitForTheFirstGeneration() {
    var world = Self.world()
    let stream = TestStream(.delta)
    let old = world
    world.cluster("a", version: 2)
    #expect(stream.subscribe(.cluster, holding: versions(old.clusters)).isEmpty)
    #expect(stream.publish(&world).map(\.names) == [["a"]])
  }

  @Test func aClaimedButForgottenResourceIsSentWhenItIsAskedForAgain() {
    var world = Self.world()
    let stream = TestStream(.delta)
    _ = stream.publish(&world)
    #expect(stream.subscribe(.cluster, holding: versions(world.clusters)).isEmpty)
    #expect(stream.subscribe(.endpoint, ["a"], holding: versions(world.endpoints)).isEmpty)
    #expect(stream.subscribe(.endpoint, ["a"]).map(\.names) == [["a"]])
    #expect(stream.ack(.endpoint).isEmpty)
    #expect(stream.subscribe(.endpoint, ["b"]).map(\.names) == [["b"]])
  }

  @Test func aReturningClientOfTheStateOfTheWorldIsAnsweredUnlessItsVersionStands() {
    var world = Self.world()
    let stream = TestStream(.stateOfTheWorld)
    _ = stream.publish(&world)
    #expect(stream.subscribe(.cluster, version: world.clusters.contentHash.text).isEmpty)
    #expect(stream.subscribe(.endpoint, ["a", "b"], version: "old").map(\.names) == [["a", "b"]])
    #expect(stream.ack(.endpoint).isEmpty)
    #expect(stream.subscribe(.listener, version: "unknown").map(\.names) == [["http"]])
    #expect(stream.subscribe(.route, ["outbound"], version: "unknown").map(\.names) == [["outbound"]])
  }

  // MARK: Answers

  @Test(arguments: XDSProtocol.allCases)
  func aRefusalIsNotRetriedAndTheNextGoodVersionGoesOut(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    world.host("x", version: 13, ["a"])
    #expect(stream.publish(&world).types == [.route])
    #expect(stream.nack(.route, "bad regex").isEmpty)
    #expect(stream.session[.route].rejection?.resources == ["outbound"])
    #expect(stream.session[.route].rejection?.message == "bad regex")
    world.endpoint("a", version: 2)
    #expect(stream.publish(&world).types == [.endpoint], "the same bad route is not sent again")
    #expect(stream.ack(.endpoint).isEmpty)
    world.host("x", version: 14, ["a"])
    #expect(stream.publish(&world).types == [.route])
    #expect(stream.ack(.route).isEmpty)
    #expect(stream.session[.route].quarantine == nil)
    #expect(stream.session.converged(.route) == world.number)
  }

  @Test(arguments: XDSProtocol.allCases)
  func aRefusedVersionTakenBackIsToldAgain(_ variant: XDSProtocol) {
    // The client may have taken a part of what it refused.
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    world.endpoint("a", version: 2)
    _ = stream.publish(&world)
    #expect(stream.nack(.endpoint).isEmpty)
    world.endpoint("a", version: 1)
    #expect(stream.publish(&world).map(\.names) == [["a"]])
    #expect(stream.ack(.endpoint).isEmpty)
  }

  @Test(arguments: XDSProtocol.allCases)
  func oneBadResourceAmongManyDoesNotKeepTheOthersBack(_ variant: XDSProtocol) {
    var world = World()
    for index in 0..<64 { world.cluster("c\(index)") }
    let stream = TestStream.synced(variant, &world)
    for index in 0..<64 { world.endpoint("c\(index)", version: 2) }
    var sent = stream.publish(&world)
    var accepted: Set<String> = []
    var responses = 0
    while let response = sent.first {
      responses += 1
      if response.names.contains("c41") {
        sent = stream.nack(.endpoint, "Proto constraint validation failed")
      } else {
        accepted.formUnion(response.names)
        sent = stream.ack(.endpoint)
      }
    }
    #expect(accepted == Set((0..<64).map { "c\($0)" }).subtracting(["c41"]))
    #expect(responses <= 14)
    #expect(stream.session[.endpoint].held == [HeldItem(resource: "c41", reason: .refused)])
  }

  @Test(arguments: XDSProtocol.allCases)
  func aClientThatRefusesEverythingIsLeftAlone(_ variant: XDSProtocol) {
    var world = World()
    for index in 0..<500 { world.cluster("c\(index)") }
    let stream = TestStream(variant)
    _ = stream.publish(&world)
    var sent = stream.subscribe(.cluster)
    var responses = 0
    while !sent.isEmpty && responses < 1000 {
      responses += 1
      sent = stream.nack(.cluster, "no")
    }
    #expect(responses <= 2 * Quarantine.limit)
  }

  @Test func aStaleNonceIsIgnoredInStateOfTheWorld() {
    var world = Self.world()
    let stream = TestStream.synced(.stateOfTheWorld, &world)
    world.endpoint("a", version: 2)
    #expect(stream.publish(&world).count == 1)
    var request = DiscoveryRequest()
    request.resourceNames = []
    request.responseNonce = "1"
    #expect(stream.session.received(request, for: .endpoint) == .stale)
    #expect(stream.session[.endpoint].inFlight != nil)
    #expect(stream.session[.endpoint].subscription.covers("a"))
    #expect(stream.answer(.endpoint).0 == .ack)
  }

  @Test func aStaleNonceInDeltaIsNoAnswerButItsSubscriptionCounts() {
    var world = Self.world()
    let stream = TestStream.synced(.delta, &world)
    world.cluster("n")
    world.endpoint("a", version: 2)
    #expect(stream.publish(&world).types == [.cluster, .endpoint])
    var request = DeltaDiscoveryRequest()
    request.responseNonce = "1"
    request.resourceNamesSubscribe = ["n"]
    #expect(stream.session.received(request, for: .endpoint) == .stale)
    #expect(stream.session[.endpoint].inFlight != nil)
    #expect(stream.ack(.endpoint).map(\.names) == [["n"]])
  }

  @Test(arguments: XDSProtocol.allCases)
  func aDuplicateAckChangesNothing(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    world.endpoint("a", version: 2)
    _ = stream.publish(&world)
    #expect(stream.answer(.endpoint).0 == .ack)
    let (receipt, sent) = stream.answer(.endpoint)
    #expect(receipt == .subscription)
    #expect(sent.isEmpty)
    #expect(stream.session[.endpoint].counts.acks == 2)
  }

  @Test(arguments: XDSProtocol.allCases)
  func noncesOfOneGenerationDiffer(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream.synced(variant, &world)
    var nonces: Set<String> = []
    for _ in 0..<3 {
      let sent = stream.unsubscribe(.endpoint, ["a"]) + stream.subscribe(.endpoint, ["a"])
      #expect(sent.count == 1)
      nonces.insert(sent[0].nonce)
      #expect(stream.ack(.endpoint).isEmpty)
    }
    #expect(nonces.count == 3)
  }

  // MARK: One type

  @Test(arguments: XDSProtocol.allCases)
  func aStreamOfOneTypeKnowsNothingOfTheOthers(_ variant: XDSProtocol) {
    var world = Self.world()
    let stream = TestStream(variant, scope: .only(.cluster))
    _ = stream.publish(&world)
    #expect(stream.subscribe(.cluster)[.cluster]?.names == ["a", "b"])
    _ = stream.ack(.cluster)
    world.removeCluster("b")
    #expect(stream.publish(&world).types == [.cluster])
  }
}
