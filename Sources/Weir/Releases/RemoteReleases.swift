internal import AdminServer
internal import Foundation
public import ReleaseControl
internal import TrafficModel
public import XDSServer

extension ReleaseBackend where Self == RemoteReleases {
  /// The releases of a `weir serve`, asked over its admin HTTP API:
  ///
  /// ```swift
  /// let releases = try Releases(.server("http://127.0.0.1:15014"))
  /// ```
  ///
  /// - Parameters:
  ///   - url: `http://HOST:PORT`, or https; what may stand behind it is put before each path.
  ///   - token: what the server's `--admin-token-file` holds, if it has one.
  ///   - timeout: for a whole call; where something is waited for, beyond the time of that. A change may have to wait for the
  ///     answers of webhooks that are gates.
  /// - Throws: ``ReleaseError`` with code `invalid` if it is no such address.
  public static func server(
    _ url: String, token: String? = nil, timeout: Duration = .seconds(30)
  ) throws -> RemoteReleases {
    RemoteReleases(connection: try AdminConnection(url: url, token: token, timeout: timeout))
  }
}

/// Releases that another process runs. Every call gives and throws what it does with a control plane in this process.
///
/// What finds nobody, or a server that is not ready, is tried again twice within the time; a change has an idempotency key for
/// that, its own or one that is made here, so that it is carried out once. If it is unknown in the end whether a change was made
/// (`unavailable`), the same request with the same key tells.
public struct RemoteReleases: ReleaseBackend {
  let connection: AdminConnection

  /// What an answer may wait for at a time: a server that is gone is noticed after that.
  private static let longestWait = Duration.seconds(30)
  /// The server gives no more entries at once.
  private static let pageSize = 10_000

  public func start(_ spec: ReleaseSpec, _ request: ReleaseRequest) async throws -> ReleaseStatus {
    try await change("/v1/releases", StartBody(spec: spec, request: request), request, revision: nil)
  }

  public func perform(
    _ action: ReleaseAction, on id: String, _ request: ReleaseRequest
  ) async throws -> ReleaseStatus {
    var body = MoveBody(actor: request.actor, reason: request.reason)
    if action == .approve { body.step = request.step }
    if case .setWeight(let weight) = action { body.weight = weight }
    return try await change(
      path(id) + "/" + action.kind.rawValue, body, request, revision: request.ifRevision)
  }

  public func status(of id: String) async throws -> ReleaseStatus { try await read(path(id)) }

  public func list() async throws -> [ReleaseStatus] { try await read("/v1/releases", as: ReleaseList.self).releases }

  public func history(of id: String) async throws -> [LedgerLine] {
    try await read(path(id) + "/history", as: LedgerPage.self).entries
  }

  public func ledger(after sequence: UInt64, limit: Int, of release: String?) async throws -> [LedgerLine] {
    var lines: [LedgerLine] = []
    while lines.count < limit {
      let size = min(limit - lines.count, Self.pageSize)
      var query = "?after=\(lines.last?.sequence ?? sequence)&limit=\(size)"
      if let release { query += "&release=\(AdminClient.escaped(release))" }
      let page = try await read("/v1/ledger" + query, as: LedgerPage.self).entries
      lines += page
      if page.count < size { break }
    }
    return lines
  }

  public func verify(against mark: String?) async throws -> LedgerVerdict {
    try await read("/v1/ledger/verify" + (mark.map { "?mark=\(AdminClient.escaped($0))" } ?? ""))
  }

  /// Ends when the server stops in an orderly way. If it is not heard of any longer (it says something every 15 seconds), the
  /// stream throws `unavailable`; whoever wants to go on then asks again.
  public func watch(_ id: String) async throws -> AsyncThrowingStream<ReleaseStatus, any Error> {
    let answer = try await connection.open(path(id) + "/watch")
    // A slow reader gets the newest, as in process.
    let (stream, continuation) = AsyncThrowingStream.makeStream(
      of: ReleaseStatus.self, throwing: (any Error).self, bufferingPolicy: .bufferingNewest(16))
    let reading = Task {
      do {
        try await connection.forEachLine(of: answer) { continuation.yield(try connection.decoded($0)) }
        continuation.finish()
      } catch {
        continuation.finish(throwing: error)
      }
    }
    continuation.onTermination = { _ in reading.cancel() }
    return stream
  }

  public func live(
    _ generation: UInt64, of id: String, on scope: ProxyScope, within time: Duration
  ) async throws -> LiveReport {
    let clock = ContinuousClock()
    let end = clock.now + min(max(time, .zero), .seconds(365 * 86_400))
    while true {
      let wait = min(max(end - clock.now, .zero), Self.longestWait)
      let query =
        "?generation=\(generation)&scope=\(AdminClient.escaped(scope.description))&wait=\(wait / .milliseconds(1))ms"
      let report: LiveReport = try await read(path(id) + "/live" + query, waiting: wait)
      let isFinal = report.isLive || report.supersededBy != nil || report.reason != nil
      if isFinal || clock.now >= end { return report }
    }
  }

  private func path(_ id: String) throws -> String {
    guard !id.isEmpty else { throw ReleaseError(.unknownRelease, "there is no release \"\"", release: id) }
    return "/v1/releases/" + AdminClient.escaped(id)
  }

  private func read<Answer: Decodable>(
    _ path: String, as _: Answer.Type = Answer.self, waiting: Duration = .zero
  ) async throws -> Answer {
    try connection.decoded(try await connection.send(path, waiting: waiting))
  }

  private func change(
    _ path: String, _ body: some Encodable, _ request: ReleaseRequest, revision: UInt64?
  ) async throws -> ReleaseStatus {
    try request.validate()
    var headers = [
      ("content-type", "application/json"),
      ("idempotency-key", "\"\(request.idempotencyKey ?? UUID().uuidString)\""),
    ]
    if let revision { headers.append(("if-match", "\"\(revision)\"")) }
    return try connection.decoded(
      try await connection.send(path, headers: headers, body: Array(try ReleaseJSON.encode(body))))
  }
}

/// A spec, and who starts it and why, side by side.
private struct StartBody: Encodable {
  var spec: ReleaseSpec
  var request: ReleaseRequest

  private enum Key: CodingKey { case actor, reason }

  func encode(to encoder: any Encoder) throws {
    try spec.encode(to: encoder)
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(request.actor, forKey: .actor)
    try container.encode(request.reason, forKey: .reason)
  }
}

private struct MoveBody: Encodable {
  var weight: Weight?
  var step: Int?
  var actor: String
  var reason: String
}
