import EnvoyBootstrap
import EnvoyHarness
import Foundation
import Testing

/// Asks the real Envoy, which `make test` installs into `.venv`.
@Suite(.serialized, .timeLimit(.minutes(1))) struct RealEnvoyTests {
  @Test(
    arguments: ["127.0.0.1:15010", "[::1]:15010", "weir.infra.svc.cluster.local:15010"],
    SidecarBootstrap.DiscoveryProtocol.allCases)
  func itIsValid(xds: String, discoveryProtocol: SidecarBootstrap.DiscoveryProtocol) throws {
    let bootstrap = SidecarBootstrap(
      nodeID: "reviews-1: \"quoted\" #\u{85}", namespace: "shop", labels: ["app": "reviews", "a/b": "true"],
      xds: .plain(try HostPort(xds)), discoveryProtocol: discoveryProtocol)
    let run = try Envoy.run(bootstrap, ["--mode", "validate", "-l", "warning"])
    #expect(run.status == 0)
    #expect(run.log.filter { !$0.contains("OK") && !$0.isEmpty } == [])
  }

  @Test func itIsValidOverEachTransport() async throws {
    // Envoy reads the files when it validates.
    let authority = try await CertificateAuthority("bootstrap", in: .shared)
    let web = try await authority.issue("web")
    let client = UpstreamTLS.Client(certificate: web.certificate, key: web.key)
    let ways: [ControlPlaneAddress] = [
      .unix(path: "/run/weir/xds.sock"),
      .tls(HostPort(host: "127.0.0.1", port: 15012), UpstreamTLS(ca: authority.certificate)),
      .tls(
        HostPort(host: "weir.infra", port: 15012),
        UpstreamTLS(ca: authority.certificate, client: client, serverName: "weir.test")),
    ]
    for way in ways {
      let run = try Envoy.run(SidecarBootstrap(nodeID: "reviews-1", xds: way), ["--mode", "validate", "-l", "warning"])
      #expect(run.status == 0, "\(way)")
      #expect(run.log.filter { !$0.contains("OK") && !$0.isEmpty } == [])
    }
  }

  @Test func itStartsWithoutWarnings() throws {
    // Port 9 of a test network (RFC 5737) answers nobody: the stream's failure is no matter here.
    let bootstrap = SidecarBootstrap(
      nodeID: "reviews-1", xds: .plain(HostPort(host: "192.0.2.1", port: 9)),
      admin: HostPort(host: "127.0.0.1", port: 0))
    let run = try Envoy.run(bootstrap, ["-l", "info"], until: "starting main dispatch loop")
    #expect(run.log.contains { $0.contains("starting main dispatch loop") })
    let complaints = run.log.filter { line in
      ["[warning]", "[error]", "[critical]"].contains { line.contains($0) }
    }
    #expect(complaints == [])
  }
}

private enum Envoy {
  struct Missing: Error, CustomStringConvertible {
    var description: String { "there is no Envoy in .venv; `make test` installs it" }
  }

  static func executable() throws -> URL {
    let package = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let libraries = package.appending(path: ".venv/lib")
    let pythons = (try? FileManager.default.contentsOfDirectory(at: libraries, includingPropertiesForKeys: nil)) ?? []
    for python in pythons {
      let candidate = python.appending(path: "site-packages/envoy/_bin/envoy")
      if FileManager.default.isExecutableFile(atPath: candidate.path()) { return candidate }
    }
    throw Missing()
  }

  /// Runs Envoy to its end, or until a line of its log contains the text, and gives back its log (and standard output).
  static func run(
    _ bootstrap: SidecarBootstrap, _ arguments: [String], until text: String? = nil
  ) throws -> (status: Int32, log: [String]) {
    let executable = try executable()
    let folder = FileManager.default.temporaryDirectory.appending(path: "weir-bootstrap-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    let file = folder.appending(path: "bootstrap.yaml")
    try Data(bootstrap.json().utf8).write(to: file)
    let process = Process()
    let output = Pipe()
    process.executableURL = executable
    process.arguments = ["-c", file.path(), "--disable-hot-restart"] + arguments
    process.standardOutput = output
    process.standardError = output
    try process.run()
    var log = Data()
    while true {
      let chunk = output.fileHandleForReading.availableData
      if chunk.isEmpty { break }
      log += chunk
      if let text, log.range(of: Data(text.utf8)) != nil {
        // Not SIGTERM: a child of a thread of Swift's pool inherits that thread's mask, which blocks it.
        kill(process.processIdentifier, SIGKILL)
        break
      }
    }
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: log, as: UTF8.self).split(separator: "\n").map(String.init))
  }
}
