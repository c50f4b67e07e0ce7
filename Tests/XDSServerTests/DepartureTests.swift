import GRPCTransport
import Glibc
import NIOCore
import Testing
import XDSSnapshot

@testable import XDSServer

/// What is remembered of proxies that have left.
@Suite struct DepartureTests {
  private func identity(_ node: String, from address: String = "10.0.0.1:5000") -> ProxyIdentity {
    ProxyIdentity(
      nodeID: node, proxyClass: World.proxyClass, variant: .delta, scope: .aggregated, remoteAddress: address)
  }

  private func leave(
    _ departures: Departures, _ identity: ProxyIdentity, at seconds: Int = 0,
    _ parting: Departures.Parting? = .init(holdsSomething: true, wasSent: true, confirmed: 7)
  ) {
    departures.opened(identity)
    departures.closed(identity, parting, at: .uptimeNanoseconds(UInt64(seconds) * 1_000_000_000))
  }

  @Test func onlyWhoHoldsSomethingIsRemembered() {
    let departures = Departures(memory: .seconds(10))
    leave(departures, identity("silent"), nil)
    leave(departures, identity("asker"), .init(wasSent: true))
    #expect(departures.all.isEmpty)
    leave(departures, identity("proxy"))
    #expect(departures.all.map(\.identity.nodeID) == ["proxy"])
    #expect(departures.all.first?.confirmed == 7)
  }

  @Test func theyAreForgottenInOrderAfterTheTime() {
    let departures = Departures(memory: .seconds(10))
    for second in 0..<5 { leave(departures, identity("p\(second)"), at: second) }
    departures.forget(at: .uptimeNanoseconds(11_999_999_999))
    #expect(departures.all.map(\.identity.nodeID) == ["p2", "p3", "p4"])
    departures.forget(at: .uptimeNanoseconds(14_000_000_000))
    #expect(departures.all.isEmpty)
  }

  @Test func oneOfSeveralStreamsLeavesNothingBehind() {
    let departures = Departures(memory: .seconds(10))
    departures.opened(identity("p"))
    leave(departures, identity("p"))
    #expect(departures.all.isEmpty)
    departures.closed(identity("p"), .init(holdsSomething: true), at: .uptimeNanoseconds(0))
    #expect(departures.all.count == 1)
  }

  /// A stream under the name of a proxy that has left, on which nothing is accepted, does not make it forgotten.
  @Test func whoComesBackAndTakesNothingHoldsWhatItHeld() {
    let departures = Departures(memory: .seconds(10))
    leave(departures, identity("p"))
    departures.opened(identity("p"))
    #expect(departures.all.isEmpty)
    departures.closed(identity("p"), .init(), at: .uptimeNanoseconds(5_000_000_000))
    #expect(departures.all.map(\.confirmed) == [7])
    departures.forget(at: .uptimeNanoseconds(14_999_999_999))
    #expect(departures.all.count == 1, "seen since")
  }

  /// Ten proxies, and then as many departures as one address can make.
  @Test func aStormFromOneNetworkPushesOutItselfOnly() {
    let departures = Departures(memory: .seconds(1000))
    for index in 0..<10 { leave(departures, identity("honest\(index)", from: "10.0.1.\(index):1"), at: index) }
    leave(departures, identity("six", from: "[2001:db8:1::1]:1"), at: 11)
    leave(departures, identity("local", from: "/run/weir/xds.sock"), at: 12)
    for index in 0..<(3 * Departures.limit) {
      leave(departures, identity("a\(index)", from: "10.9.9.9:\(index)"), at: 100 + index / 100)
      // All of a /64.
      leave(
        departures, identity("b\(index)", from: "[2001:db8:2::\(String(index, radix: 16))]:1"), at: 100 + index / 100)
    }
    let left = departures.all
    #expect(left.count == Departures.limit)
    let honest = left.filter { !$0.identity.nodeID.hasPrefix("a") && !$0.identity.nodeID.hasPrefix("b") }
    #expect(honest.map(\.identity.nodeID) == (0..<10).map { "honest\($0)" } + ["six", "local"])
    // The newest of the others are there, about as many of each.
    #expect(left.last?.identity.nodeID == "b\(3 * Departures.limit - 1)")
    #expect(abs(left.count { $0.identity.nodeID.hasPrefix("a") } * 2 - (Departures.limit - 12)) <= 2)
  }

  @Test func networks() {
    #expect(identity("", from: "10.1.2.3:4").network == [10, 1, 2, 3])
    #expect(identity("", from: "[::ffff:10.1.2.3]:4").network == [10, 1, 2, 3])
    #expect(identity("", from: "[2001:db8::1]:4").network == [0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0])
    #expect(identity("", from: "/run/x.sock").network == [])
    #expect(identity("", from: "").network == [])
  }

