import Testing
import XDSSnapshot

@testable import XDSServer

extension Traps {
  @Suite("2 Legacy wildcard against explicit *") struct Wildcards {
    @Test(
      "2.1 legacy wildcard: an empty first request of CDS or LDS is everything (ADS, own service; SotW, delta)",
      arguments: Flow.fullState)
    func legacy(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type)
        stream.ack(try await stream.expect(flow.type, ["a", "b"], of: world))
        world.set(flow.type, "c")
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, ["c"], of: world))
        world.remove(flow.type, "a")
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, removed: ["a"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "2.2 an empty first request of EDS or RDS is nothing (ADS, own service; SotW, delta)",
      arguments: Flow.partialState)
    func noLegacy(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type)
        world.set(flow.type, "a", version: 2)
        try await server.publish(&world, after: stream)
        stream.subscribe(flow.type, ["b"])
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test("2.3 explicit * is everything (every type and service; SotW, delta)", arguments: Flow.all)
    func explicit(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["*"])
        stream.ack(try await stream.expect(flow.type, ["a", "b"], of: world))
        world.set(flow.type, "c")
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, ["c"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "2.4 legacy wildcard, then named, then still wildcard (CDS, LDS; ADS, own service; delta)",
      arguments: Flow.fullState.filter { $0.variant == .delta })
    func legacyThenNamed(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type)
        stream.ack(try await stream.expect(flow.type, ["a", "b"], of: world))
        stream.subscribe(flow.type, ["a"])
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        world.set(flow.type, "c")
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, ["c"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "2.5 legacy wildcard, then named: the legacy form is over, and an empty list is nothing (CDS, LDS; ADS, own service; SotW)",
      arguments: Flow.fullState.filter { $0.variant == .stateOfTheWorld })
    func legacyEnds(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type)
        stream.ack(try await stream.expect(flow.type, ["a", "b"], of: world))
        stream.subscribe(flow.type, ["a"])
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        world.set(flow.type, "c")
        try await server.publish(&world, after: stream)
        stream.unsubscribe(flow.type, ["a"])
        world.set(flow.type, "a", version: 2)
        try await server.publish(&world, after: stream)
        stream.subscribe(flow.type, ["*"])
        stream.ack(try await stream.expect(flow.type, ["a", "b", "c"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test("2.6 explicit *, then named, then still wildcard (every type and service; SotW, delta)", arguments: Flow.all)
    func explicitThenNamed(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["*"])
        stream.ack(try await stream.expect(flow.type, ["a", "b"], of: world))
        stream.subscribe(flow.type, ["a"])
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        world.set(flow.type, "c")
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, ["c"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test("2.7 unsubscribe from *: what is named stays (every type and service; SotW, delta)", arguments: Flow.all)
    func unsubscribe(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["*", "a"])
        stream.ack(try await stream.expect(flow.type, ["a", "b"], of: world))
        stream.unsubscribe(flow.type, ["*"])
        // An answer that proves that the request was read.
        stream.subscribe(flow.type, ["d"])
        try await stream.expectMissing(flow.type, ["d"], of: world)
        world.set(flow.type, "b", version: 2)
        world.set(flow.type, "c")
        try await server.publish(&world, after: stream)
        world.set(flow.type, "a", version: 2)
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "2.8 unsubscribe from *, when the legacy wildcard was subscribed to (CDS, LDS; ADS, own service; delta)",
      arguments: Flow.fullState.filter { $0.variant == .delta })
    func unsubscribeLegacy(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type)
        stream.ack(try await stream.expect(flow.type, ["a", "b"], of: world))
        stream.subscribe(flow.type, ["a"])
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        stream.unsubscribe(flow.type, ["*"])
        stream.subscribe(flow.type, ["d"])
        try await stream.expectMissing(flow.type, ["d"], of: world)
        world.set(flow.type, "b", version: 2)
        try await server.publish(&world, after: stream)
        world.set(flow.type, "a", version: 2)
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "2.9 unsubscribe from *, then subscribe to * again: everything is sent anew (every type and service; SotW, delta)",
      arguments: Flow.all)
    func starAgain(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["*"])
        stream.ack(try await stream.expect(flow.type, ["a", "b"], of: world))
        stream.unsubscribe(flow.type, ["*"])
        stream.subscribe(flow.type, ["*"])
        stream.ack(try await stream.expect(flow.type, ["a", "b"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "2.10 a name unsubscribed while * covers it: the client is told that it keeps it (every type and service; delta)",
      arguments: Flow.delta)
    func coveredName(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["*", "a"])
        stream.ack(try await stream.expect(flow.type, ["a", "b"], of: world))
        stream.unsubscribe(flow.type, ["a"])
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        world.set(flow.type, "a", version: 2)
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "2.11 a name unsubscribed while * covers it: its changes go on to come (every type and service; SotW)",
      arguments: Flow.stateOfTheWorld)
    func coveredNameStays(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["*", "a"])
        stream.ack(try await stream.expect(flow.type, ["a", "b"], of: world))
        stream.unsubscribe(flow.type, ["a"])
        // An answer that proves that the request was read.
        stream.subscribe(flow.type, ["b"])
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        world.set(flow.type, "a", version: 2)
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "2.12 subscribe to * twice: everything is sent anew each time (every type and service; delta)",
      arguments: Flow.delta)
    func starTwice(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        for _ in 0..<3 {
          stream.subscribe(flow.type, ["*"])
          stream.ack(try await stream.expect(flow.type, ["a", "b"], of: world))
        }
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "2.13 unsubscribe from * and subscribe again while a response is on its way, of which a part is gone since: removed (CDS, LDS; ADS, own service; delta)",
      arguments: Flow.fullState.filter { $0.variant == .delta })
    func goneBeforeItIsAsked(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type)
        let first = try await stream.expect(flow.type, ["a", "b"], of: world)
        stream.unsubscribe(flow.type, ["*"])
        stream.subscribe(flow.type, ["*"])
        world.remove(flow.type, "b")
        try await server.publish(&world, after: stream)
        stream.ack(first)
        stream.ack(try await stream.expect(flow.type, ["a"], removed: ["b"], of: world))
        try await stream.expectNothingMore()
      }
    }
  }
}
