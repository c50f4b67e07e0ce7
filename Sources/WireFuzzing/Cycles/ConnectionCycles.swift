internal import EnvoyAPI
internal import Foundation
internal import GRPCTransport
internal import HTTP2Session
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import XDSServer
internal import XDSSnapshot

/// Clients that connect over TCP, subscribe, and go away, politely or not, one after another, against one server; and what
/// the process's memory does meanwhile.
public struct ConnectionCycles: Sendable {
  public let count: Int
  /// Memory is compared from here on: before, caches fill and the allocator settles.
  public let measuredAfter: Int
  public let seed: UInt64

  public init(count: Int, measuredAfter: Int, seed: UInt64) {
    self.count = count
    self.measuredAfter = measuredAfter
    self.seed = seed
  }

  public struct Report: Sendable, CustomStringConvertible {
    /// Connections made, and cycles that got a response.
    public var opened = 0
    public var subscribed = 0
    /// What the server still counts at the end.
    public var open = 0
    /// Resident memory after `measuredAfter` cycles, and at the end.
    public var bytesBefore = 0
    public var bytesAfter = 0

    public var description: String {
      let megabytes = { (bytes: Int) in String(format: "%.1f MB", Double(bytes) / 1_048_576) }
      return "\(opened) cycles, \(subscribed) with a response, \(open) left open; resident memory "
        + "\(megabytes(bytesBefore)), at the end \(megabytes(bytesAfter))"
    }
  }

  public func run() async throws -> Report {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
    do {
      let report = try await run(on: group)
      try await group.shutdownGracefully()
      return report
    } catch {
      try? await group.shutdownGracefully()
      throw error
    }
  }

  private func run(on group: MultiThreadedEventLoopGroup) async throws -> Report {
    let world = ServedWorld.small()
    for name in ServedWorld.clusterNames { world.setCluster(name, hasEndpoints: true) }
    // One class of proxies, served from the start: its first stream need not wait for a generation.
    world.classes.arrived(ServedWorld.proxyClass(of: NodeIdentity(id: "", cluster: "a")))
    let logger = Logger(label: "fuzz") { _ in SwiftLogNoOpLogHandler() }
    let xds = XDSServer(logger: logger, classify: { ServedWorld.proxyClass(of: $0) })
    xds.publish(world.generation())
    let server = GRPCServer(group: group, logger: logger) { xds.accept($0) }
    let address = try await server.bind(to: .tcp(host: "127.0.0.1", port: 0))
    var random = FuzzRandom(seed: seed)
    var report = Report()
    for cycle in 0..<count {
      if cycle == measuredAfter { report.bytesBefore = Self.residentBytes() }
      // What is served changes all the time, so that caches turn over.
      if cycle % 10 == 0 {
        world.setCluster(random.pick(ServedWorld.clusterNames), hasEndpoints: true)
        xds.publish(world.generation())
      }
      let client = CycleClient(leaving: random.pick(CycleClient.Leaving.allCases), isDelta: random.oneIn(2))
      if try await client.run(on: group.any(), address) { report.subscribed += 1 }
    }
    // The last client is gone when the server has noticed.
    let deadline = NIODeadline.now() + .seconds(20)
    while server.connectionCount + server.callCount > 0, NIODeadline.now() < deadline {
      try await Task.sleep(for: .milliseconds(5))
    }
    report.open = server.connectionCount + server.callCount
    report.opened = server.acceptedConnectionCount
    await server.shutdown(gracePeriod: .seconds(1))
    report.bytesAfter = Self.residentBytes()
    return report
  }

  private static func residentBytes() -> Int { ProcessMemory.bytes("VmRSS", of: "self") ?? 0 }
}
