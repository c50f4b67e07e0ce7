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
  ///
  /// | what is there | `fail` | `spill` | `freezeAndRollBack` |
  /// |---|---|---|---|
  /// | the candidate has nobody, or fewer than the minimum | as set | all to stable | all to stable, rolled back |
  /// | the candidate has fewer than its share needs | as set | what it cannot carry goes to stable, as far as that can | as set, frozen |
  /// | the stable subset has fewer than its share needs | as set | as set | as set, frozen |
  /// | the stable subset has nobody | as set | all to the candidate | all to the candidate, frozen |
  /// | neither has anybody | as set | as set | as set, frozen |
  ///
  /// Nobody ever gives the candidate more than was asked for, unless nobody else is there. All of it is told in the note.
  public func guarded(_ capacity: ReleaseCapacity) -> (overlay: ReleaseOverlay?, event: ReleaseEvent?, note: String?) {
    guard let overlay else { return (nil, nil, nil) }
    let policy = spec.guardRails.onEmpty
    let takesCandidate = overlay.weight > .none || !overlay.rules.isEmpty || overlay.mirror > .none
    // Of a release that is over, nothing goes back to the old version as long as the new one has somebody.
    let minimum = state.isFinished ? 1 : spec.guardRails.minimum
    if takesCandidate, capacity.candidate < minimum, capacity.stable > 0 || capacity.candidate == 0 {
      let shortfall = CapacityShortfall(
        subset: candidate.name, ready: capacity.candidate, needed: minimum, weight: overlay.weight)
      let note = capacity.candidate == 0 ? "\(candidate.name) has no ready endpoint" : "\(shortfall)"
      guard capacity.stable > 0 else {
        return (overlay, moves(.freeze, policy), "\(note), and neither has \(stable.name)")
      }
      if policy == .fail { return (overlay, nil, note) }
      return (self.overlay(weight: .none, withCandidate: false), moves(.trip, policy), note)
    }
    if capacity.stable == 0, overlay.weight < .all {
      let note = "\(stable.name) has no ready endpoint"
      // A version that was rolled back gets nothing, whatever becomes of the other; but before the way back has been gone
      // everywhere, it does not lead to nobody.
      let isBack = state == .rolledBack && liveAt != nil
      guard capacity.candidate > 0, policy != .fail, !isBack else { return (overlay, nil, note) }
      return (self.overlay(weight: .all), moves(.freeze, policy), note)
    }
    return guardedShares(overlay, capacity, policy)
  }

  /// Both are there, and the candidate is no fewer than the minimum: whether each can carry its share. Measured by what it was at
  /// the last move: a stable subset that grows makes no candidate too small for a share that it carries already.
  private func guardedShares(
    _ overlay: ReleaseOverlay, _ capacity: ReleaseCapacity, _ policy: GuardRails.Emptiness
  ) -> (overlay: ReleaseOverlay?, event: ReleaseEvent?, note: String?) {
    // Once all is decided, or nothing has been moved, only emptiness counts.
    guard !isDecided, !state.isFinished, overlay.weight > .none else { return (overlay, nil, nil) }
    let rails = spec.guardRails
    let needed = rails.needed(for: overlay.weight, baseline: baseline)
    if capacity.candidate < needed {
      let note = CapacityShortfall(
        subset: candidate.name, ready: capacity.candidate, needed: needed, weight: overlay.weight
      ).description
      switch policy {
      case .fail: return (overlay, nil, note)
      case .spill:
        // As far as the stable subset can carry it.
        let carried = rails.carried(by: capacity.candidate, of: overlay.weight, baseline: baseline)
        let taken = rails.carried(by: capacity.stable, of: .all, baseline: baseline)
        return (self.overlay(weight: min(overlay.weight, max(carried, taken.complement))), nil, note)
      case .freezeAndRollBack: return (overlay, moves(.freeze, policy), note)
      }
    }
    let rest = overlay.weight.complement
    let neededOfStable = rails.needed(for: rest, baseline: baseline)
    if capacity.stable < neededOfStable {
      let shortfall = CapacityShortfall(
        subset: stable.name, ready: capacity.stable, needed: neededOfStable, weight: rest)
      return (overlay, moves(.freeze, policy), "\(shortfall)")
    }
    return (overlay, nil, nil)
  }

  /// Whether the way back would take traffic from those who are there and lead it to nobody.
  public func leadsBackToNobody(_ capacity: ReleaseCapacity) -> Bool {
    guard capacity.stable == 0, capacity.candidate > 0, let served = guarded(capacity).overlay else { return false }
    return served.weight > .none || !served.rules.isEmpty
  }

  private func moves(_ event: ReleaseEvent, _ policy: GuardRails.Emptiness) -> ReleaseEvent? {
    guard policy == .freezeAndRollBack, let move = ReleaseState.moves[state]?[event.kind], move != .nothing else {
      return nil
    }
    // One that has succeeded and keeps the old version warm has nothing left to stop.
    return event == .freeze && state == .keepingWarm ? nil : event
  }

  /// Whether all or nothing is on the candidate for good.
  private var isDecided: Bool { state == .rolledBack || state == .succeeded || state == .keepingWarm }

  /// - Parameter withCandidate: whether rules and mirror lead to the candidate.
  private func overlay(weight: Weight, withCandidate: Bool = true) -> ReleaseOverlay {
    // Once it is decided, there is nothing left that a rule or a cookie decides.
    return ReleaseOverlay(
      port: spec.port, stable: stable, candidate: candidate, weight: weight,
      rules: isDecided || !hasBegun || !withCandidate || weight == .all ? [] : spec.rules,
      mirror: withCandidate ? mirror : .none, stickiness: isDecided ? nil : spec.stickiness,
      formerSubsets: formerSubsets, ownRoutes: ownRoutes)
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
