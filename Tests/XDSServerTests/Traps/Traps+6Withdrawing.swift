import Testing
import XDSSnapshot

@testable import XDSServer

// An Envoy that finds a cluster bad only when it builds it says nothing more of clusters, and freezes its CDS, until the
// cluster is taken away. The time is the test's.
extension Traps.Refusing {
  private static let suspects = ["bad", "good"]

  /// A world whose clusters `bad` and `good` come later.
  private func world() -> World {
    var world = World()
    world.cluster("a")
    world.host("x", ["a"])
    return world
  }

  private func edit(_ world: inout World) {
    world.cluster("bad")
    world.cluster("good")
    world.host("x", version: 2, ["bad"])
    world.host("y", ["good"])
  }

  @Test(
    "6.9 a cluster that Envoy rejects semantically does not freeze its CDS: withdrawn 5 s after the last answer that was needed, and not before (ADS; SotW, delta)",
    arguments: XDSProtocol.allCases)
  func withdrawnInTime(_ variant: XDSProtocol) async throws {
    let clock = ManualStreamClock()
    try await RunningServer.serving(world(), clock: clock) { server, world in
      let stream = try await server.open(variant)
      try await stream.start(world)
      edit(&world)
      try await server.publish(&world, after: stream)
      let clusters = try await stream.expect(.cluster, Self.suspects, of: world)
      stream.subscribe(.endpoint, ["good"])
      let endpoints = try await stream.expect(.endpoint, ["good"], of: world)
      // As long as endpoints that it needs are not accepted, it may be waiting for these.
      try await clock.advance(by: .seconds(1000))
      #expect(clock.nextAlarm == nil)
      try await stream.barrier()
      stream.ack(endpoints)
      try await server.hasRead(stream.client)
      try await clock.advance(by: .milliseconds(4999))
      try await stream.barrier()
      try await clock.advance(by: .milliseconds(1))
      var held = world
      held.clusters.remove("bad")
      let withdrawal = try await stream.expect(.cluster, removed: ["bad"], of: held)
      #expect(await server.xds.metrics().suspectsWithdrawn == 1)

      // Now it speaks again.
      let words = "Error adding/updating cluster(s) bad: ring hash: minimum_ring_size > maximum_ring_size"
      if variant == .delta {
        stream.nack(clusters, words)
        stream.ack(withdrawal)
      } else {
        stream.nack(withdrawal, words)
      }
      // `good` may have been lost with the refusal: once more, and to a client that warms it anew then with its endpoints. The
      // route to `bad` waits.
      let again = try await stream.expect(.cluster, ["good"], of: held)
      if variant == .delta { stream.ack(try await stream.expect(.endpoint, ["good"], of: world)) }
      stream.ack(again)
      var route = held
      route.host("x", version: 1, ["a"])
      stream.ack(try await stream.expect(.route, [World.routeName], of: route))
      try await server.hasRead(stream.client)
      try await clock.advance(by: .seconds(1000))
      try await stream.barrier()

      // Its CDS goes on: the next content of the cluster is tried.
      world.cluster("bad", version: 2)
      try await server.publish(&world, after: stream)
      let mended = try await stream.expect(.cluster, ["bad"], of: world)
      stream.subscribe(.endpoint, ["bad"])
      stream.ack(try await stream.expect(.endpoint, ["bad"], of: world))
      stream.ack(mended)
      stream.ack(try await stream.expect(.route, [World.routeName], of: world))
      try await stream.expectNothingMore()
    }
  }

  @Test(
    "6.10 a DNS cluster is never withdrawn, however long it warms (ADS; SotW, delta)",
    arguments: XDSProtocol.allCases)
  func dnsIsLeftAlone(_ variant: XDSProtocol) async throws {
    let clock = ManualStreamClock()
    try await RunningServer.serving(world(), clock: clock) { server, world in
      let stream = try await server.open(variant)
      try await stream.start(world)
      world.cluster("dns", endpoints: nil)
      try await server.publish(&world, after: stream)
      _ = try await stream.expect(.cluster, ["dns"], of: world)
      // It goes on answering everything else.
      world.endpoint("a", version: 2)
      try await server.publish(&world, after: stream)
      stream.ack(try await stream.expect(.endpoint, ["a"], of: world))
      try await server.hasRead(stream.client)
      try await clock.advance(by: .seconds(1000))
      try await stream.barrier()
      #expect(clock.nextAlarm == nil)
      #expect(await server.xds.metrics().suspectsWithdrawn == 0)
      try await stream.expectNothingMore()
    }
  }

