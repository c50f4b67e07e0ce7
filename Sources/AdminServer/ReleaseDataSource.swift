public import ReleaseControl

/// Whoever runs the releases that the admin API moves and shows. A thrown `ReleaseError` is answered with its code and the
/// HTTP status that belongs to it.
public protocol ReleaseDataSource: ReleaseOperations {
  /// Returns when it is live, or after the time to wait.
  func live(_ request: ReleaseLiveRequest, of id: String) async throws -> LiveReport
  /// Takes a proxy that has disconnected to be gone for good: no release waits for it any longer.
  func forgetProxy(_ nodeID: String, _ request: ReleaseRequest) async throws -> ForgottenProxy
}

/// The answer of `POST /v1/proxies/forget`.
public struct ForgottenProxy: Codable, Sendable, Hashable {
  public var node: String
  /// How many streams of it are not waited for any longer.
  public var forgotten: Int

  public init(node: String, forgotten: Int) {
    self.node = node
    self.forgotten = forgotten
  }
}

/// What `GET /v1/releases/{id}/live` is asked.
public struct ReleaseLiveRequest: Sendable, Hashable {
  /// Nil for the one that serves the release now.
  public var generation: UInt64?
  /// As in `ConvergenceRequest`.
  public var scope: String
  public var wait: Duration

  public init(generation: UInt64? = nil, scope: String = "all", wait: Duration = .zero) {
    self.generation = generation
    self.scope = scope
    self.wait = wait
  }
}
