import AdminServer
import Foundation
import Logging
import Telemetry
import Testing
import TrafficModel

@testable import WeirCommand

/// The built `weir`: what goes to which stream, and with which exit code.
@Suite(.timeLimit(.minutes(1))) struct ExecutableTests {
  struct Run {
    var status: Int32
    var output: String
    var errors: String
  }

  /// Off the threads of Swift's pool: the reads block.
  private func weir(_ arguments: String...) async throws -> Run {
    let executable = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "weir")
    return try await withCheckedThrowingContinuation { continuation in
      Thread.detachNewThread {
        continuation.resume(with: Result { try Self.run(executable, arguments) })
      }
    }
  }

  private static func run(_ executable: URL, _ arguments: [String]) throws -> Run {
    let folder = FileManager.default.temporaryDirectory.appending(path: "weir-command-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    // Files, not pipes: nobody has to read them while the process runs.
    let output = folder.appending(path: "output")
    let errors = folder.appending(path: "errors")
    for file in [output, errors] { try Data().write(to: file) }
    let process = Process()
    process.executableURL = executable
    process.arguments = arguments
    process.standardOutput = try FileHandle(forWritingTo: output)
    process.standardError = try FileHandle(forWritingTo: errors)
    try process.run()
    process.waitUntilExit()
    return Run(
      status: process.terminationStatus, output: String(decoding: try Data(contentsOf: output), as: UTF8.self),
      errors: String(decoding: try Data(contentsOf: errors), as: UTF8.self))
  }

  @Test func helpAndVersionSucceed() async throws {
    let version = try await weir("--version")
    #expect((version.status, version.output, version.errors) == (0, RootCommand.version + "\n", ""))
    for command in ["serve", "check", "bootstrap", "proxies", "live", "release", "completions"] {
      let help = try await weir(command, "--help")
      #expect(help.status == 0)
      #expect(help.output.contains("USAGE: weir \(command)"))
      #expect(help.errors == "")
    }
    #expect(try await weir().output.contains("SUBCOMMANDS:"))
  }

  @Test func wrongUsageExitsWithOneAndSpeaksOnStderr() async throws {
    for arguments in [
      ["serve"], ["serve", "--manifests", "/does/not/exist"], ["check", "/does/not/exist"], ["dance"],
    ] {
      let run = try await weir(arguments[0], arguments.count > 1 ? arguments[1] : "--nothing")
      #expect(run.status == 1)
      #expect(run.output == "")
      #expect(run.errors.hasPrefix("Error: "))
    }
  }

  @Test func bootstrapPrintsJSONAlone() async throws {
    let run = try await weir("bootstrap", "--xds", "127.0.0.1:15010", "--node-id", "n", "--label", "a=b")
    #expect(run.status == 0)
    #expect(run.errors == "")
    let document = try JSONSerialization.jsonObject(with: Data(run.output.utf8)) as? [String: Any]
    #expect((document?["node"] as? [String: Any])?["id"] as? String == "n")
  }

  @Test func proxiesAsksTheAdminServer() async throws {
    let server = try await AdminHTTPServer.start(
      host: "127.0.0.1", port: 0, source: OneProxy(), metrics: MetricsRegistry(),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    let table = try await weir("proxies", "--admin", "http://\(server.address)")
    #expect(table.status == 0)
    #expect(table.output.contains("shop-1"))
    let json = try await weir("proxies", "--json", "--admin", server.address)
    #expect(try AdminJSON.decode(ProxyList.self, from: Array(json.output.utf8)).proxies == [OneProxy.proxy])
    await server.shutdown()
    let gone = try await weir("proxies", "--admin", server.address)
    #expect(gone.status == 1)
    #expect(gone.output == "")
    #expect(gone.errors.hasPrefix("Error: nothing listens at \(server.address)"))
  }

  private struct OneProxy: AdminDataSource {
    static let proxy = ProxyReport(
      nodeID: "shop-1", namespace: "shop", kind: "sidecar", protocol: .delta, remoteAddress: "127.0.0.1:1",
      connectedSince: Date(timeIntervalSince1970: 1_700_000_000))
    var isSynced: Bool { true }
    func proxies() async -> [ProxyReport] { [Self.proxy] }
    func problems() async -> [Problem] { [] }
    func resources(_ query: ResourceQuery) async throws -> [ResourceReport] { [] }
  }
}
