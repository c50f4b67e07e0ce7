import EnvoyAPI
import EnvoyHarness
import Foundation
import GRPCTransport
import NIOCore
import NIOPosix

/// `weir serve` as often as it is killed.
struct ServerUnderTest {
  let arguments: [String]
  let state: String
  let log: String
  private(set) var process: ChildProcess
  private var admin = ""
  private var xds = ""

  init(manifests: String, state: String, log: String) async throws {
    arguments = [
      "serve", "--manifests", manifests, "--state", state, "--xds", "127.0.0.1:0", "--admin", "127.0.0.1:0",
      "--log-level", "error",
    ]
    self.state = state
    self.log = log
    process = try await Self.spawn(arguments, log)
    try await waitUntilReady()
  }

  private static func spawn(_ arguments: [String], _ log: String) async throws -> ChildProcess {
    // What one run logs is enough to explain it.
    try? FileManager.default.removeItem(atPath: log)
    return try await ChildProcess.spawn(try WeirProcess.binary(), arguments, logPath: log, readsLines: true)
  }

  mutating func spawn() async throws { process = try await Self.spawn(arguments, log) }

  mutating func waitUntilReady() async throws {
    let process = process
    let ready = try await within(.seconds(30), "weir serve ready") { () -> JSON in
      for await line in process.lines {
        if let json = try? JSON(parsing: line), json["ready"].bool == true { return json }
      }
      throw HarnessError(.exited, "weir serve ended with \(await process.waitForExit()):\n\(process.logTail())")
    }
    admin = ready["admin"].string ?? ""
    xds = ready["xds"].string ?? ""
  }

  func resources(_ things: Int) async throws -> Observation {
    try Observation(try JSON(parsing: try await HTTPCall.get(admin, "/v1/resources").body), things: things)
  }

  /// The files that some problem names.
  func filesWithProblems() async throws -> Set<String> {
    let problems = try JSON(parsing: try await HTTPCall.get(admin, "/v1/problems").body)["problems"].array
    return Set(problems.compactMap { $0["file"].string?.split(separator: "/").last.map(String.init) })
  }

  /// A proxy comes and goes, so that there are routes for its class.
  func visit() async throws {
    let parts = xds.split(separator: ":")
    let client = try await GRPCClient.connect(
      to: .tcp(host: String(parts[0]), port: Int(parts[1]) ?? 0), group: MultiThreadedEventLoopGroup.singleton)
    var request = DiscoveryRequest()
    request.typeURL = "type.googleapis.com/envoy.config.listener.v3.Listener"
    request.node = NodeIdentity(id: "visitor")
    let bytes = request.encoded()
    let answered = client.eventLoop.makePromise(of: Void.self)
    client.start(
      method: "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources"
    ) { call in
      call.send(ByteBuffer(bytes: bytes))
      return Visitor(answered)
    }
    try await answered.futureResult.get()
    await client.close()
  }

  private final class Visitor: GRPCCallHandler {
    private let answered: EventLoopPromise<Void>
    init(_ answered: EventLoopPromise<Void>) { self.answered = answered }
    func received(message: ByteBuffer) { answered.succeed() }
    func closed(_ reason: GRPCCloseReason) {
      answered.fail(HarnessError(.connection, "the stream ended without an answer: \(reason)"))
    }
  }
}
