public import ReleaseControl

/// Whoever runs the releases that the admin API moves and shows. A thrown `ReleaseError` is answered with its code and the
/// HTTP status that belongs to it.
public protocol ReleaseDataSource: ReleaseOperations {
  /// Returns when it is live, or after the time to wait.
  func live(_ request: ReleaseLiveRequest, of id: String) async throws -> LiveReport
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
