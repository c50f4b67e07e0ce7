import EnvoyAPI
import Testing
import XDSSnapshot

@testable import XDSServer

/// A request that is compared where it lies ends as the same request does when it is decoded.
@Suite struct ScannedClaimsTests {
  private struct Numbers: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return state ^ (state >> 29)
    }
  }

  /// What a session holds and answers after a first request.
  private struct Outcome: Equatable {
    var acked: ContentHash
    var sent: [[String]]
  }

  private static func world() -> World {
    var world = World()
    for number in 0..<40 { world.cluster("cluster-\(number)") }
    return world
  }

  /// Claims as a client may make them: mostly true, some out of date, some missing, some of what is gone.
  private static func claims(_ table: ResourceTable, _ numbers: inout Numbers) -> [String: String] {
    var claims: [String: String] = [:]
    let isExact = Bool.random(using: &numbers)
    table.tree.forEach { resource in
      switch isExact ? 9 : Int.random(in: 0..<12, using: &numbers) {
      case 0: break
      case 1: claims[resource.name] = "of another time"
      default: claims[resource.name] = resource.version
      }
    }
    if Bool.random(using: &numbers) { claims["gone-\(Int.random(in: 0..<3, using: &numbers))"] = "its version" }
    return claims
  }

  @Test(arguments: UInt64(1)...60) func scanningEndsAsDecodingDoes(seed: UInt64) throws {
    var numbers = Numbers(state: seed)
    for type in [ResourceType.cluster, .endpoint] {
      var world = Self.world()
      let generation = world.generation()
      let table = try #require(generation.table(type, for: World.proxyClass))
      var request = DeltaDiscoveryRequest()
      request.typeURL = type.typeURL
      request.initialResourceVersions = Self.claims(table, &numbers)
      if type == .endpoint { request.resourceNamesSubscribe = request.initialResourceVersions.keys.sorted() }
      let bytes = request.encoded()

      let shared = SharedResponses.forTests()
      var decoded = ProxySession(variant: .delta, proxyClass: World.proxyClass, shared: shared)
      decoded.published(generation)
      #expect(decoded.received(try DeltaDiscoveryRequest(decoding: bytes), for: type) == .subscription)

      // They share nothing but the names.
      let other = SharedResponses.forTests()
      var scanned = ProxySession(variant: .delta, proxyClass: World.proxyClass, shared: other)
      scanned.published(generation)
      try bytes.withUnsafeBytes { bytes in
        let scan = try #require(RequestScan(delta: bytes))
        #expect(scan.versionCount == request.initialResourceVersions.count)
        var identity = NameSet.Identity()
        #expect(
          scan.forEachName {
            identity.add(NameHash.of($0)); return true
          })
        let names = try #require(shared.names.known(identity), "the other session has the set")
        #expect(names === decoded[type].subscription.names)
        let comparison = try #require(
          ClaimComparison(
            scan, type, with: other.index(of: table), names: type == .endpoint ? names : nil, other))
        #expect(scanned.receivedFirst(names, comparison, for: type) == .subscription)
      }
      #expect(outcome(&scanned, type) == outcome(&decoded, type))
    }
  }

  private func outcome(_ session: inout ProxySession, _ type: ResourceType) -> Outcome {
    let sent = session.pump().map { $0.plan.resources.map(\.name).sorted() + ["-"] + $0.plan.removed.sorted() }
    return Outcome(acked: session[type].acked.contentHash, sent: sent)
  }

  @Test func aNameThatIsClaimedTwiceIsClaimedAsItCameLast() throws {
    var world = Self.world()
    let table = try #require(world.generation().table(.cluster, for: World.proxyClass))
    var request = DeltaDiscoveryRequest()
    table.tree.forEach { request.initialResourceVersions[$0.name] = $0.version }
    let good = request.encoded()
    request.initialResourceVersions = ["cluster-3": "old"]
    for (bytes, stale) in [(good + request.encoded(), ["cluster-3"]), (request.encoded() + good, [String]())] {
      try bytes.withUnsafeBytes { bytes in
        let scan = try #require(RequestScan(delta: bytes))
        let comparison = try #require(
          ClaimComparison(scan, .cluster, with: TableIndex(table), names: nil, .forTests()))
        var outdated: [String] = []
        (comparison.claims?.table ?? table).tree.forEach { if $0.isClaim { outdated.append($0.name) } }
        #expect(outdated == stale)
        #expect(comparison.claims?.missingCount ?? 0 == 0)
      }
    }
  }

  /// Of a client whose first request claims all clusters as they are, and some that nobody knows.
  private static func session(
    with generation: Generation, _ shared: SharedResponses, subscribedTo names: NameSet, unknown: Int = 0
  ) throws -> ProxySession {
    var session = ProxySession(variant: .delta, proxyClass: World.proxyClass, shared: shared)
    session.published(generation)
    var first = DeltaDiscoveryRequest()
    generation.clusters.tree.forEach { first.initialResourceVersions[$0.name] = $0.version }
    for number in 0..<unknown { first.initialResourceVersions["gone-\(number)"] = "its version" }
    try first.encoded().withUnsafeBytes { bytes in
      let scan = try #require(RequestScan(delta: bytes))
      let comparison = try #require(
        ClaimComparison(scan, .cluster, with: shared.index(of: generation.clusters), names: nil, shared))
      #expect(session.receivedFirst(names, comparison, for: .cluster) == .subscription)
    }
    return session
  }

  /// Until the claims are adopted, which may take a while: a client that goes on asking is charged for what it makes the server keep.
  @Test func whatIsAskedForAnewIsKeptOnceAndCharged() throws {
    var world = Self.world()
    let generation = world.generation()
    let shared = SharedResponses.forTests()
    var session = try Self.session(with: generation, shared, subscribedTo: shared.names.set(of: ["*"]))
    #expect(session[.cluster].claimBytes == 0 && session.claimants.isEmpty)
    var again = DeltaDiscoveryRequest()
    again.resourceNamesSubscribe = ["cluster-1", "cluster-2"]
    for _ in 0..<3 { _ = session.received(again, for: .cluster) }
    #expect(session[.cluster].claimBytes == 2 * TypeSession.Claims.bytesPerVersion)
    #expect(session.claimants.contains(.cluster))
    #expect(session.pump().map { $0.plan.resources.map(\.name).sorted() } == [again.resourceNamesSubscribe])
    #expect(session[.cluster].claimBytes == 0 && session.claimants.isEmpty)
  }

  /// A stream is large, and its requests take long, by all that its client has come with: names that are asked for anew, and those that
  /// nobody knows.
  @Test(arguments: [
    (asked: 1000, unknown: 0, isLarge: false, isMany: false), (1500, 0, true, false), (1000, 1000, true, false),
    (1500, 1000, true, true), (2048, 0, true, false), (2049, 0, true, true),
  ]) func whatIsAskedForAnewCountsAsClaims(asked: Int, unknown: Int, isLarge: Bool, isMany: Bool) throws {
    var world = World()
    for number in 0..<asked { world.cluster("cluster-\(number)") }
    let generation = world.generation()
    var session = try Self.session(with: generation, .forTests(), subscribedTo: .empty, unknown: unknown)
    #expect(!session.isLarge && !session.hasManyClaims)
    var again = DeltaDiscoveryRequest()
    again.resourceNamesSubscribe = (0..<asked).map { "cluster-\($0)" }
    _ = session.received(again, for: .cluster)
    #expect(session.isLarge == isLarge)
    #expect(session.hasManyClaims == isMany)
  }

  @Test func claimsThatDoNotCoverTheSubscriptionAreLeftToTheDecoder() throws {
    var world = Self.world()
    let table = try #require(world.generation().table(.endpoint, for: World.proxyClass))
    let names = NameSetPool().set(of: ["cluster-1", "cluster-2"])
    var request = DeltaDiscoveryRequest()
    request.initialResourceVersions = ["cluster-1": table["cluster-1"]?.version ?? ""]
    request.encoded().withUnsafeBytes { bytes in
      let scan = RequestScan(delta: bytes)
      #expect(
        scan.flatMap { ClaimComparison($0, .endpoint, with: TableIndex(table), names: names, .forTests()) } == nil)
    }
  }

  /// Proxies that come back after an upgrade: all that they hold is out of date, and the same for all of them.
  @Test(arguments: [3000, 6000]) func thousandsThatAreOutdatedAreComparedOnce(count: Int) throws {
    var world = World()
    for number in 0..<count { world.cluster("cluster-\(number)") }
    let generation = world.generation()
    let shared = SharedResponses.forTests()
    var request = DeltaDiscoveryRequest()
    generation.clusters.tree.forEach { request.initialResourceVersions[$0.name] = "of another time" }
    let index = shared.index(of: generation.clusters)
    func compared() -> HeldClaims? {
      request.encoded().withUnsafeBytes { bytes in
        RequestScan(delta: bytes).flatMap { ClaimComparison($0, .cluster, with: index, names: nil, shared)?.claims }
      }
    }
    var decoded = ProxySession(variant: .delta, proxyClass: World.proxyClass, shared: shared)
    decoded.published(generation)
    if count > 4096 {
      // So many are looked at closely once, elsewhere.
      #expect(compared() == nil)
      #expect(decoded.received(request, for: .cluster) == .subscription)
      #expect(decoded.pump().map(\.plan.resources.count) == [count])
    }
    let claims = try #require(compared())
    #expect(claims === compared())
    #expect(claims.table.count == count && claims.unknownCount == 0 && claims.missingCount == 0)
    if count > 4096 { #expect(decoded[.cluster].heldClaims === claims) }
  }

  @Test func aNonceIsReadAsItIsWritten() {
    func read(_ text: String) -> Nonce? { Array(text.utf8).withUnsafeBytes { Nonce($0) } }
    for nonce in [Nonce(generation: 0), Nonce(generation: 17), Nonce(generation: .max, repetition: .max)] {
      #expect(read(nonce.text) == nonce)
    }
    for text in ["", ".", "1.", ".1", "1.0", "01", "+1", "1.2.3", "18446744073709551616", "1.4294967296", "x"] {
      #expect(read(text) == nil, "\(text)")
    }
  }
}
