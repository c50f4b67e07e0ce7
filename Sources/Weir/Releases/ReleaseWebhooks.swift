internal import NIOCore
internal import ReleaseControl
internal import ReleaseNotifications
internal import ReleaseStores

/// Whom releases tell of what happens to them, and whom they ask before they go on.
struct ReleaseWebhooks: Sendable {
  var roster = WebhookRoster([])
  var gates: ReleaseGates?
  /// Called after a commit with notifications.
  var ring: @Sendable () -> Void = {}

  static let none = ReleaseWebhooks()

  /// The actions that webhooks may be told of.
  static let actions: Set<String> = Set(ReleaseEvent.Kind.allCases.map(\.rawValue))
    .subtracting([ReleaseEvent.Kind.live.rawValue])
    .union([ReleaseController.starting, ReleaseController.checkFailed, LedgerStatement.liveEverywhere])

  func isGuarded(_ gate: Gate) -> Bool { gates?.isGuarded(gate) ?? false }

  /// Those of `gates` that somebody stands at.
  func guarded(_ candidates: [Gate]) -> [Gate] { candidates.filter(isGuarded) }
}

extension Release {
  /// The points that lie between this and what it would become by itself. What somebody has set by hand passes none: whoever
  /// does that stands in the ledger.
  func gates(before outcome: Release) -> [Gate] {
    guard state == .running || state == .awaitingApproval || outcome.state == .running else { return [] }
    var gates: [Gate] = step < 0 && weight == .none ? [.confirmRollout, .preRollout] : []
    guard outcome.weight > weight else { return gates }
    if dividesTraffic { gates.append(.rollout) }
    gates.append(.confirmTrafficIncrease)
    if outcome.weight == .all { gates.append(.confirmPromotion) }
    return gates
  }

  /// Whether the candidate has a part of the traffic, or copies of it.
  var dividesTraffic: Bool { (weight > .none && weight < .all) || mirror > .none }

  /// As webhooks are told of it.
  func snapshot(host: String, generation: UInt64?) -> ReleaseSnapshot {
    ReleaseSnapshot(
      id: id, name: service.name, namespace: service.namespace, host: host, strategy: spec.strategy.rawValue,
      phase: state.rawValue, stable: stable.name, candidate: candidate.name, weightBasisPoints: weight.basisPoints,
      step: step >= 0 ? step : nil, steps: spec.plan.count, generation: generation)
  }

  /// A statement of the ledger, as an event.
  func transition(_ statement: LedgerStatement, host: String) -> ReleaseTransition {
    ReleaseTransition(
      action: statement.action, actor: statement.actor, reason: statement.reason, outcome: statement.outcome,
      fromBasisPoints: statement.fromWeight, toBasisPoints: statement.toWeight, at: statement.at,
      release: snapshot(host: host, generation: statement.generation == 0 ? nil : statement.generation),
      isEnd: state.isFinished && state != .retired && statement.action != LedgerStatement.liveEverywhere)
  }
}
