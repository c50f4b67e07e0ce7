public import FoundationEssentials
public import TrafficModel

/// A release of one service: what was asked for, and how far it is. A value; whoever keeps it applies events to it.
public struct Release: Sendable, Hashable {
  /// `reviews.shop-3`: the third release of that service.
  public let id: String
  public let spec: ReleaseSpec
  public let service: NamespacedName
  /// As it was when the release started. While a DestinationRule declares a subset of the name, that one counts.
  public let stable: DestinationRule.Subset
  public let candidate: DestinationRule.Subset
  /// How many ready endpoints of the stable subset carry all traffic: the most that there were when it started, and whenever the
  /// candidate has got more since. It never shrinks: a stable subset that loses endpoints, or is scaled down as its share is taken
  /// over, says nothing of how many the whole needs. Who has scaled the service down on purpose rolls back and starts anew.
  public internal(set) var baseline: Int
  /// Subsets whose share the releases before it have moved; what names them is divided as well.
  public let formerSubsets: Set<String>
  /// Routes that led to the candidate alone of somebody's own will when it started, and that it leaves alone.
  public let ownRoutes: Set<String>

  /// Counts what has been done to it. Whoever has seen this number knows the release as it is.
  public internal(set) var revision: UInt64
  public internal(set) var state: ReleaseState
  /// The step of the plan that it is at; -1 before the first.
  public internal(set) var step: Int
  /// The candidate's share.
  public internal(set) var weight: Weight
  public internal(set) var mirror: Weight
  /// The weight that it takes as soon as the subsets can carry it.
  public internal(set) var target: Weight?
  /// Since when what it serves is live on all proxies; nil until it is.
  public internal(set) var liveAt: Date?
  /// How many checks of a gate have failed one after another, by the gate's name.
  public var failedChecks: [String: Int] = [:]
  /// The candidate's share that a guard rail has served in place of `weight`, as the ledger has it; nil while it is served as set.
  public internal(set) var spilled: Weight?
  /// Why it is where it is, in the words of whoever moved it.
  public internal(set) var reason: String
  public let startedAt: Date
  public internal(set) var changedAt: Date

  /// Starts a release, at its first step.
  ///
  /// - Parameters:
  ///   - baseline: how many endpoints of the stable subset are ready.
  ///   - holds: whether it waits before the first step, for the candidate cannot carry it yet.
  public init(
    id: String, spec: ReleaseSpec, service: NamespacedName, stable: DestinationRule.Subset,
    candidate: DestinationRule.Subset, baseline: Int, formerSubsets: Set<String> = [], ownRoutes: Set<String> = [],
    reason: String = "", at now: Date, holds: Bool = false
  ) {
    self.id = id
    self.spec = spec
    self.service = service
    self.stable = stable
    self.candidate = candidate
    self.baseline = baseline
    self.formerSubsets = formerSubsets
    self.ownRoutes = ownRoutes
    self.reason = reason
    revision = 1
    state = .running
    step = -1
    weight = .none
    mirror = .none
    startedAt = now
    changedAt = now
    if !holds { enter(0) }
  }

  /// The step that it is at; nil before the first.
  public var currentStep: ReleaseStep? { spec.plan.indices.contains(step) ? spec.plan[step] : nil }

  /// Whether the candidate may have got anything: its first step, or a weight that was set before it.
  public var hasBegun: Bool { step >= 0 || weight > .none }

  /// The weight that it goes to next by itself or by an approval; nil if there is none.
  public var nextWeight: Weight? {
    switch state {
    case .running, .awaitingApproval: step + 1 < spec.plan.count ? spec.plan[step + 1].weight : nil
    case .manual: target
    default: nil
    }
  }

  /// When it moves on by itself, as far as the time goes; nil while that does not depend on time, or is not known.
  public var dueAt: Date? {
    switch state {
    case .running:
      guard let liveAt else { return nil }
      var pause = ReleaseDuration.zero
      if case .time(let time) = currentStep?.pause { pause = time }
      // A release that was stopped pauses anew.
      return max(liveAt, changedAt).addingTimeInterval(pause.seconds)
    case .keepingWarm: return changedAt.addingTimeInterval(spec.warmTime.seconds)
    case .manual: return target == nil ? nil : changedAt
    default: return nil
    }
  }

