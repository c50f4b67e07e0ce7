internal import AdminServer
internal import AsyncHTTPClient
internal import Foundation
internal import NIOCore
internal import NIOPosix
internal import ReleaseControl

/// A server that is asked over HTTP: where it is, for how long, and what its errors mean.
struct AdminConnection: Sendable {
  private let base: String
  private let token: String?
  private let timeout: Duration

  private static let retries = 2
  private static let retryDelay = Duration.milliseconds(100)
  private static let largestAnswer = 256 << 20
  private static let largestLine = 4 << 20

  // Neither is ever shut down: a value that is copied around has no end to do that at.
  private static let calls = client(idle: nil)
  /// Three heartbeats of the server.
  private static let watches = client(idle: .seconds(45))

  private static func client(idle: TimeAmount?) -> HTTPClient {
    var configuration = HTTPClient.Configuration(
      // A token is for the server that it was given for.
      redirectConfiguration: .disallow, timeout: .init(connect: .seconds(5), read: idle))
    configuration.httpVersion = .http1Only
    // Whoever asks tries again, and wants to know soon that nobody is there.
    configuration.connectionPool.retryConnectionEstablishment = false
    // Sooner than the server closes what is idle.
    configuration.connectionPool.idleTimeout = .seconds(30)
    return HTTPClient(eventLoopGroup: MultiThreadedEventLoopGroup.singleton, configuration: configuration)
  }

  init(url: String, token: String?, timeout: Duration) throws {
    var base = url
    while base.hasSuffix("/") { base.removeLast() }
    guard let parts = URLComponents(string: base), let scheme = parts.scheme?.lowercased(),
      scheme == "http" || scheme == "https", let host = parts.host, !host.isEmpty, parts.query == nil,
      parts.fragment == nil, parts.user == nil
    else { throw ReleaseError(.invalid, "\(url) is no address of a server: http://HOST:PORT") }
    if let token {
      guard !token.isEmpty, token.utf8.allSatisfy({ $0 > 0x20 && $0 < 0x7f }) else {
        throw ReleaseError(.invalid, "a token is printable ASCII")
      }
    }
    self.base = base
    self.token = token
    self.timeout = timeout
  }

  /// One call, tried again if nobody was there.
  ///
  /// - Parameters:
  ///   - body: makes it a POST.
  ///   - waiting: how long the server may take beyond the usual time.
  /// - Returns: the body of the answer.
  /// - Throws: ``ReleaseError``; `CancellationError`.
  func send(
    _ path: String, headers: [(String, String)] = [], body: [UInt8]? = nil, waiting: Duration = .zero
  ) async throws -> [UInt8] {
    try await withTime(timeout + waiting) {
      try await retrying {
        let response = try await Self.calls.execute(
          request(path, headers, body), deadline: .distantFuture)
        let answer = Array(try await response.body.collect(upTo: Self.largestAnswer).readableBytesView)
        guard (200..<300).contains(response.status.code) else { throw error(Int(response.status.code), answer) }
        return answer
      }
    }
  }

  /// An answer that goes on, once it has begun.
  func open(_ path: String) async throws -> HTTPClientResponse.Body {
    try await withTime(timeout) {
      try await retrying {
        let response = try await Self.watches.execute(
          request(path, [("accept", "application/x-ndjson")], nil), deadline: .distantFuture)
        guard response.status == .ok else {
          throw error(
            Int(response.status.code),
            Array(try await response.body.collect(upTo: Self.largestLine).readableBytesView))
        }
        return response.body
      }
    }
  }

  /// Each line of it, when it is there; empty ones only say that the server is.
  func forEachLine(of answer: HTTPClientResponse.Body, _ body: ([UInt8]) throws -> Void) async throws {
    var rest: [UInt8] = []
    do {
      for try await chunk in answer {
        rest += chunk.readableBytesView
        while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
          if end > 0 { try body(Array(rest[..<end])) }
          rest.removeSubrange(...end)
        }
        guard rest.count <= Self.largestLine else { throw unavailable("sends a line without an end") }
      }
    } catch {
      throw translated(error)
    }
  }

  func decoded<Answer: Decodable>(_ bytes: [UInt8]) throws -> Answer {
    do {
      return try ReleaseJSON.decode(Answer.self, from: Data(bytes))
    } catch {
      throw unavailable("does not answer as an admin server of Weir")
    }
  }

  // MARK: -

  private func request(_ path: String, _ headers: [(String, String)], _ body: [UInt8]?) -> HTTPClientRequest {
    var request = HTTPClientRequest(url: base + path)
    for (name, value) in headers { request.headers.add(name: name, value: value) }
    if let token { request.headers.add(name: "authorization", value: "Bearer \(token)") }
    if let body {
      request.method = .POST
      request.body = .bytes(body)
    }
    return request
  }

  private func retrying<Answer: Sendable>(_ body: () async throws -> Answer) async throws -> Answer {
    var delay = Self.retryDelay
    for _ in 0..<Self.retries {
      do {
        return try await body()
      } catch {
        let error = translated(error)
        guard (error as? ReleaseError)?.code == .unavailable else { throw error }
      }
      try await Task.sleep(for: delay)
      delay *= 2
    }
    do {
      return try await body()
    } catch {
      throw translated(error)
    }
  }

  private func withTime<Answer: Sendable>(
    _ time: Duration, _ body: @escaping @Sendable () async throws -> Answer
  ) async throws -> Answer {
    try await withThrowingTaskGroup(of: Answer.self) { tasks in
      tasks.addTask { try await body() }
      tasks.addTask {
        try await Task.sleep(for: time)
        throw unavailable("did not answer within \(time)")
      }
      defer { tasks.cancelAll() }
      guard let answer = try await tasks.next() else { throw CancellationError() }
      return answer
    }
  }

  /// What the server said, as it would have been thrown in its own process.
  private func error(_ status: Int, _ body: [UInt8]) -> ReleaseError {
    guard let said = try? ReleaseJSON.decode(ErrorReport.self, from: Data(body)).error else {
      return unavailable("answers \(status), and not as an admin server of Weir")
    }
    if let code = ReleaseError.Code(rawValue: said.code) {
      return ReleaseError(code, said.message, release: said.release, allowedNow: said.allowedNow ?? [])
    }
    switch said.code {
    case "bad_request", "content_too_large", "unsupported_media_type": return ReleaseError(.invalid, said.message)
    case "unauthorized", "forbidden": return ReleaseError(.unauthorized, "\(base): \(said.message)")
    default: return unavailable("answers \(status): \(said.message)")
    }
  }

  private func translated(_ error: any Error) -> any Error {
    switch error {
    case is ReleaseError, is CancellationError: return error
    default:
      if Task.isCancelled { return CancellationError() }
      return unavailable(Self.words(for: error))
    }
  }

  private func unavailable(_ what: String) -> ReleaseError { ReleaseError(.unavailable, "\(base) \(what)") }

  private static func words(for error: any Error) -> String {
    let causes = (error as? NIOConnectionError).map { $0.connectionErrors.map { $0.error as any Error } } ?? [error]
    if !causes.isEmpty, causes.allSatisfy({ ($0 as? IOError)?.errnoCode == ECONNREFUSED }) {
      return "cannot be asked: nothing listens there"
    }
    switch error as? HTTPClientError {
    case .connectTimeout: return "cannot be asked: nobody takes the connection"
    case .remoteConnectionClosed: return "closed the connection before it had answered"
    case .readTimeout: return "has not been heard of for too long"
    default: return "cannot be asked: \(error)"
    }
  }
}
