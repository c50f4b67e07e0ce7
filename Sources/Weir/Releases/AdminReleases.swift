internal import AdminServer
internal import ReleaseControl
internal import XDSServer

/// The releases as the admin server moves and shows them.
struct AdminReleases: ReleaseDataSource {
  let controller: ReleaseController
  let isReady: Flag

  func start(_ spec: ReleaseSpec, _ request: ReleaseRequest) async throws -> ReleaseStatus {
    try checkReady()
    return try await controller.start(spec, request)
  }

  func perform(_ action: ReleaseAction, on id: String, _ request: ReleaseRequest) async throws -> ReleaseStatus {
    try checkReady()
    return try await controller.perform(action, on: id, request)
  }

  func status(of id: String) async throws -> ReleaseStatus { try await controller.status(of: id) }

  func list() async throws -> [ReleaseStatus] { try await controller.list() }

  func history(of id: String) async throws -> [LedgerLine] { try await controller.history(of: id) }

  func ledger(after sequence: UInt64, limit: Int, of release: String?) async throws -> [LedgerLine] {
    try await controller.ledger(after: sequence, limit: limit, of: release)
  }

  func verify(against mark: String?) async throws -> LedgerVerdict { try await controller.verify(against: mark) }

  func watch(_ id: String) async throws -> AsyncThrowingStream<ReleaseStatus, any Error> {
    try await controller.watch(id)
  }

  func live(_ request: ReleaseLiveRequest, of id: String) async throws -> LiveReport {
    let scope = try ProxyScope(asked: request.scope)
    var generation = request.generation
    if generation == nil { generation = try await controller.status(of: id).generation }
    return try await controller.live(generation ?? 0, of: id, on: scope, within: request.wait)
  }

  func forgetProxy(_ nodeID: String, _ request: ReleaseRequest) async throws -> ForgottenProxy {
    ForgottenProxy(node: nodeID, forgotten: try await controller.forgetProxy(nodeID, request))
  }

  /// Before the sources are read no service is known, and while the server goes down nothing new is begun.
  private func checkReady() throws {
    guard isReady.value else {
      throw ReleaseError(.unavailable, "the server has not read its sources yet, or is going down")
    }
  }
}
