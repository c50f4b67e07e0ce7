import Testing
import XDSSnapshot

@testable import XDSServer

extension Traps {
  @Suite("6 NACK") struct Refusing {
    @Test("6.1 NACK, then a newer good version, and no loop (every type and service; SotW, delta)", arguments: Flow.all)
    func newerGoodVersion(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["a", "b"])
        stream.ack(try await stream.expect(flow.type, ["a", "b"], of: world))
        var good = world
        world.set(flow.type, "b", version: 13)
        try await server.publish(&world, after: stream)
        let bad = try await stream.expect(flow.type, ["b"], of: world)
        stream.nack(bad, "b is bad")
        // The same refusal again says nothing new.
        stream.nack(bad, "b is bad")
        // What comes next is another change, without the bad one.
        world.set(flow.type, "a", version: 2)
        good.set(flow.type, "a", version: 2)
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, flow.repeatsRefused ? ["a", "b"] : ["a"], of: good))
        world.set(flow.type, "b", version: 14)
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        let counts = await server.xds.metrics().types[flow.type]
        #expect(counts?.nacks == 1)
        #expect(counts?.pushes == 4)
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "6.2 NACK of the first answer, then a newer good version, and no loop (every type and service; SotW, delta)",
      arguments: Flow.all)
    func firstAnswer(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["a"])
        stream.nack(try await stream.expect(flow.type, ["a"], of: world), "refused")
        // Nothing of the client's concern: it must not bring the bad one back.
        world.set(flow.type, "other")
        try await server.publish(&world, after: stream)
        if flow.repeatsRefused { stream.ack(try await stream.expect(flow.type, removed: ["a"], of: world)) }
        world.set(flow.type, "a", version: 2)
        try await server.publish(&world)
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        #expect(await server.xds.metrics().types[flow.type]?.pushes == (flow.repeatsRefused ? 3 : 2))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "6.3 NACK, when a newer good version is there already: sent at once (every type and service; SotW, delta)",
      arguments: Flow.all)
    func goodVersionWaits(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["a", "b"])
        stream.ack(try await stream.expect(flow.type, ["a", "b"], of: world))
        world.set(flow.type, "b", version: 13)
        try await server.publish(&world, after: stream)
        let bad = try await stream.expect(flow.type, ["b"], of: world)
        world.set(flow.type, "b", version: 14)
        try await server.publish(&world)
        stream.nack(bad, "b is bad")
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "6.4 one bad resource among many good, and the message names it: the others arrive (every type and service; SotW, delta)",
      arguments: Flow.all)
    func oneBadNamed(_ flow: Flow) async throws {
      let names = (0..<16).map { "r\($0)" }
      var first = World.empty
      for name in names { first.set(flow.type, name) }
      try await RunningServer.serving(first) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, names)
        stream.ack(try await stream.expect(flow.type, names, of: world))
        for name in names { world.set(flow.type, name, version: 2) }
        try await server.publish(&world, after: stream)
        stream.nack(
          try await stream.expect(flow.type, names, of: world), "Error adding/updating resource(s) r5: ring hash: no")
        // The others in their new version; r5 in the last that was good.
        var good = world
        good.set(flow.type, "r5", version: 1)
        stream.ack(
          try await stream.expect(flow.type, names.filter { $0 != "r5" || flow.repeatsRefused }, of: good))
        world.set(flow.type, "r5", version: 3)
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, ["r5"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "6.5 one bad resource among many good, in the first answer: the others arrive (every type and service; SotW, delta)",
      arguments: Flow.all)
    func oneBadAtFirst(_ flow: Flow) async throws {
      let names = (0..<16).map { "r\($0)" }
      var first = World.empty
      for name in names { first.set(flow.type, name) }
      try await RunningServer.serving(first) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, names)
        stream.nack(try await stream.expect(flow.type, names, of: world), "r5: no")
        var good = world
        good.remove(flow.type, "r5")
        stream.ack(
          try await stream.expect(
            flow.type, names.filter { $0 != "r5" }, removed: flow.repeatsRefused ? ["r5"] : [], of: good))
        world.set(flow.type, "r5", version: 2)
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, ["r5"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "6.6 one bad resource among many good, and the message names none: the others arrive (every type and service; SotW, delta)",
      arguments: Flow.all)
    func oneBadUnnamed(_ flow: Flow) async throws {
      let names = (0..<16).map { "r\($0)" }
      var first = World.empty
      for name in names { first.set(flow.type, name) }
      try await RunningServer.serving(first) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, names)
        stream.ack(try await stream.expect(flow.type, names, of: world))
        for name in names { world.set(flow.type, name, version: 2) }
        try await server.publish(&world, after: stream)
        // What the client holds: of a response that it refuses, nothing.
        var held: [String: [UInt8]] = [:]
        func bodies(_ version: Int, bad: Int) -> [String: [UInt8]] {
          var world = world
          for name in names { world.set(flow.type, name, version: name == "r5" ? bad : version) }
          var bodies: [String: [UInt8]] = [:]
          world.table(flow.type).tree.forEach { bodies[$0.name] = $0.flattened() }
          return bodies
        }
        held = bodies(1, bad: 1)
        let badBody = bodies(2, bad: 2)["r5"]
        let wanted = bodies(2, bad: 1)
        var responses = 0
        while held != wanted && responses < 32 {
          responses += 1
          let received = try await stream.next()
          let content = Content(received, flow.variant)
          #expect(content.removed.isEmpty)
          if content.items.contains(where: { $0.name == "r5" && $0.body == badBody }) {
            stream.nack(received, "refused")
            continue
          }
          for item in content.items { held[item.name] = item.body }
          stream.ack(received)
        }
        #expect(held == wanted)
        // Halving: the first response, and at most two of each size down to one.
        #expect(responses <= 9)
        // r5 alone may be tried yet; then there is quiet.
        world.set(flow.type, "r5", version: 3)
        try await server.publish(&world, after: stream)
        var last = try await stream.next()
        if Content(last, flow.variant).items.contains(where: { $0.name == "r5" && $0.body == badBody }) {
          stream.nack(last, "refused")
          last = try await stream.next()
        }
        let item = Content(last, flow.variant).items.first { $0.name == "r5" }
        #expect(item?.body == world.table(flow.type)["r5"]?.flattened())
        stream.ack(last)
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "6.7 a refused cluster: its route keeps what it had, the other routes go on (ADS; SotW, delta)",
      arguments: XDSProtocol.allCases)
    func refusedCluster(_ variant: XDSProtocol) async throws {
      try await RunningServer.serving(.twoHosts) { server, world in
        let old = world
        let stream = try await server.open(variant)
        try await stream.start(world)
        world.cluster("bad")
        world.host("x", version: 2, ["bad"])
        world.host("y", version: 2, ["a"])
        try await server.publish(&world, after: stream)
        let clusters = try await stream.expect(.cluster, ["bad"], of: world)
        var held = old
        held.host("y", version: 2, ["a"])
        stream.ack(try await stream.expect(.route, [World.routeName], of: held))
        stream.nack(clusters, "Error adding/updating cluster(s) bad: ring hash: no")
        // Endpoints of others go on as well.
        world.endpoint("a", version: 2)
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(.endpoint, ["a"], of: world))
        try await stream.barrier()
        // A good one, and its route follows it.
        world.cluster("bad", version: 2)
        try await server.publish(&world, after: stream)
        let mended = try await stream.expect(.cluster, ["bad"], of: world)
        stream.subscribe(.endpoint, ["bad"])
        stream.ack(try await stream.expect(.endpoint, ["bad"], of: world))
        stream.ack(mended)
        stream.ack(try await stream.expect(.route, [World.routeName], of: world))
        try await stream.barrier()
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "6.8 a refused route: the cluster that the last good one names stays (ADS; SotW, delta)",
      arguments: XDSProtocol.allCases)
    func refusedRoute(_ variant: XDSProtocol) async throws {
      try await RunningServer.serving(.twoHosts) { server, world in
        let stream = try await server.open(variant)
        try await stream.start(world)
        world.host("y", version: 13, ["a"])
        world.removeCluster("b")
        try await server.publish(&world, after: stream)
        stream.nack(try await stream.expect(.route, [World.routeName], of: world), "bad regex")
        // Not b's removal, but the next change.
        world.endpoint("a", version: 2)
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(.endpoint, ["a"], of: world))
        world.host("y", version: 14, ["a"])
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(.route, [World.routeName], of: world))
        stream.ack(try await stream.expect(.cluster, removed: ["b"], of: world))
        if variant == .delta { stream.ack(try await stream.expect(.endpoint, removed: ["b"], of: world)) }
        try await stream.barrier()
        try await stream.expectNothingMore()
      }
    }
  }
}
