import Testing
import XDSSnapshot

@testable import XDSServer

extension Traps {
  @Suite("9 Virtual hosts one by one") struct HostByHost {
    private static let prefix = World.hostlessName + "/"

    private func serving(_ world: World, _ body: (RunningServer, inout World) async throws -> Void) async throws {
      try await RunningServer.serving(world, classify: { _ in World.hostByHostClass }, body)
    }

    /// The route table without hosts, and an empty request for hosts, as Envoy makes it.
    private func start(_ stream: RawStream) async throws -> RawStream.Received {
      stream.subscribe(.route, [World.hostlessName])
      let table = try await stream.next()
      #expect(table.text == "R outbound-vhds;")
      stream.ack(table)
      stream.subscribe(.virtualHost)
      return try await stream.next()
    }

    @Test("9.1 an empty request means all hosts, on every stream; a change is the host that changed (VHDS, delta)")
    func wildcard() async throws {
      try await serving(.twoHosts) { server, world in
        let stream = try await server.open(.delta)
        let hosts = try await start(stream)
        #expect(hosts.resources.map(\.name).sorted() == [Self.prefix + "x", Self.prefix + "y"])
        stream.ack(hosts)
        world.host("x", version: 2, ["a"])
        try await server.publish(&world)
        stream.ack(try await stream.expect(.virtualHost, [Self.prefix + "x"], of: world))
        world.removeHost("y")
        try await server.publish(&world)
        stream.ack(try await stream.expect(.virtualHost, removed: [Self.prefix + "y"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test("9.2 the first answer is never empty: Envoy would wait on (VHDS, delta)")
    func neverEmpty() async throws {
      try await serving(World()) { server, _ in
        let stream = try await server.open(.delta)
        let hosts = try await start(stream)
        #expect(hosts.count == 0 && hosts.removed == [Self.prefix + "_none_"])
        stream.ack(hosts)
        try await stream.expectNothingMore()
      }
    }

    @Test("9.3 a table that comes after the only request brings its hosts unasked (RDS and VHDS, delta)")
    func unsolicited() async throws {
      try await serving(.twoHosts) { server, world in
        let stream = try await server.open(.delta)
        stream.request(.virtualHost, holding: versions(world.virtualHosts))
        stream.subscribe(.route, [World.hostlessName])
        stream.ack(try await stream.next())
        stream.ack(try await stream.expect(.virtualHost, [Self.prefix + "x", Self.prefix + "y"], of: world))
        try await stream.expectNothingMore()
      }
    }

    @Test("9.4 whoever comes back is sent what differs (VHDS, delta)")
    func returning() async throws {
      var world = World.twoHosts
      let old = versions(world.virtualHosts)
      world.host("x", version: 2, ["a"])
      world.removeHost("y")
      try await serving(world) { server, world in
        let stream = try await server.open(.delta)
        stream.request(.virtualHost, holding: old)
        stream.ack(
          try await stream.expect(.virtualHost, [Self.prefix + "x"], removed: [Self.prefix + "y"], of: world))
        try await stream.barrier()
        try await stream.expectNothingMore()
        let again = try await server.open(.delta)
        again.request(.virtualHost, holding: versions(world.virtualHosts))
        try await again.barrier()
        try await again.expectNothingMore()
      }
    }

    @Test(
      "9.5 who cannot take them is met with silence, and keeps its stream (VHDS; SotW, delta)",
      arguments: [
        (XDSProtocol.stateOfTheWorld, true), (.delta, false),
      ])
    func silence(_ variant: XDSProtocol, _ isCapable: Bool) async throws {
      let proxyClass = isCapable ? World.hostByHostClass : World.proxyClass
      try await RunningServer.serving(.twoHosts, classify: { _ in proxyClass }) { server, world in
        let stream = try await server.open(variant)
        stream.subscribe(.virtualHost)
        stream.subscribe(.route, [World.routeName])
        stream.ack(try await stream.expect(.route, [World.routeName], of: world))
        try await stream.expectNothingMore()
      }
    }
  }
}
