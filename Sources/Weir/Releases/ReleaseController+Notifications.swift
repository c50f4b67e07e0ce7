internal import ReleaseControl
internal import ReleaseNotifications
internal import ReleaseStores
internal import TrafficModel

extension ReleaseController {
  /// What is told of a change, to be kept in one commit with it.
  ///
  /// - Parameters:
  ///   - told: what the ledger says of it.
  ///   - statement: which of the commit's that is.
  func notifications(
    of told: LedgerStatement, _ release: Release, from weight: Weight, statement: Int
  ) -> [OutboxDraft] {
    guard let webhooks else { return [] }
    let event = ReleaseNotifications.ReleaseEvent(
      action: told.action, actor: told.actor, reason: told.reason, outcome: told.outcome,
      fromBasisPoints: weight.basisPoints, toBasisPoints: told.toWeight ?? release.weight.basisPoints, at: told.at,
      release: ReleaseSnapshot(release, host: told.host), isEnd: release.ends(after: releases[release.id]))
    return webhooks.roster.notifications(of: event, statement: statement)
  }
}

extension Release {
  /// Whether it has come to its end since it was so: promoted, or rolled back. A version that is kept warm is promoted.
  fileprivate func ends(after former: Release?) -> Bool {
    func side(_ state: ReleaseState?) -> Int {
      switch state {
      case .keepingWarm, .succeeded: 1
      case .rolledBack: 2
      default: 0
      }
    }
    return side(state) != 0 && side(state) != side(former?.state)
  }
}