  @Test(
    "6.10 beside a DNS cluster a bad one is withdrawn, after the time that a DNS cluster may warm, and alone (ADS; SotW, delta)",
    arguments: XDSProtocol.allCases)
  func beside(_ variant: XDSProtocol) async throws {
    let clock = ManualStreamClock()
    try await RunningServer.serving(world(), clock: clock) { server, world in
      let stream = try await server.open(variant)
      try await stream.start(world)
      edit(&world)
      world.cluster("dns", endpoints: nil)
      try await server.publish(&world, after: stream)
      _ = try await stream.expect(.cluster, Self.suspects + ["dns"], of: world)
      stream.subscribe(.endpoint, ["good"])
      stream.ack(try await stream.expect(.endpoint, ["good"], of: world))
      try await server.hasRead(stream.client)
      try await clock.advance(by: .milliseconds(29_999))
      try await stream.barrier()
      try await clock.advance(by: .milliseconds(1))
      var held = world
      held.clusters.remove("bad")
      _ = try await stream.expect(.cluster, removed: ["bad"], of: held)
      try await stream.expectNothingMore()
    }
  }

  @Test(
    "6.11 of several suspects never all are withdrawn at once: half by half the bad one is found, and the others come back (ADS; SotW, delta)",
    arguments: XDSProtocol.allCases, [0, 5])
  func bisecting(_ variant: XDSProtocol, _ bad: Int) async throws {
    let names = (0..<8).map { "c\($0)" }
    let culprit = "c\(bad)"
    var first = World()
    for name in names { first.cluster(name) }
    let clock = ManualStreamClock()
    try await RunningServer.serving(first, clock: clock) { server, world in
      let stream = try await server.open(variant)
      try await stream.start(world)
      for name in names { world.cluster(name, version: 2) }
      try await server.publish(&world, after: stream)

      let badBody = "C \(culprit) 2"
      /// What the client is told to have of each cluster, and the responses that it would answer if it could.
      var told: [String: String] = [:]
      for name in names { told[name] = "C \(name) 1" }
      var silent: [RawStream.Received] = []
      var withdrawn: UInt64 = 0
      var waits = 0
      // Each turn: take what has come; answer it as an Envoy would; when there is nothing, let time pass until the server does.
      for _ in 0..<400 {
        // The answer to this comes after all that was sent before.
        stream.subscribe(.route, ["turn-\(stream.barriers)"])
        stream.barriers += 1
        var isOver = false
        var hasHeard = false
        while !isOver {
          let received = try await stream.next()
          let content = Content(received, variant)
          switch content.type {
          case .cluster:
            hasHeard = true
            for item in content.items { told[item.name] = String(decoding: item.body, as: UTF8.self) }
            #expect(content.removed.isEmpty, "the client has them all from before")
            if told[culprit] == badBody { silent.append(received) } else { stream.ack(received) }
          case .route:
            isOver = true
            stream.ack(received)
          default:
            hasHeard = true
            stream.ack(received)
          }
        }
        try await server.hasRead(stream.client)
        if hasHeard { continue }
        guard let next = clock.nextAlarm else { break }
        waits += 1
        try await clock.advance(by: next - clock.now)
        let now = await server.xds.metrics().suspectsWithdrawn
        #expect(now - withdrawn <= 4, "never all at once")
        withdrawn = now
      }
      for name in names { #expect(told[name] == "C \(name) \(name == culprit ? 1 : 2)") }
      #expect(!silent.isEmpty && withdrawn > 0)
      #expect(waits <= 12)
      #expect(clock.now <= .seconds(60))
      // The next content of the bad one goes out, and all is well.
      world.cluster(culprit, version: 3)
      try await server.publish(&world, after: stream)
      let mended = try await stream.expect(.cluster, [culprit], of: world)
      stream.ack(try await stream.expect(.endpoint, [culprit], of: world))
      stream.ack(mended)
      try await stream.expectNothingMore()
    }
  }
}
