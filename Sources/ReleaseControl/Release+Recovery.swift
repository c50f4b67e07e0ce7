public import FoundationEssentials
public import TrafficModel

extension Release {
  /// A release whose record cannot be read any longer, as its first entry in the ledger and its last one tell: it goes on serving
  /// what it served, and if it was under way it is frozen until somebody decides.
  ///
  /// - Parameter start: as it was when it started.
  public init(
    recovering start: Release, state: ReleaseState, step: Int, weight: Weight, baseline: Int, revision: UInt64,
    reason: String, at now: Date
  ) {
    self = start
    self.state = state.isFinished || state == .keepingWarm ? state : .frozen
    self.step = min(max(step, -1), spec.plan.count - 1)
    self.weight = weight
    self.baseline = baseline
    mirror = .none
    if self.state == .frozen, let currentStep, currentStep.weight == weight { mirror = currentStep.mirror }
    target = nil
    liveAt = nil
    // Whoever has seen the one before has not seen this one.
    self.revision = revision + 1
    self.reason = reason
    changedAt = now
  }
}
