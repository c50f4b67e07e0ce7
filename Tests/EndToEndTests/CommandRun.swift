import EnvoyHarness
import Foundation
import Glibc
import Testing

/// A `weir` command that has ended.
struct CommandRun {
  var code: Int32
  var output: String
  var errors: String

  /// Runs `weir` with these arguments.
  static func weir(_ arguments: [String]) async throws -> CommandRun {
    let log = TemporaryDirectory.shared.path + "/weir-\(UUID().uuidString).log"
    let process = try await ChildProcess.spawn(WeirProcess.binary(), arguments, logPath: log, readsLines: true)
    var output = ""
    for await line in process.lines { output += line + "\n" }
    let exit = await process.waitForExit()
    guard case .code(let code) = exit else {
      throw HarnessError(.exited, "weir \(arguments.joined(separator: " ")) ended with \(exit)")
    }
    return CommandRun(code: code, output: output, errors: try String(contentsOfFile: log, encoding: .utf8))
  }
}

extension Mesh {
  /// Runs `weir release`, asking this mesh's server, and expects its exit code.
  @discardableResult
  func release(_ arguments: String..., exits code: Int32 = 0) async throws -> CommandRun {
    let run = try await CommandRun.weir(["release"] + arguments + ["--server", "http://\(weir.addresses.admin)"])
    #expect(run.code == code, "weir release \(arguments.joined(separator: " ")): \(run.output)\(run.errors)")
    return run
  }

  /// A further sidecar of this mesh.
  ///
  /// - Parameter refusesExpressions: by a runtime key that makes its Envoy refuse, with the whole response, any route that
  ///   matches by a regular expression as Weir writes it. Other Envoys take it.
  func sidecar(
    _ name: String, _ protocol: XDSProtocol = .delta, refusesExpressions: Bool = false
  ) async throws -> EnvoyProcess {
    var bootstrap = try await weir.bootstrap(
      nodeID: name, namespace: "shop", listen: "\(LoopbackAddress.next()):15001", protocol: `protocol`)
    if refusesExpressions {
      let brace = try #require(bootstrap.firstIndex(of: "{"))
      bootstrap.insert(
        contentsOf: """
          "layered_runtime": {"layers": [{"name": "strict", "static_layer": \
          {"envoy.deprecated_features:envoy.type.matcher.v3.RegexMatcher.google_re2": false}}]},
          """, at: bootstrap.index(after: brace))
    }
    return try await EnvoyProcess.start(bootstrap: bootstrap, name: name, in: directory)
  }
}
