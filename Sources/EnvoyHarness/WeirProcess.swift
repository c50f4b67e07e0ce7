internal import Foundation
internal import Glibc

/// A `weir serve` under test, and the other commands of the same binary.
///
/// It can be ended in any way and started again on the addresses that it had.
public actor WeirProcess {
  /// Where it serves, from its line of JSON once it is ready.
  public struct Addresses: Sendable, Hashable {
    /// `IP:PORT` of the xDS server without TLS; empty if there is none.
    public var xds: String
    /// `IP:PORT` of the one with TLS.
    public var xdsTLS: String?
    /// The path of its socket.
    public var xdsUnix: String?
    /// `IP:PORT` of the admin interface.
    public var admin: String
  }

  public nonisolated let addresses: Addresses
  public private(set) var process: ChildProcess
  private let arguments: [String]
  private var flags: [String]
  private let listeners: WeirListeners
  private let directory: TemporaryDirectory

  private init(
    addresses: Addresses, process: ChildProcess, arguments: [String], flags: [String], listeners: WeirListeners,
    directory: TemporaryDirectory
  ) {
    self.flags = flags
    self.addresses = addresses
    self.process = process
    self.arguments = arguments
    self.listeners = listeners
    self.directory = directory
  }

  /// The `weir` binary: `WEIR_BIN` from the environment, else the one built beside the running program.
  ///
  /// - Throws: ``HarnessError`` `notFound`, saying what to run.
  public static func binary() throws -> String {
    try ProgramFile.find(
      environment: "WEIR_BIN", candidates: [ProgramFile.ownDirectory + "/weir"],
      advice: "there is no weir beside this program; run swift build --product weir")
  }

  /// Starts `weir serve` and waits for the line that says where it serves.
  ///
  /// - Parameters:
  ///   - flags: further ones, as they are.
  ///   - limit: how long it may take to read the manifests.
  /// - Throws: ``HarnessError`` `exited` with what it wrote, or `timeout`.
  public static func serve(
    manifests: [String], state: String? = nil, listeners: WeirListeners = .init(plain: "127.0.0.1:0"),
    admin: String = "127.0.0.1:0", flags: [String] = [], in directory: TemporaryDirectory = .shared,
    within limit: Duration = .seconds(30)
  ) async throws -> WeirProcess {
    var arguments = ["serve", "--manifests"] + manifests
    // Never the user's own directory.
    arguments += state.map { ["--state", $0] } ?? ["--no-state"]
    let (process, addresses) = try await launch(
      arguments + flags + listeners.arguments() + ["--admin", admin], directory: directory, within: limit)
    return WeirProcess(
      addresses: addresses, process: process, arguments: arguments, flags: flags, listeners: listeners,
      directory: directory)
  }

  private static func launch(
    _ arguments: [String], directory: TemporaryDirectory, within limit: Duration = .seconds(30)
  ) async throws -> (ChildProcess, Addresses) {
    let process = try await ChildProcess.spawn(
      binary(), arguments, logPath: directory.path + "/weir.log", readsLines: true)
    do {
      let addresses = try await within(limit, "weir serve ready") { () -> Addresses in
        for await line in process.lines {
          guard let json = try? JSON(parsing: line), json["ready"].bool == true, let admin = json["admin"].string
          else { continue }
          return Addresses(
            xds: json["xds"].string ?? "", xdsTLS: json["xds_tls"].string, xdsUnix: json["xds_unix"].string,
            admin: admin)
        }
        let exit = await process.waitForExit()
        throw HarnessError(.exited, "weir serve ended with \(exit):\n\(process.logTail())")
      }
      return (process, addresses)
    } catch {
      await process.kill()
      throw error
    }
  }

  /// Starts it again with the same arguments, on the same ports. The former process must have ended.
  ///
  /// - Parameter flags: in place of those that it was started with, if given.
  public func startAgain(flags: [String]? = nil) async throws {
    if let flags { self.flags = flags }
    (process, _) = try await Self.launch(
      arguments + self.flags + listeners.arguments(at: addresses) + ["--admin", addresses.admin], directory: directory)
  }

  /// SIGTERM: it drains and should exit with 0.
  @discardableResult
  public func terminate() async -> ChildProcess.Exit {
    await process.terminate(grace: .seconds(15))
  }

  /// SIGKILL.
  @discardableResult
  public func kill() async -> ChildProcess.Exit {
    await process.kill()
  }

  /// The bootstrap that `weir bootstrap` prints for an Envoy of this server.
  public nonisolated func bootstrap(
    nodeID: String, namespace: String = "default", labels: [String: String] = [:],
    listen: String = "127.0.0.1:0", admin: String = "127.0.0.1:0", protocol: XDSProtocol = .delta,
    route: WeirRoute = .plain
  ) async throws -> String {
    var arguments = [
      "bootstrap", "--node-id", nodeID, "--namespace", namespace, "--listen", listen, "--admin", admin, "--protocol",
      `protocol`.rawValue,
    ]
    arguments += route.arguments(to: addresses)
    for (key, value) in labels.sorted(by: { $0.key < $1.key }) { arguments += ["--label", "\(key)=\(value)"] }
    return try await ChildProcess.output(of: Self.binary(), arguments)
  }
}

/// The two ways of speaking xDS.
public enum XDSProtocol: String, Sendable, CaseIterable, CustomStringConvertible {
  case delta
  case stateOfTheWorld = "sotw"

  public var description: String { rawValue }
}
