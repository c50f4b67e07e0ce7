internal import Foundation
internal import Glibc

/// A real Envoy under test. It runs with one worker, which makes its load balancing countable, and logs into a file.
public final class EnvoyProcess: Sendable {
  public let process: ChildProcess
  /// Where its admin interface listens, `IP:PORT`.
  public let admin: String

  private init(process: ChildProcess, admin: String) {
    self.process = process
    self.admin = admin
  }

  /// The Envoy binary: `ENVOY_BIN` from the environment, else `.venv/envoy` (from `scripts/install`) in the working
  /// directory, or in a directory above it or above the running program.
  ///
  /// - Throws: ``HarnessError`` `notFound`, saying what to run.
  public static func binary() throws -> String {
    try ProgramFile.find(
      environment: "ENVOY_BIN", candidates: ProgramFile.ancestors.map { $0 + "/.venv/envoy" },
      advice: "Envoy is not installed; run scripts/install")
  }

  /// Starts an Envoy and waits until it answers on its admin interface.
  ///
  /// - Parameters:
  ///   - bootstrap: YAML or JSON. Its admin port may be 0.
  ///   - name: the log's name, for people.
  ///   - retries: false switches off what routes say of retries (the runtime key `upstream.use_retry`), so that each
  ///     request that would have been retried fails instead, and is counted where it cannot be missed.
  ///     https://www.envoyproxy.io/docs/envoy/latest/configuration/http/http_filters/router_filter#runtime
  ///   - whenReady: wait until `/ready` says LIVE, which takes until the first configuration has arrived.
  /// - Throws: ``HarnessError`` `exited` with the end of the log if Envoy refuses the bootstrap; `timeout`.
  public static func start(
    bootstrap: String, name: String = "envoy", in directory: TemporaryDirectory = .shared,
    retries: Bool = true, whenReady: Bool = true, within limit: Duration = .seconds(45)
  ) async throws -> EnvoyProcess {
    let stem = "\(directory.path)/\(name)-\(UUID().uuidString.prefix(8))"
    let isJSON = bootstrap.first(where: { !$0.isWhitespace }) == "{"
    let configuration = stem + (isJSON ? ".json" : ".yaml")
    try Data(bootstrap.utf8).write(to: URL(fileURLWithPath: configuration))
    let addressFile = stem + ".admin"
    // Merged into the bootstrap by Envoy itself.
    let withoutRetries = "layered_runtime: {layers: [{name: harness, static_layer: {upstream.use_retry: 0}}]}"
    let process = try await ChildProcess.spawn(
      binary(),
      (retries ? [] : ["--config-yaml", withoutRetries]) + [
        "-c", configuration, "--use-dynamic-base-id", "--concurrency", "1", "--log-level", "info",
        // Envoy writes its admin's address there once it is bound.
        "--admin-address-path", addressFile,
        // Short, so that a listener that is replaced for nothing shows in a test as connections that close.
        "--drain-time-s", "2", "--parent-shutdown-time-s", "3",
      ],
      logPath: stem + ".log")

    // Envoy tells nobody when it is ready, so its file and its admin interface are asked, at short intervals.
    func check() throws {
      guard let exit = process.exit else { return }
      throw HarnessError(.exited, "Envoy ended with \(exit) while starting:\n\(process.logTail())")
    }
    do {
      var address = ""
      try await poll("Envoy's admin address in \(addressFile)", within: limit) {
        try check()
        address = (try? String(contentsOfFile: addressFile, encoding: .utf8)) ?? ""
        return address.contains(":")
      }
      let envoy = EnvoyProcess(process: process, admin: address.trimmingCharacters(in: .whitespacesAndNewlines))
      if whenReady {
        try await poll("Envoy \(name) ready", within: limit) {
          try check()
          return try await envoy.isReady()
        }
      }
      return envoy
    } catch {
      await process.kill()
      throw error
    }
  }

  /// Whether `/ready` says LIVE.
  public func isReady() async throws -> Bool {
    (try? await HTTPCall.get(admin, "/ready").status) == 200
  }

  /// SIGKILL: nothing in an Envoy under test is worth waiting for.
  public func stop() async {
    await process.kill()
  }

  /// Freezes the whole process, like a machine that swaps: connections stay, nothing is read.
  public func pause() { process.send(signal: SIGSTOP) }

  /// Ends a `pause`.
  public func resume() { process.send(signal: SIGCONT) }
}
