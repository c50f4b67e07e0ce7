import AdminServer
import Foundation
import Logging
import Synchronization
import Telemetry
import TrafficModel

/// A data source whose answers the test sets.
final class FakeSource: AdminDataSource {
  struct Broken: Error {}

  struct State: Sendable {
    var isSynced = true
    var proxies: [ProxyReport] = []
    var problems: [Problem] = []
    var resources: [ResourceReport] = []
    var queries: [ResourceQuery] = []
    var changes = ChangeList(kept: 0, changes: [])
    var resourcesError: (any Error)?
    var convergence: ConvergenceReport?
    var convergenceRequests: [ConvergenceRequest] = []
    var termination: TerminationReport?
    var terminationRequests: [TerminationRequest] = []
  }

  let state = Mutex(State())
  /// Awaited by `proxies()`, where it is set.
  let gate: Gate?

  let releases: (any ReleaseDataSource)?

  init(gate: Gate? = nil, releases: FakeReleases? = nil) {
    self.gate = gate
    self.releases = releases
  }

  var isSynced: Bool { state.withLock { $0.isSynced } }

  func proxies() async -> [ProxyReport] {
    await gate?.pass()
    return state.withLock { $0.proxies }
  }

  func problems() async -> [Problem] { state.withLock { $0.problems } }

  func changes() async -> ChangeList { state.withLock { $0.changes } }

  func convergences(
    _ request: ConvergenceRequest
  ) async throws -> AsyncThrowingStream<ConvergenceReport, any Error> {
    var report = try await convergence(request)
    return AsyncThrowingStream { continuation in
      continuation.yield(report)
      report.live = true
      continuation.yield(report)
      continuation.finish()
    }
  }

  func convergence(_ request: ConvergenceRequest) async throws -> ConvergenceReport {
    try state.withLock {
      $0.convergenceRequests.append(request)
      guard let report = $0.convergence else { throw AdminError(.badRequest, "scope: no such") }
      return report
    }
  }

  func termination(_ request: TerminationRequest) async throws -> TerminationReport {
    try state.withLock {
      $0.terminationRequests.append(request)
      guard let report = $0.termination else { throw AdminError(.notFound, "service: is not served") }
      return report
    }
  }

  func resources(_ query: ResourceQuery) async throws -> [ResourceReport] {
    try state.withLock {
      $0.queries.append(query)
      if let error = $0.resourcesError { throw error }
      return $0.resources.filter {
        (query.type == nil || $0.type == query.type) && (query.name == nil || $0.name == query.name)
      }
    }
  }
}

/// Tells when somebody has arrived, and lets them pass when told to.
struct Gate: Sendable {
  private let arrivals = AsyncStream.makeStream(of: Void.self)
  private let openings = AsyncStream.makeStream(of: Void.self)

  func pass() async {
    arrivals.continuation.yield()
    for await _ in openings.stream { return }
  }

  func waitForArrival() async {
    for await _ in arrivals.stream { return }
  }

  func open() { openings.continuation.finish() }
}

/// Starts a server on a free port, runs the body with a client, and stops the server.
func withServer<Result>(
  _ source: FakeSource = FakeSource(), metrics: MetricsRegistry = MetricsRegistry(), token: BearerToken? = nil,
  heartbeat: Duration = .seconds(15),
  _ body: (AdminClient, AdminHTTPServer) async throws -> Result
) async throws -> Result {
  let server = try await AdminHTTPServer.start(
    host: "127.0.0.1", port: 0, source: source, metrics: metrics,
    logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, token: token, heartbeat: heartbeat)
  do {
    let result = try await body(client(of: server), server)
    await server.shutdown()
    return result
  } catch {
    await server.shutdown()
    throw error
  }
}

func client(of server: AdminHTTPServer, timeout: Duration = .seconds(20)) -> AdminClient {
  let port = server.address.split(separator: ":").last.flatMap { UInt16($0) }
  return AdminClient(host: "127.0.0.1", port: port ?? 0, timeout: timeout)
}

extension AdminClient.Response {
  var text: String { String(decoding: body, as: UTF8.self) }
  func error() throws -> ErrorReport.Body { try AdminJSON.decode(ErrorReport.self, from: body).error }
}
