import EnvoyAPI
import Foundation
import GRPCTransport
import Logging
import NIOCore
import NIOPosix
import Testing
import TrafficModel
import Weir

@Suite struct ControlPlaneTests {
  private let logger = Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() })

  private func withManifests<Result>(
    _ files: [String: String], _ body: (_ directory: String) async throws -> Result
  ) async throws -> Result {
    let directory = FileManager.default.temporaryDirectory.appending(path: "weir-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: directory) }
    for (name, text) in files { try Data(text.utf8).write(to: directory.appending(path: name)) }
    return try await body(directory.path)
  }

  @Test func startsWithinTheProcessAndDrains() async throws {
    try await withManifests(["catalog.yaml": catalog]) { directory in
      let plane = try await ControlPlane.start(
        ControlPlaneConfiguration(
          manifests: [directory], listeners: [.tcp(host: "127.0.0.1", port: 0)], admin: ("127.0.0.1", 0)),
        logger: logger)
      #expect(plane.xdsAddress.hasPrefix("127.0.0.1:"))
      #expect(plane.adminAddress?.hasPrefix("127.0.0.1:") == true)
      #expect(await plane.proxies().isEmpty)
      #expect(await plane.problems().map(\.severity) == [.warning])
      await plane.drain(within: .seconds(5))
      try await plane.waitUntilStopped()
    }
  }

  @Test func anAddressInUseIsAnErrorThatNamesIt() async throws {
    try await withManifests([:]) { directory in
      let first = try await ControlPlane.start(
        ControlPlaneConfiguration(manifests: [directory], listeners: [.tcp(host: "127.0.0.1", port: 0)], admin: nil),
        logger: logger)
      let port = try #require(Int(first.xdsAddress.split(separator: ":")[1]))
      let error = await #expect(throws: ControlPlaneError.self) {
        _ = try await ControlPlane.start(
          ControlPlaneConfiguration(
            manifests: [directory], listeners: [.tcp(host: "127.0.0.1", port: port)], admin: nil),
          logger: logger)
      }
      #expect(error?.message.contains("127.0.0.1:\(port)") == true)
      await first.drain(within: .seconds(5))
    }
  }

  @Test func aCheckSaysWhatAServerWouldSay() async throws {
    try await withManifests(["catalog.yaml": catalog, "broken.yaml": "kind: Service\napiVersion: v1\n"]) { directory in
      let problems = ControlPlane.check(directories: [directory])
      #expect(problems.map(\.severity) == [.error, .warning])
      #expect(problems.first?.location?.file == "\(directory)/broken.yaml")
    }
  }

  @Test func aSocketInTheFileSystem() async throws {
    try await withManifests(["catalog.yaml": catalog]) { directory in
      let path = "/tmp/weir-\(UInt32.random(in: 0 ... .max)).sock"
      let plane = try await ControlPlane.start(
        ControlPlaneConfiguration(manifests: [directory], listeners: [.unix(path: path)], admin: nil), logger: logger)
      #expect(plane.xdsAddress == path)
      await plane.drain(within: .seconds(5))
    }
  }
}
