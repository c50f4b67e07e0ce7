import Testing
import XDSSnapshot

@testable import XDSServer

extension Traps {
  @Suite("5 Reconnect with initial_resource_versions") struct Returning {
    @Test("5.1 initial_resource_versions that match: not sent (every type and service; delta)", arguments: Flow.delta)
    func matching(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.request(flow.type, subscribe: ["a", "b"], holding: versions(world.table(flow.type)))
        world.set(flow.type, "b", version: 2)
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "5.2 initial_resource_versions that match, with the legacy wildcard: not sent (CDS, LDS; ADS, own service; delta)",
      arguments: Flow.fullState.filter { $0.variant == .delta })
    func matchingWildcard(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.request(flow.type, holding: versions(world.table(flow.type)))
        world.set(flow.type, "c")
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, ["c"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "5.3 initial_resource_versions that are stale: sent, and the others not (every type and service; delta)",
      arguments: Flow.delta)
    func stale(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a", "b")) { server, world in
        let held = versions(world.table(flow.type))
        world.set(flow.type, "b", version: 2)
        try await server.publish(&world)
        let stream = try await server.open(flow)
        stream.request(flow.type, subscribe: ["a", "b"], holding: held)
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "5.4 initial_resource_versions of another server's making: sent (every type and service; delta)",
      arguments: Flow.delta)
    func foreign(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a", "b", "c")) { server, world in
        let stream = try await server.open(flow)
        stream.request(
          flow.type, subscribe: ["a", "b", "c"],
          holding: ["a": "2026-11-23T00:00:00Z/17", "b": "", "c": try #require(world.table(flow.type)["c"]).version])
        stream.ack(try await stream.expect(flow.type, ["a", "b"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "5.5 initial_resource_versions that name things since deleted: removed; a route table: a stub (every type and service; delta)",
      arguments: Flow.delta)
    func deleted(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a", "gone")) { server, world in
        let held = versions(world.table(flow.type))
        world.remove(flow.type, "gone")
        try await server.publish(&world)
        let stream = try await server.open(flow)
        stream.request(flow.type, subscribe: ["a", "gone"], holding: held)
        if flow.type == .cluster && flow.isAggregated {
          // The client's routes may name it: it goes when they are seen.
          stream.subscribe(.listener)
          stream.ack(try await stream.expect(.listener, of: world))
          stream.subscribe(.route, ["outbound"])
          stream.ack(try await stream.expect(.cluster, removed: ["gone"], of: world))
          stream.ack(try await stream.expect(.route, stubs: ["outbound"], of: world))
        } else if flow.type == .route {
          stream.ack(try await stream.expect(.route, stubs: ["gone"], of: world))
        } else {
          stream.ack(try await stream.expect(flow.type, removed: ["gone"], of: world))
        }
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "5.6 initial_resource_versions that name things since deleted, with the legacy wildcard: removed (CDS, LDS alone, LDS on ADS; delta)",
      arguments: Flow.fullState.filter { $0.variant == .delta && !($0.type == .cluster && $0.isAggregated) })
    func deletedWildcard(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a", "gone")) { server, world in
        let held = versions(world.table(flow.type))
        world.remove(flow.type, "gone")
        try await server.publish(&world)
        let stream = try await server.open(flow)
        stream.request(flow.type, holding: held)
        stream.ack(try await stream.expect(flow.type, removed: ["gone"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "5.7 initial_resource_versions of what is not subscribed to: nothing (every type and service; delta)",
      arguments: Flow.delta)
    func claimsWithoutASubscription(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.request(
          flow.type, subscribe: ["a"], holding: ["a": "old", "b": "old", "never": "old"])
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "5.8 initial_resource_versions count in the first request of their type only (every type and service; delta)",
      arguments: Flow.delta)
    func firstRequestOnly(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.request(flow.type, subscribe: ["a"])
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        stream.request(flow.type, subscribe: ["b"], holding: versions(world.table(flow.type)))
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "5.9 a client that claims a version, has forgotten the resource, and later subscribes to its name: sent (every type and service; delta)",
      arguments: Flow.delta)
    func forgotten(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.request(flow.type, subscribe: ["a"], holding: versions(world.table(flow.type)))
        stream.subscribe(flow.type, ["a"])
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        // Claimed, though it was not subscribed to.
        stream.subscribe(flow.type, ["b"])
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "5.10 a client that claims versions under the wildcard, has forgotten one, and later subscribes to its name: sent (CDS, LDS; ADS, own service; delta)",
      arguments: Flow.fullState.filter { $0.variant == .delta })
    func forgottenUnderWildcard(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a", "b")) { server, world in
        let stream = try await server.open(flow)
        stream.request(flow.type, holding: versions(world.table(flow.type)))
        stream.subscribe(flow.type, ["a"])
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "5.11 version_info without a nonce that matches: not sent (CDS, LDS; ADS, own service; SotW)",
      arguments: Flow.fullState.filter { $0.variant == .stateOfTheWorld })
    func versionInfoMatches(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a", "b")) { server, world in
        let before = try await server.open(flow)
        before.subscribe(flow.type)
        let answer = try await before.expect(flow.type, ["a", "b"], of: world)
        before.ack(answer)
        try await before.expectNothingMore()
        let stream = try await server.open(flow)
        stream.request(flow.type, version: answer.version)
        world.set(flow.type, "a", version: 2)
        try await server.publish(&world, after: stream)
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "5.12 version_info without a nonce that is stale, or unknown: sent (every type and service; SotW)",
      arguments: Flow.stateOfTheWorld)
    func versionInfoIsStale(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a", "b")) { server, world in
        let before = try await server.open(flow)
        before.subscribe(flow.type, ["a"])
        let version = try await before.expect(flow.type, ["a"], of: world).version
        world.set(flow.type, "a", version: 2)
        try await server.publish(&world)
        for version in [version, "0123456789abcdef0123456789abcdef", "another server's"] {
          let stream = try await server.open(flow)
          stream.request(flow.type, list: ["a"], version: version)
          stream.ack(try await stream.expect(flow.type, ["a"], of: world))
          try await stream.expectNothingMore()
        }
      }
    }

    @Test(
      "5.13 version_info that matches, of a client that has forgotten a resource and later asks for its name: sent (CDS, LDS; ADS, own service; SotW)",
      arguments: Flow.fullState.filter { $0.variant == .stateOfTheWorld })
    func versionInfoThenName(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a", "b")) { server, world in
        let version = try #require(world.table(flow.type)["a"]).version
        let stream = try await server.open(flow)
        stream.request(flow.type, list: ["a"], version: version)
        stream.request(flow.type, list: ["a", "b"], version: version)
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        stream.request(flow.type, unsubscribe: ["a"], nonce: stream.nonces[flow.type] ?? "")
        stream.request(flow.type, subscribe: ["a"], nonce: stream.nonces[flow.type] ?? "")
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test(
      "5.14 version_info without a nonce that matches, where a version tells of the last response only: answered all the same, once (EDS, RDS; ADS, own service; SotW)",
      arguments: Flow.partialState.filter { $0.variant == .stateOfTheWorld })
    func versionInfoOfPartialState(_ flow: Flow) async throws {
      try await RunningServer.serving(.of(flow.type, "a", "b")) { server, world in
        let version = try #require(world.table(flow.type)["a"]).version
        let stream = try await server.open(flow)
        stream.request(flow.type, list: ["a"], version: version)
        stream.ack(try await stream.expect(flow.type, ["a"], of: world))
        stream.request(flow.type, list: ["a", "b"], nonce: stream.nonces[flow.type] ?? "", version: version)
        stream.ack(try await stream.expect(flow.type, ["b"], of: world))
        try await stream.expectNothingMore()
      }
    }
  }
}
