import Testing
import XDSSnapshot

@testable import XDSServer

extension Traps {
  @Suite("1 A subscribe after the stream's first request of that type is always answered anew")
  struct Subscribing {
    @Test(
      "1.1 unsubscribe then subscribe the same name again (every type and service; SotW, delta)", arguments: Flow.all)
    func again(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["a", "b"])
        stream.ack(try await stream.expect(flow.type, ["a", "b"], of: world))
        stream.unsubscribe(flow.type, ["b"])
        stream.subscribe(flow.type, ["b"])
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        // And once more, with another content.
        stream.unsubscribe(flow.type, ["b"])
        world.set(flow.type, "b", version: 2)
        try await server.publish(&world, after: stream)
        stream.subscribe(flow.type, ["b"])
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test("1.2 unsubscribe then subscribe the same name again within one request (delta)", arguments: Flow.delta)
    func withinOneRequest(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["a", "b"])
        stream.ack(try await stream.expect(flow.type, ["a", "b"], of: world))
        stream.request(flow.type, subscribe: ["b"], unsubscribe: ["b"])
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        // It is subscribed to: a change of it comes.
        world.set(flow.type, "b", version: 2)
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "1.3 unsubscribe then subscribe the same name again while a response is in flight (every type and service; SotW, delta)",
      arguments: Flow.all)
    func whileInFlight(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["a", "b"])
        let inFlight = try await stream.expect(flow.type, ["a", "b"], of: world)
        // In the state of the world these carry the response's nonce, so the first of them accepts it.
        stream.unsubscribe(flow.type, ["b"])
        stream.subscribe(flow.type, ["b"])
        if flow.variant == .delta { stream.ack(inFlight) }
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "1.4 unsubscribe then subscribe the same name again, both with the same nonce (every type and service; SotW, delta)",
      arguments: Flow.all)
    func sameNonce(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["a", "b"])
        let nonce = try await stream.expect(flow.type, ["a", "b"], of: world).nonce
        stream.request(flow.type, unsubscribe: ["b"], nonce: nonce)
        stream.request(flow.type, subscribe: ["b"], nonce: nonce)
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test("1.5 subscribe twice (every type and service; delta)", arguments: Flow.delta)
    func twice(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["a", "b"])
        stream.ack(try await stream.expect(flow.type, ["a", "b"], of: world))
        for _ in 0..<2 {
          stream.subscribe(flow.type, ["b"])
          stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        }
        // A name given twice in one request is one name, and loses no other.
        stream.subscribe(flow.type, ["b", "b"])
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        stream.unsubscribe(flow.type, ["b", "b"])
        world.set(flow.type, "a", version: 2)
        world.set(flow.type, "b", version: 2)
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test("1.6 subscribe twice while the answer is in flight (every type and service; delta)", arguments: Flow.delta)
    func twiceInFlight(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["a", "b"])
        let inFlight = try await stream.expect(flow.type, ["a", "b"], of: world)
        stream.subscribe(flow.type, ["b"])
        stream.ack(inFlight)
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "1.7 the same list twice is no new subscription (every type and service; SotW)", arguments: Flow.stateOfTheWorld)
    func sameListTwice(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["a", "b"])
        stream.ack(try await stream.expect(flow.type, ["a", "b"], of: world))
        stream.subscribe(flow.type, [])
        stream.request(flow.type, list: ["b", "a", "b"], nonce: stream.nonces[flow.type] ?? "")
        try await stream.expectNothingMore()
      }
    }

    @Test("1.8 what is unsubscribed is not sent any more (every type and service; SotW, delta)", arguments: Flow.all)
    func unsubscribed(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["a", "b"])
        stream.ack(try await stream.expect(flow.type, ["a", "b"], of: world))
        stream.unsubscribe(flow.type, ["b"])
        // Its answer is the proof that the request was read.
        stream.subscribe(flow.type, ["c"])
        try await stream.expectMissing(flow.type, ["c"], of: world)
        world.set(flow.type, "b", version: 2)
        try await server.publish(&world, after: stream)
        world.remove(flow.type, "b")
        try await server.publish(&world, after: stream)
        world.set(flow.type, "a", version: 2)
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "1.9 a new name is answered with that name, whatever else stands (every type and service; SotW, delta)",
      arguments: Flow.all)
    func newName(_ flow: Flow) async throws {
      try await RunningServer.serving(World.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.subscribe(flow.type, ["a"])
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        stream.subscribe(flow.type, ["b"])
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        try await stream.expectNothingMore()
      }
    }
  }
}
