internal import AsyncHTTPClient
public import NIOCore
internal import NIOHTTP1

/// What a webhook answered.
public struct WebhookResponse: Sendable, Hashable {
  public var status: Int
  /// What it asks to wait before the next attempt.
  public var retryAfter: Duration?
  /// Its beginning.
  public var body: [UInt8]

  public init(status: Int, retryAfter: Duration? = nil, body: [UInt8] = []) {
    self.status = status
    self.retryAfter = retryAfter
    self.body = body
  }

  public var isSuccess: Bool { (200..<300).contains(status) }
}

/// Sends requests to webhooks.
public protocol WebhookTransport: Sendable {
  /// One POST.
  ///
  /// - Throws: if there is no answer in time.
  func send(_ request: WebhookRequest, timeout: Duration) async throws -> WebhookResponse
}

/// Over HTTP/1.1 or HTTP/2, with TLS for `https`. A redirect is an answer like another: it is not followed, for it could
/// lead anywhere.
public final class HTTPWebhookTransport: WebhookTransport {
  /// What of an answer is read.
  private static let bodyLimit = 64 * 1_024
  private let client: HTTPClient

  public init(group: any EventLoopGroup) {
    var configuration = HTTPClient.Configuration()
    configuration.redirectConfiguration = .disallow
    configuration.timeout.connect = .seconds(10)
    // Whoever sends tries again by itself, and wants to know why it failed.
    configuration.connectionPool.retryConnectionEstablishment = false
    client = HTTPClient(eventLoopGroupProvider: .shared(group), configuration: configuration)
  }

  /// To be called once, at the end.
  public func close() async throws { try await client.shutdown() }

  public func send(_ request: WebhookRequest, timeout: Duration) async throws -> WebhookResponse {
    // The client's own deadline ends when the answer begins; a body that drips would be waited for without end.
    try await withThrowingTaskGroup(of: WebhookResponse.self) { group in
      group.addTask { try await self.exchange(request) }
      group.addTask {
        try await Task.sleep(for: timeout)
        throw Timeout(limit: timeout)
      }
      defer { group.cancelAll() }
      guard let response = try await group.next() else { throw CancellationError() }
      return response
    }
  }

  private struct Timeout: Error, CustomStringConvertible {
    var limit: Duration
    var description: String { "not within \(limit)" }
  }

  private func exchange(_ request: WebhookRequest) async throws -> WebhookResponse {
    var outgoing = HTTPClientRequest(url: request.url)
    outgoing.method = .POST
    for (name, value) in request.headers.sorted(by: { $0.key < $1.key }) {
      outgoing.headers.add(name: name, value: value)
    }
    outgoing.body = .bytes(ByteBuffer(bytes: request.body))
    // Longer than anybody waits: what ends it is the cancellation.
    let response = try await client.execute(outgoing, timeout: .hours(1))
    var body: [UInt8] = []
    for try await part in response.body {
      body += part.readableBytesView.prefix(Self.bodyLimit - body.count)
      if body.count == Self.bodyLimit { break }
    }
    // A cancelled body ends like a whole one.
    try Task.checkCancellation()
    let seconds = response.headers.first(name: "Retry-After").flatMap { Int64($0) }
    return WebhookResponse(
      status: Int(response.status.code), retryAfter: seconds.flatMap { $0 >= 0 ? .seconds(min($0, 86_400)) : nil },
      body: body)
  }
}