  /// The list against a simple one: random steps, printed seed.
  @Test func theListForgetsFromTheLargestNetwork() {
    let seed = UInt64.random(in: 0 ... .max)
    var random = SeededGenerator(seed: seed)
    var list = DepartureList(limit: 16)
    var model: [Departures.Departed] = []
    for step in 0..<5000 {
      if Int.random(in: 0..<4, using: &random) == 0, let any = model.randomElement(using: &random) {
        #expect(list.remove(any.identity.key)?.identity.nodeID == any.identity.nodeID)
        model.removeAll { $0.identity.nodeID == any.identity.nodeID }
      } else {
        let network = [0, 0, 0, 1, 2, 3].randomElement(using: &random) ?? 0
        let departed = Departures.Departed(
          identity: identity("\(step)", from: "10.0.0.\(network):\(step)"), confirmed: 0, held: nil,
          since: .uptimeNanoseconds(UInt64(step)))
        let forgotten = list.add(departed)
        #expect((forgotten != nil) == (model.count == 16))
        if let forgotten {
          let sizes = Dictionary(grouping: model) { $0.identity.network }
          let own = sizes[forgotten.identity.network] ?? []
          #expect(own.first?.identity.nodeID == forgotten.identity.nodeID, "the first of its network")
          #expect(own.count == sizes.values.map(\.count).max(), "which has the most")
          model.removeAll { $0.identity.nodeID == forgotten.identity.nodeID }
        }
        model.append(departed)
      }
      #expect(list.values.map(\.identity.nodeID) == model.map(\.identity.nodeID), "seed \(seed), step \(step)")
    }
  }

  /// The cost of a departure does not depend on how many are remembered.
  @Test func aDepartureCostsTheSameHoweverManyAreRemembered() {
    func cost(_ remembered: Int) -> Double {
      (0..<5).map { _ in
        var list = DepartureList(limit: remembered)
        func add(_ index: Int) {
          let identity = identity("\(index)", from: "10.0.\(index & 255).\(index >> 8 & 255):1")
          _ = list.add(.init(identity: identity, confirmed: 0, held: nil, since: .uptimeNanoseconds(0)))
        }
        for index in 0..<remembered { add(index) }
        let start = Self.now
        for index in 0..<5000 { add(remembered + index) }
        return Self.now - start
      }.min() ?? 0
    }
    #expect(cost(8192) < 4 * cost(512))
  }

  private static var now: Double {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  // MARK: What a session leaves

  @Test(arguments: XDSProtocol.allCases)
  func whatWasConfirmedIsKept(_ variant: XDSProtocol) {
    var world = SocketTests.world()
    let stream = TestStream.synced(variant, &world)
    let parting = stream.session.parting
    #expect(parting.holdsSomething && parting.confirmed == world.number && parting.held?.number == world.number)
    // A response that it has not answered takes away nothing, but what it holds is not known.
    world.endpoint("a", version: 2)
    _ = stream.publish(&world)
    #expect(stream.session.parting.confirmed == world.number - 1)
    #expect(stream.session.parting.held == nil)
    _ = stream.ack(.endpoint)
    #expect(stream.session.parting.held?.number == world.number)
    // What it refuses it does not have.
    world.endpoint("a", version: 3)
    _ = stream.publish(&world)
    _ = stream.nack(.endpoint)
    #expect(stream.session.parting.confirmed < world.number && stream.session.parting.held == nil)
  }

  @Test(arguments: XDSProtocol.allCases)
  func whoHasAcceptedNothingHoldsNothing(_ variant: XDSProtocol) {
    var world = SocketTests.world()
    let stream = TestStream(variant)
    _ = stream.publish(&world)
    stream.subscribe(.cluster)
    #expect(!stream.session.parting.holdsSomething && stream.session.parting.wasSent)
    #expect(stream.session.parting.confirmed == 0)
  }

  // MARK: Over a socket

  @Test func departedProxiesCountAndHoldNoMemory() async throws {
    let memory = BufferAccount()
    try await withServer(memory: memory) { server in
      var world = SocketTests.world()
      server.xds.publish(world.generation())
      let proxy = try await server.open(.delta, node: .init(id: "proxy"))
      try await proxy.sync()
      // Names and names, and no end of them.
      proxy.subscribe(.endpoint, (0..<5000).map { "n\($0)" })
      proxy.ack(try await proxy.next())
      let hostile = try await server.open(.delta, node: .init(id: "hostile"))
      hostile.subscribe(.endpoint, (0..<5000).map { "h\($0)" })
      _ = try await hostile.next()
      for stream in [proxy, hostile] {
        try await server.hasRead(stream.client)
        stream.close()
      }
      for _ in 0..<20_000 where await server.xds.metrics().streams[.delta] != 0 {}
      #expect(await server.xds.metrics().streams[.delta] == 0)
      server.xds.forgetUnused()
      server.xds.forgetUnused()
      server.xds.forgetUnused()
      #expect(memory.bytes == 0)
      // The one that had it all is not missed, and the one that took nothing is not either.
      let now = await server.xds.convergence(of: ConvergenceQuery(generation: world.number, scope: .all))
      #expect(now.isLive && now.total == 0)
      // What is served now says the same to it, and then something else.
      server.xds.publish(world.generation())
      #expect(await server.xds.convergence(of: ConvergenceQuery(generation: world.number, scope: .all)).isLive)
      world.endpoint("a", version: 2)
      server.xds.publish(world.generation())
      let later = await server.xds.convergence(of: ConvergenceQuery(generation: world.number, scope: .all))
      #expect(!later.isLive && later.proxies.map(\.nodeID) == ["proxy"])
      #expect(later.proxies.first?.state == .disconnected)
      let before = await server.xds.convergence(of: ConvergenceQuery(generation: world.number - 2, scope: .all))
      #expect(before.isLive)
    }
  }
}
