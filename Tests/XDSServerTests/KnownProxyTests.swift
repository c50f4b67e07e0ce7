import EnvoyAPI
import NIOCore
import Synchronization
import Testing
import XDSSnapshot

@testable import XDSServer

/// Proxies that have taken something are known: while they are there, for a time after they have left, and after a restart.
@Suite(.timeLimit(.minutes(1))) struct KnownProxyTests {
  /// What whoever keeps them has, by what he was told.
  private final class Kept: Sendable {
    private let all = Mutex<[KnownProxy.Key: KnownProxy]>([:])
    var nodes: [String] { all.withLock { $0.keys.map(\.nodeID).sorted() } }
    @Sendable func note(_ key: KnownProxy.Key, _ proxy: KnownProxy?) { all.withLock { $0[key] = proxy } }
  }

  private func known(_ node: String, type: ResourceType? = nil, from address: String = "10.0.0.1:1") -> KnownProxy {
    KnownProxy(
      nodeID: node, proxyClass: World.proxyClass, variant: .delta, onlyType: type, remoteAddress: address)
  }

  private func time(_ seconds: Int) -> NIODeadline { .uptimeNanoseconds(UInt64(seconds) * 1_000_000_000) }

  @Test func itIsToldWhoIsKnownAndWhoNotAnyLonger() {
    let kept = Kept()
    let departures = Departures(memory: .seconds(10), onKnown: { kept.note(KnownProxy.Key($0), $1) })
    let (a, b) = (known("a").identity, known("b", type: .route).identity)
    departures.opened(a)
    departures.opened(b)
    #expect(kept.nodes == [])
    departures.took(a)
    departures.took(a)
    #expect(kept.nodes == ["a"])
    departures.closed(a, .init(holdsSomething: true), at: time(0))
    departures.closed(b, .init(), at: time(0))
    #expect(kept.nodes == ["a"], "who has left is known still, and who took nothing never was")
    departures.opened(a)
    departures.closed(a, .init(), at: time(5))
    departures.forget(at: time(14))
    #expect(kept.nodes == ["a"])
    departures.forget(at: time(15))
    #expect(kept.nodes == [])
  }

  /// But only once it has taken something there: anybody can use its name.
  @Test func whoComesFromElsewhereIsKnownThere() {
    let told = Mutex<[String]>([])
    let departures = Departures(memory: .seconds(10)) { _, proxy in
      told.withLock { $0.append(proxy?.remoteAddress ?? "-") }
    }
    let (here, elsewhere) = (known("a").identity, known("a", from: "10.0.0.2:1").identity)
    departures.opened(here)
    departures.took(here)
    departures.closed(here, .init(holdsSomething: true), at: time(0))
    departures.opened(elsewhere)
    departures.closed(elsewhere, .init(), at: time(1))
    let again = known("a", from: "10.0.0.1:2").identity
    departures.opened(again)
    departures.took(again)
    departures.closed(again, .init(holdsSomething: true), at: time(2))
    #expect(told.withLock { $0 } == ["10.0.0.1:1"], "from another port")
    departures.opened(elsewhere)
    departures.took(elsewhere)
    #expect(told.withLock { $0 } == ["10.0.0.1:1", "10.0.0.2:1"])
  }

  @Test func whoIsPushedOutIsNotKnownAnyLonger() {
    let kept = Kept()
    let departures = Departures(memory: .seconds(1000), onKnown: { kept.note(KnownProxy.Key($0), $1) })
    for index in 0..<(Departures.limit + 10) {
      let identity = known("\(index)").identity
      departures.opened(identity)
      departures.took(identity)
      departures.closed(identity, .init(holdsSomething: true), at: time(index))
    }
    // One was connected at a time.
    #expect(kept.nodes.count == Departures.limit + 1 && !kept.nodes.contains("8") && kept.nodes.contains("9"))
  }

  /// A network that is cut off, and nobody in it forgotten.
  @Test func allWhoAreThereMayLeaveAtOnce() {
    let departures = Departures(memory: .seconds(10))
    let all = (0..<3000).map { known("\($0)").identity }
    for identity in all {
      departures.opened(identity)
      departures.took(identity)
    }
    for identity in all { departures.closed(identity, .init(holdsSomething: true), at: time(0)) }
    #expect(departures.all.count == 3000)
  }

  /// However many there were.
  @Test func allWhoWereKnownAreExpected() {
    let departures = Departures(memory: .seconds(10))
    departures.restore((0..<3000).map { known("\($0)") }, at: time(0))
    #expect(departures.all.count == 3000)
    for index in 3000..<(3000 + Departures.limit) {
      departures.opened(known("\(index)", from: "10.9.9.9:1").identity)
      departures.closed(known("\(index)", from: "10.9.9.9:1").identity, .init(holdsSomething: true), at: time(1))
    }
    #expect(departures.all.count { $0.isFromBefore } == 3000, "others push none of them out")
    departures.forget(at: time(10))
    #expect(departures.all.allSatisfy { !$0.isFromBefore })
  }

  @Test func whoIsSaidToEndIsNotWaitedFor() {
    let kept = Kept()
    let departures = Departures(memory: .seconds(10), onKnown: { kept.note(KnownProxy.Key($0), $1) })
    let (a, b, c) = (known("a").identity, known("b").identity, known("c").identity)
    for identity in [a, b, c] {
      departures.opened(identity)
      departures.took(identity)
    }
    departures.closed(a, .init(holdsSomething: true), at: time(0))
    departures.setEnding(true, [a.key, b.key, c.key])
    #expect(departures.all.isEmpty && kept.nodes == ["b", "c"])
    departures.setEnding(false, [c.key])
    departures.closed(b, .init(holdsSomething: true), at: time(0))
    departures.closed(c, .init(holdsSomething: true), at: time(0))
    #expect(departures.all.map(\.identity.nodeID) == ["c"] && kept.nodes == ["c"])
  }

  // MARK: Over a socket

  @Test(arguments: XDSProtocol.allCases)
  func afterARestartAllHaveToComeBack(_ variant: XDSProtocol) async throws {
    try await withServer { server in
      let xds = server.xds
      var world = SocketTests.world()
      xds.restore([known("a"), known("b")])
      xds.publish(world.generation())
      let query = ConvergenceQuery(generation: world.number)
      var now = await xds.convergence(of: query)
      #expect(!now.isLive && now.total == 2 && now.proxies.map(\.nodeID) == ["a", "b"])
      #expect(now.proxies.map(\.state) == [.disconnected, .disconnected])
      #expect(now.proxies.map(\.obstacles) == [[.unseen], [.unseen]])
      let subject = TerminationSubject.clusters(["never"])
      var safe = await xds.termination(of: subject)
      #expect(!safe.isSafe && safe.holders.map(\.nodeID) == ["a", "b"] && safe.total == 2)
      async let live = xds.live(query, within: .seconds(1000))
      async let terminated = xds.termination(of: subject, within: .seconds(1000))

      // Whoever comes with the name of one and takes nothing proves nothing.
      let silent = try await server.open(variant, node: NodeIdentity(id: "a"))
      silent.subscribe(.cluster)
      _ = try await silent.next()
      silent.close()
      await server.until { $0.streams[variant] == 0 }
      #expect(await xds.convergence(of: query).total == 2)

      let a = try await server.open(variant, node: NodeIdentity(id: "a"))
      try await a.sync()
      try await server.acknowledged(world.number, "a")
      now = await xds.convergence(of: query)
      #expect(!now.isLive && now.total == 2 && now.live == 1 && now.proxies.map(\.nodeID) == ["b"])
      safe = await xds.termination(of: subject)
      #expect(!safe.isSafe && safe.holders.map(\.nodeID) == ["b"])
      // The other one is let go.
      #expect(xds.hasLeft("b") && !xds.hasLeft("a"))
      #expect(xds.letGo { $0.nodeID == "b" }.map(\.nodeID) == ["b"])
      let answer = try await live
      #expect(answer.isLive && answer.total == 1)
      #expect(try await terminated.isSafe)
      a.close()
    }
  }

  @Test func whoHasShownItBeforeItLeftCountsAsOne() async throws {
    try await withServer { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let query = ConvergenceQuery(generation: world.number)
      #expect(await server.xds.convergence(of: query).isLive == false, "nobody has it")
      let stream = try await server.open(.delta, node: NodeIdentity(id: "a"))
      try await stream.sync()
      try await server.acknowledged(world.number, "a")
      stream.close()
      await server.until { $0.streams[.delta] == 0 }
      #expect(await server.xds.convergence(of: query).isLive)
      #expect(try await server.xds.live(query, within: .seconds(1000)).isLive)
      server.xds.letGo { _ in true }
      #expect(await server.xds.convergence(of: query).isLive == false)
    }
  }

  @Test func whereNobodyHasKeptWhoThereWasNothingIsSafe() async throws {
    try await withServer { server in
      var world = SocketTests.world()
      server.xds.expectStrangers()
      server.xds.publish(world.generation())
      let subject = TerminationSubject.clusters(["never"])
      let now = await server.xds.termination(of: subject)
      #expect(!now.isSafe && now.total == 1 && now.holders.map(\.nodeID) == [Departures.strangers])
      let stream = try await server.open(.delta, node: NodeIdentity(id: "a"))
      try await stream.sync()
      async let outcome = server.xds.termination(of: subject, within: .seconds(1000))
      // Where a change is live is another question: whoever asked for it has not heard an answer before.
      let live = try await server.xds.live(ConvergenceQuery(generation: world.number), within: .seconds(1000))
      #expect(live.isLive && live.total == 1)
      server.xds.departures.forget(at: .now() + .hours(1))
      #expect(try await outcome.isSafe)
      stream.close()
    }
  }
}
