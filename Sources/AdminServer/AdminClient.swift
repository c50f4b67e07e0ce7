internal import NIOCore
internal import NIOHTTP1
internal import NIOPosix

/// Asks an admin server. Each call opens a connection of its own.
public struct AdminClient: Sendable {
  public let host: String
  public let port: UInt16
  /// For a whole call, from connecting to the last byte.
  public let timeout: Duration
  private static let largestBody = 256 << 20

  public init(host: String, port: UInt16, timeout: Duration = .seconds(5)) {
    self.host = host
    self.port = port
    self.timeout = timeout
  }

  /// `GET /v1/proxies`.
  public func proxies() async throws -> [ProxyReport] { try await get("/v1/proxies", as: ProxyList.self).proxies }

  /// `GET /v1/changes`.
  public func changes() async throws -> ChangeList { try await get("/v1/changes", as: ChangeList.self) }

  /// `GET /v1/convergence`. The client's time must be longer than the time to wait.
  public func convergence(_ request: ConvergenceRequest) async throws -> ConvergenceReport {
    var query = [("scope", request.scope), ("wait", Self.seconds(request.wait))]
    if let generation = request.generation { query.append(("generation", "\(generation)")) }
    if let service = request.service { query.append(("service", service)) }
    if request.atLeast != 1 { query.append(("at-least", "\(request.atLeast)")) }
    if request.listsLive { query.append(("all", "true")) }
    return try await get("/v1/convergence" + Self.text(of: query), as: ConvergenceReport.self)
  }

  /// `GET /v1/safe-to-terminate`. The client's time must be longer than the time to wait.
  public func termination(_ request: TerminationRequest) async throws -> TerminationReport {
    var query = [("wait", Self.seconds(request.wait))]
    switch request.subject {
    case .endpoint(let address): query.append(("address", address))
    case .subset(let subset, let service, let port):
      query += [("service", service), ("subset", subset)]
      if let port { query.append(("port", "\(port)")) }
    }
    return try await get("/v1/safe-to-terminate" + Self.text(of: query), as: TerminationReport.self)
  }

  /// `POST /v1/proxies/forget`.
  ///
  /// - Parameter token: what the server's `--admin-token-file` holds, if it has one.
  public func forgetProxy(
    _ nodeID: String, actor: String, reason: String, token: String? = nil
  ) async throws -> ForgottenProxy {
    var headers = ["content-type": "application/json"]
    if let token { headers["authorization"] = "Bearer \(token)" }
    let body = try AdminJSON.encode(["node": nodeID, "actor": actor, "reason": reason])
    return try decoded(try await send("POST", "/v1/proxies/forget", headers: headers, body: body))
  }

  private static func seconds(_ duration: Duration) -> String { "\(duration / .milliseconds(1))ms" }

  /// As a part of a path, or a value of a query: every byte but letters, digits and `-._~` as `%XX`.
  public static func escaped(_ text: String) -> String {
    let plain = Set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~".utf8)
    return text.utf8.map { byte in
      if plain.contains(byte) { return String(UnicodeScalar(byte)) }
      let digits = String(byte, radix: 16, uppercase: true)
      return "%" + (digits.count < 2 ? "0" : "") + digits
    }.joined()
  }

  private static func text(of query: [(String, String)]) -> String {
    "?" + query.map { "\($0.0)=\(escaped($0.1))" }.joined(separator: "&")
  }

  private func get<Answer: Decodable>(_ path: String, as _: Answer.Type) async throws -> Answer {
    try decoded(try await send("GET", path))
  }

  private func decoded<Answer: Decodable>(_ response: Response) throws -> Answer {
    guard response.status == 200 else {
      let report = try? AdminJSON.decode(ErrorReport.self, from: response.body)
      throw AdminError(
        response.status == 503 ? .unavailable : .badResponse,
        "\(name) answered \(response.status)\(report.map { ": \($0.error.message)" } ?? "")")
    }
    do {
      return try AdminJSON.decode(Answer.self, from: response.body)
    } catch {
      throw AdminError(.badResponse, "\(name) does not answer as an admin server of Weir", cause: error)
    }
  }

