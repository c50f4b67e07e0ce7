public import TrafficModel

extension Release {
  /// What it makes of the service's routes, if both subsets can carry it; nil if it is not in force.
  public var overlay: ReleaseOverlay? {
    guard state.isInForce else { return nil }
    return overlay(weight: weight)
  }

  /// Whether the candidate gets requests: by weight, by rules, as copies, or at the preview host.
  public var leadsToCandidate: Bool {
    guard let overlay else { return false }
    return overlay.weight > .none || !overlay.rules.isEmpty || overlay.mirror > .none || previewHost != nil
  }

  /// What it makes of the routes with so many ready endpoints, and what the guard rails ask for.
  public func guarded(_ capacity: ReleaseCapacity) -> (overlay: ReleaseOverlay?, event: ReleaseEvent?, note: String?) {
    guard let overlay else { return (nil, nil, nil) }
    let policy = spec.guardRails.onEmpty
    let takesCandidate = overlay.weight > .none || !overlay.rules.isEmpty || overlay.mirror > .none
    if capacity.candidate == 0, takesCandidate {
      let note = "\(candidate.name) has no ready endpoint"
      guard capacity.stable > 0 else {
        return (overlay, moves(.freeze, policy), "\(note), and neither has \(stable.name)")
      }
      if policy == .fail { return (overlay, nil, note) }
      return (self.overlay(weight: .none, withCandidate: false), moves(.trip, policy), note)
    }
    // A version that was rolled back gets nothing, whatever becomes of the other.
    if capacity.stable == 0, overlay.weight < .all, state != .rolledBack {
      let note = "\(stable.name) has no ready endpoint"
      guard capacity.candidate > 0, policy != .fail else { return (overlay, nil, note) }
      return (self.overlay(weight: .all), moves(.freeze, policy), note)
    }
    return (overlay, nil, nil)
  }

  private func moves(_ event: ReleaseEvent, _ policy: GuardRails.Emptiness) -> ReleaseEvent? {
    guard policy == .freezeAndRollBack, let move = ReleaseState.moves[state]?[event.kind], move != .nothing else {
      return nil
    }
    return event
  }

  /// - Parameter withCandidate: whether rules and mirror lead to the candidate.
  private func overlay(weight: Weight, withCandidate: Bool = true) -> ReleaseOverlay {
    // With all or nothing on the candidate for good, there is nothing left that a rule or a cookie decides.
    let isDecided = state == .rolledBack || state == .succeeded || state == .keepingWarm
    return ReleaseOverlay(
      port: spec.port, stable: stable, candidate: candidate, weight: weight,
      rules: isDecided || !hasBegun || !withCandidate || weight == .all ? [] : spec.rules,
      mirror: withCandidate ? mirror : .none, stickiness: isDecided ? nil : spec.stickiness)
  }

  /// The host that leads to the candidate alone, while there is something to preview.
  public var previewHost: String? {
    guard hasBegun else { return nil }
    return switch state {
    case .running, .awaitingApproval, .manual, .paused, .frozen: spec.previewHost
    default: nil
    }
  }
}
