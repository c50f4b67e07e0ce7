internal import ReleaseControl
internal import ReleaseStores
internal import XDSServer

extension ReleaseController {
  /// Lets a proxy go that has disconnected. First the releases that wait to be live, and may be by that, have it in the ledger.
  ///
  /// - Returns: how many streams of the node are forgotten.
  func forgetProxy(_ nodeID: String, _ request: ReleaseRequest) async throws -> Int {
    try request.validate()
    guard server.hasLeft(nodeID) else {
      let now = await server.convergence(
        of: ConvergenceQuery(generation: 0, scope: .node(nodeID), countsDisconnected: false))
      guard now.total == 0 else {
        throw ReleaseError(
          .notAllowed, "proxy \(nodeID) is connected: it is asked what it has, and cannot be forgotten")
      }
      throw ReleaseError(.unknownProxy, "no proxy \(nodeID) is waited for")
    }
    let statements = order.compactMap { id -> LedgerStatement? in
      guard let release = releases[id], release.state.isInForce, release.liveAt == nil else { return nil }
      return LedgerStatement(
        release: id, host: host(of: release), actor: request.actor, action: "forget-proxy", reason: request.reason,
        at: Timestamp(clock.now()), outcome: "proxy \(nodeID) is not waited for any longer")
    }
    if !statements.isEmpty {
      do {
        _ = try await store.commit(ReleaseCommit(statements: statements))
      } catch {
        throw ReleaseError(
          .notDurable, "it could not be kept that proxy \(nodeID) is forgotten, and it is not: \(error)")
      }
    }
    let gone = server.letGo { $0.nodeID == nodeID }
    logger.notice("proxy forgotten", metadata: ["node": "\(nodeID)", "actor": "\(request.actor)"])
    return gone.count
  }
}