  public struct Response: Sendable {
    public var status: Int
    /// By lower-case name; the last one of a name counts.
    public var headers: [String: String]
    public var body: [UInt8]
  }

  /// One request.
  /// - Throws: `AdminError` with code `unreachable`, `unavailable`, `timeout` or `badResponse`.
  public func send(
    _ method: String, _ path: String, headers: [String: String] = [:], body: [UInt8] = []
  ) async throws -> Response {
    do {
      return try await withThrowingTaskGroup(of: Response.self) { tasks in
        tasks.addTask { try await exchange(method, path, headers, body) }
        tasks.addTask {
          try await Task.sleep(for: timeout)
          throw AdminError(.timeout, "\(name) did not answer within \(timeout)")
        }
        defer { tasks.cancelAll() }
        guard let response = try await tasks.next() else { throw CancellationError() }
        return response
      }
    } catch let error as AdminError {
      throw error
    } catch is CancellationError {
      throw CancellationError()
    } catch {
      throw AdminError(.unreachable, describe(error), cause: error)
    }
  }

  private var name: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }

  private func exchange(
    _ method: String, _ path: String, _ headers: [String: String], _ body: [UInt8]
  ) async throws -> Response {
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .connectTimeout(TimeAmount(timeout))
      .connect(host: host, port: Int(port)) { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHTTPClientHandlers()
          return try NIOAsyncChannel(
            wrappingChannelSynchronously: channel,
            configuration: .init(inboundType: HTTPClientResponsePart.self, outboundType: HTTPClientRequestPart.self))
        }
      }
    return try await channel.executeThenClose { inbound, outbound in
      var head = HTTPRequestHead(
        version: .http1_1, method: HTTPMethod(rawValue: method), uri: path,
        headers: ["host": name, "connection": "close", "accept": "*/*"])
      for (name, value) in headers { head.headers.replaceOrAdd(name: name, value: value) }
      if !body.isEmpty { head.headers.replaceOrAdd(name: "content-length", value: "\(body.count)") }
      var parts = [HTTPClientRequestPart.head(head)]
      if !body.isEmpty { parts.append(.body(.byteBuffer(ByteBuffer(bytes: body)))) }
      // A server may answer and close before it has read all; its answer counts then.
      var failure: (any Error)?
      do { try await outbound.write(contentsOf: parts + [.end(nil)]) } catch { failure = error }
      var response: Response?
      for try await part in inbound {
        switch part {
        case .head(let head):
          let headers = head.headers.map { ($0.name.lowercased(), $0.value) }
          response = Response(
            status: Int(head.status.code), headers: Dictionary(headers) { _, last in last }, body: [])
        case .body(let buffer):
          response?.body += buffer.readableBytesView
          guard response?.body.count ?? 0 <= Self.largestBody else {
            throw AdminError(.badResponse, "\(name) answered more than \(Self.largestBody) bytes")
          }
        case .end:
          if let response { return response }
        }
      }
      try Task.checkCancellation()
      if let failure { throw failure }
      throw AdminError(.unavailable, "\(name) closed the connection before it had answered")
    }
  }

  private func describe(_ error: any Error) -> String {
    let causes: [any Error] =
      (error as? NIOConnectionError).map { $0.connectionErrors.map { $0.error as any Error } } ?? [error]
    if !causes.isEmpty, causes.allSatisfy({ ($0 as? IOError)?.errnoCode == ECONNREFUSED }) {
      return "nothing listens at \(name)"
    }
    if let connection = error as? NIOConnectionError, connection.connectionErrors.isEmpty {
      return "\(host) cannot be resolved"
    }
    return "cannot ask \(name): \(causes.map { "\($0)" }.joined(separator: "; "))"
  }
}
