public import ReleaseControl

/// Whoever runs the releases that the admin API moves and shows. A thrown `ReleaseError` is answered with its code and the
/// HTTP status that belongs to it.
public protocol ReleaseDataSource: Sendable {
  func start(_ spec: ReleaseSpec, _ request: ReleaseRequest) async throws -> ReleaseStatus
  func perform(_ action: ReleaseAction, on id: String, _ request: ReleaseRequest) async throws -> ReleaseStatus
  func status(of id: String) async throws -> ReleaseStatus
  /// In the order in which they were started.
  func list() async throws -> [ReleaseStatus]
  func history(of id: String) async throws -> [LedgerLine]
  func ledger(after sequence: UInt64, limit: Int, of release: String?) async throws -> [LedgerLine]
  /// - Parameter mark: `SEQUENCE:HASH` of an entry that was noted elsewhere, if there is one.
  func verify(against mark: String?) async throws -> LedgerVerdict
  /// The release as it is, and whenever it has changed; ends when nobody runs releases any longer.
  func watch(_ id: String) async throws -> AsyncThrowingStream<ReleaseStatus, any Error>
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
