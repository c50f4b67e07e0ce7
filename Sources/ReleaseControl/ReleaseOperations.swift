/// What can be asked of whoever runs releases, in this process or over HTTP: all but where a change is live, which each asks in
/// words of its own.
///
/// A release is named by its id, or by its service: that is the one in force, or else the last one. All throw ``ReleaseError``.
public protocol ReleaseOperations: Sendable {
  func start(_ spec: ReleaseSpec, _ request: ReleaseRequest) async throws -> ReleaseStatus
  func perform(_ action: ReleaseAction, on id: String, _ request: ReleaseRequest) async throws -> ReleaseStatus
  func status(of id: String) async throws -> ReleaseStatus
  /// All releases that are known, in the order in which they were started.
  func list() async throws -> [ReleaseStatus]
  /// What was done to a release, oldest first.
  func history(of id: String) async throws -> [LedgerLine]
  /// The ledger of all releases: at most `limit` entries after one.
  func ledger(after sequence: UInt64, limit: Int, of release: String?) async throws -> [LedgerLine]
  /// - Parameter mark: `SEQUENCE:HASH` of an entry that was noted elsewhere, if there is one.
  func verify(against mark: String?) async throws -> LedgerVerdict
  /// The release as it is, and whenever it has changed; ends when nobody runs releases any longer.
  func watch(_ id: String) async throws -> AsyncThrowingStream<ReleaseStatus, any Error>
}
