import Foundation
import GRPCTransport
import Logging
import NIOCore
import Testing
import Weir
import XDSServer

@testable import WeirLoad

/// The fleet against a real control plane in this process.
@Suite(.timeLimit(.minutes(1)))
struct FleetTests {
  private static let service = """
    apiVersion: v1
    kind: Service
    metadata: {name: a, namespace: shop}
    spec: {ports: [{name: http, port: 80}]}
    """
  private static let slice = """
    apiVersion: discovery.k8s.io/v1
    kind: EndpointSlice
    metadata: {name: a-1, namespace: shop, labels: {kubernetes.io/service-name: a}}
    addressType: IPv4
    ports: [{name: http, port: 8080}]
    endpoints: [{addresses: ["10.0.0.{octet}"]}]
    """

  private func withFleet(
    _ variant: XDSProtocol, proxies: Int, slow: Int = 0, keepsVersions: Bool = false,
    _ body: (Fleet, Trigger) async throws -> Void
  ) async throws {
    let directory = FileManager.default.temporaryDirectory.appendingPathComponent("weir-load-\(UUID())")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    try Data(Self.service.utf8).write(to: directory.appendingPathComponent("service.yaml"))
    let trigger = Trigger.file(path: directory.appendingPathComponent("slice.yaml").path, template: Self.slice)
    try await trigger.fire(0)
    let plane = try await ControlPlane.start(
      ControlPlaneConfiguration(manifests: [directory.path], listeners: [.tcp(host: "127.0.0.1", port: 0)], admin: nil),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    let port = try #require(Int(plane.xdsAddress.split(separator: ":").last ?? ""))
    var plan = Fleet.Plan(target: .tcp(host: "127.0.0.1", port: port), variant: variant, proxies: proxies)
    plan.slowProxies = slow
    plan.slowPause = .hours(1)
    plan.keepsVersions = keepsVersions
    plan.threads = 2
    let fleet = try await Fleet(plan)
    do {
      try await fleet.connect()
      #expect(try await fleet.waitForSync(within: .seconds(20)).count == proxies - slow)
      try await body(fleet, trigger)
    } catch {
      try? await fleet.shutdown()
      await plane.drain(within: .zero)
      throw error
    }
    try await fleet.shutdown()
    await plane.drain(within: .zero)
  }

  @Test("Every proxy syncs, and gets each change once", arguments: XDSProtocol.allCases)
  func changes(_ variant: XDSProtocol) async throws {
    try await withFleet(variant, proxies: 12) { fleet, trigger in
      let synced = try await fleet.totals()
      // A cluster, its assignment, a listener and a route configuration.
      #expect(synced.streams == 12)
      #expect(synced.resources == 12 * 4)
      for number in 1...5 {
        let result = try await fleet.round(number, within: .seconds(10)) { try await trigger.fire(number) }
        #expect(result.samples.count == 12)
        #expect(result.missing == 0)
      }
      let totals = try await fleet.totals()
      #expect(totals.resources - synced.resources == 12 * 5)
      #expect(totals.lost == 0)
    }
  }

  @Test("A proxy that comes back claims what it holds and is sent what has changed")
  func storm() async throws {
    try await withFleet(.delta, proxies: 8, keepsVersions: true) { fleet, trigger in
      _ = try await fleet.round(1, within: .seconds(10)) { try await trigger.fire(1) }
      let before = try await fleet.totals()
      try await fleet.disconnect()
      let result = try await fleet.round(2, within: .seconds(10)) {
        try await trigger.fire(2)
        try await fleet.connect()
      }
      #expect(result.missing == 0)
      let totals = try await fleet.totals()
      #expect(totals.resources - before.resources == 8)
      #expect(totals.lost == 0)
    }
  }

  @Test("Nobody waits for slow readers")
  func slowReaders() async throws {
    try await withFleet(.delta, proxies: 6, slow: 2) { fleet, trigger in
      let result = try await fleet.round(1, within: .seconds(10)) { try await trigger.fire(1) }
      #expect(result.samples.count == 4)
      #expect(result.missing == 0)
    }
  }

  @Test("A proxy that leaves its socket unread is not waited for, and catches up")
  func stalled() async throws {
    try await withFleet(.delta, proxies: 4) { fleet, trigger in
      try await fleet.stall(1)
      let before = try await fleet.totals()
      for number in 1...3 {
        let result = try await fleet.round(number, within: .seconds(10)) { try await trigger.fire(number) }
        #expect(result.samples.count == 3)
        #expect(result.missing == 0)
      }
      #expect(try await fleet.totals().messages - before.messages == 3 * 3)
      #expect(try await fleet.endStall(within: .seconds(20)) == 0)
      let result = try await fleet.round(4, within: .seconds(10)) { try await trigger.fire(4) }
      #expect(result.samples.count == 4)
      #expect(try await fleet.totals().lost == 0)
    }
  }

  @Test("Claims come from any entry on, each name once, without those that changed")
  func claims() throws {
    let pool = ListPool()
    let texts = ["a", "b", "c", "d"].map { Array($0.utf8) }
    func claims(without names: [String], startingAt entry: Int) throws -> [String] {
      // The texts outlive the pointers: they are read at once.
      let resources = texts.map { text in
        text.withUnsafeBytes { ScannedResponse.Resource(name: $0, version: $0, body: $0) }
      }
      var bytes: [UInt8] = []
      pool.versions(resources).append(without: names, startingAt: entry, to: &bytes)
      var found: [String] = []
      try bytes.withUnsafeBytes { message in
        try FieldScan.forEach(at: [5, 1], in: message) { found.append(String(utf8: $0)) }
      }
      return found
    }
    #expect(try claims(without: [], startingAt: 0) == ["a", "b", "c", "d"])
    #expect(try claims(without: [], startingAt: 6) == ["c", "d", "a", "b"])
    #expect(try claims(without: ["a", "c", "x"], startingAt: 3) == ["d", "b"])
    #expect(try claims(without: ["d"], startingAt: 3) == ["a", "b", "c"])
  }

  @Test("A change that does not come is missed by every proxy")
  func missed() async throws {
    try await withFleet(.delta, proxies: 3) { fleet, _ in
      // Nothing triggers a change, so the round ends by its limit and reaches nobody.
      let result = try await fleet.round(1, within: .milliseconds(50)) {}
      #expect(result.missing == 3)
      #expect(result.samples.isEmpty)
    }
  }
}