  // MARK: Events

  /// Takes an event.
  ///
  /// - Parameters:
  ///   - reason: in the words of whoever moves it.
  ///   - holds: whether a weight that it would go to is only waited for. It goes there with the next `advance`.
  ///   - capacity: of now, where it is known: what the next shares are measured by.
  /// - Returns: whether anything has changed.
  /// - Throws: `notAllowed`, with what is allowed now.
  @discardableResult
  public mutating func take(
    _ event: ReleaseEvent, reason: String = "", at now: Date, holds: Bool = false, capacity: ReleaseCapacity? = nil
  ) throws(ReleaseError) -> Bool {
    guard let move = ReleaseState.moves[state]?[event.kind] else { throw .notAllowed(event.kind, self) }
    if case .nothing = move { return false }
    if case .note = move {
      guard liveAt == nil else { return false }
      liveAt = now
      return true
    }
    let (before, weightBefore) = (overlay, weight)
    let isAtEnd = step >= spec.plan.count - 1
    switch move {
    case .nothing, .note: break
    case .setWeight:
      guard case .action(.setWeight(let weight)) = event else { preconditionFailure("an event and its kind differ") }
      state = .manual
      target = holds ? weight : nil
      if !holds {
        self.weight = weight
        mirror = .none
      }
    case .lastStep:
      if holds {
        state = .manual
        target = .all
      } else {
        enter(spec.plan.count - 1)
      }
    case .nextStep:
      if isAtEnd {
        finish()
      } else if holds {
        state = .running
      } else {
        enter(step + 1)
      }
    case .stop(let state):
      self.state = state
      target = nil
    case .goOn: goOn(holds: holds)
    case .takeTarget:
      guard let target else { throw .notAllowed(event.kind, self) }
      if target == .all {
        enter(spec.plan.count - 1)
      } else {
        weight = target
        mirror = .none
      }
      self.target = nil
    case .end(let state): end(state)
    }
    // A guard rail that still has something to say about the new weight says it anew.
    if overlay != before { (liveAt, spilled) = (nil, nil) }
    // Of a share that it has already, no candidate becomes too small by that.
    if let capacity, weight > weightBefore { baseline = max(baseline, capacity.stable) }
    revision += 1
    changedAt = now
    self.reason = reason
    return true
  }

  /// Notes what is served in place of its weight, or that it is served as set again.
  ///
  /// - Returns: whether that is news. It is live nowhere then, until it is found so anew.
  public mutating func note(spilled weight: Weight?) -> Bool {
    guard spilled != weight else { return false }
    spilled = weight
    liveAt = nil
    return true
  }

  /// For one of which something else is served than was set.
  public mutating func forgetLive() { liveAt = nil }

  private mutating func enter(_ step: Int) {
    let entered = spec.plan[step]
    self.step = step
    weight = entered.weight
    mirror = entered.mirror
    target = nil
    let isLast = step == spec.plan.count - 1
    state = (entered.pause ?? .untilApproved) == .untilApproved && !isLast ? .awaitingApproval : .running
  }

  /// To the state of its step if it has that step's weight, else to the next step that is more.
  private mutating func goOn(holds: Bool) {
    target = nil
    if let currentStep, currentStep.weight == weight, currentStep.mirror == mirror {
      let isLast = step == spec.plan.count - 1
      state = (currentStep.pause ?? .untilApproved) == .untilApproved && !isLast ? .awaitingApproval : .running
    } else if step < 0, weight == .none {
      state = .running
    } else {
      let next = spec.plan.firstIndex { $0.weight > weight } ?? spec.plan.count - 1
      if holds {
        step = next - 1
        state = .running
      } else {
        enter(next)
      }
    }
  }

  private mutating func finish() {
    end(spec.warmTime > .zero ? .keepingWarm : .succeeded)
  }

  private mutating func end(_ state: ReleaseState) {
    self.state = state
    target = nil
    mirror = .none
    switch state {
    case .keepingWarm, .succeeded: weight = .all
    case .rolledBack: weight = .none
    default: break
    }
  }
}
