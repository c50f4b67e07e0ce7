public import TrafficModel

/// Where a release is.
public enum ReleaseState: String, Sendable, Hashable, Codable, CaseIterable {
  /// It goes from step to step by itself.
  case running
  /// At a step that asks for an approval.
  case awaitingApproval
  /// At a weight that somebody has set; it moves when it is told to.
  case manual
  /// Somebody has stopped it.
  case paused
  /// A guard rail has stopped it.
  case frozen
  /// The candidate has everything, and the old version stays for a time.
  case keepingWarm
  /// The candidate has everything.
  case succeeded
  /// The stable version has everything.
  case rolledBack
  /// It was taken away while it ran: routes are as the manifests say.
  case aborted
  /// It was taken away after its end: routes are as the manifests say.
  case retired

  /// Whether it has come to its end. It may still shape the routes.
  public var isFinished: Bool {
    switch self {
    case .running, .awaitingApproval, .manual, .paused, .frozen, .keepingWarm: false
    case .succeeded, .rolledBack, .aborted, .retired: true
    }
  }

  /// Whether it divides the service's routes.
  public var isInForce: Bool { self != .aborted && self != .retired }
}

/// What can be done to a release from outside.
public enum ReleaseAction: Sendable, Hashable {
  case setWeight(Weight)
  case promote, pause, resume, approve, rollback, abort, retire

  public var kind: ReleaseEvent.Kind {
    switch self {
    case .setWeight: .setWeight
    case .promote: .promote
    case .pause: .pause
    case .resume: .resume
    case .approve: .approve
    case .rollback: .rollback
    case .abort: .abort
    case .retire: .retire
    }
  }
}

/// What can happen to a release.
public enum ReleaseEvent: Sendable, Hashable {
  case action(ReleaseAction)
  /// What it serves is live on all proxies.
  case live
  /// Its pause is over, or the subset can carry what it waits for, or the old version was kept warm long enough.
  case advance
  /// A guard rail asks for the way back.
  case trip
  /// A guard rail asks to stop.
  case freeze

  public enum Kind: String, Sendable, Hashable, Codable, CaseIterable {
    /// Spelled as in paths, on the command line and in the ledger.
    case setWeight = "set-weight"
    case promote, pause, resume, approve, rollback, abort, retire
    case live, advance, trip, freeze

    /// Whether it comes from outside.
    public var isAction: Bool {
      switch self {
      case .setWeight, .promote, .pause, .resume, .approve, .rollback, .abort, .retire: true
      case .live, .advance, .trip, .freeze: false
      }
    }
  }

  public var kind: Kind {
    switch self {
    case .action(let action): action.kind
    case .live: .live
    case .advance: .advance
    case .trip: .trip
    case .freeze: .freeze
    }
  }
}

/// What an event does.
public enum ReleaseMove: Sendable, Hashable {
  /// Nothing: it is so already.
  case nothing
  /// The state stays, and is known to be live.
  case note
  /// To a weight that was set by hand.
  case setWeight
  /// To the last step.
  case lastStep
  /// To the next step, or what follows the last one.
  case nextStep
  /// Stops, at the weight that it has.
  case stop(ReleaseState)
  /// Goes on where it was stopped.
  case goOn
  /// To the weight that it waits for.
  case takeTarget
  /// To its end, with all traffic on one side, or on none.
  case end(ReleaseState)
}

extension ReleaseState {
  /// The whole of what can happen: for each state the events that it takes. What is not there is not allowed.
  public static let moves: [ReleaseState: [ReleaseEvent.Kind: ReleaseMove]] = [
    .running: [
      .setWeight: .setWeight, .promote: .lastStep, .pause: .stop(.paused), .rollback: .end(.rolledBack),
      .abort: .end(.aborted), .live: .note, .advance: .nextStep, .trip: .end(.rolledBack), .freeze: .stop(.frozen),
    ],
    .awaitingApproval: [
      .setWeight: .setWeight, .promote: .lastStep, .pause: .stop(.paused), .approve: .nextStep,
      .rollback: .end(.rolledBack), .abort: .end(.aborted), .live: .note, .trip: .end(.rolledBack),
      .freeze: .stop(.frozen),
    ],
    .manual: [
      .setWeight: .setWeight, .promote: .lastStep, .resume: .goOn, .rollback: .end(.rolledBack), .abort: .end(.aborted),
      .live: .note, .advance: .takeTarget, .trip: .end(.rolledBack), .freeze: .stop(.frozen),
    ],
    .paused: [
      .setWeight: .setWeight, .promote: .lastStep, .resume: .goOn, .rollback: .end(.rolledBack), .abort: .end(.aborted),
      .live: .note, .trip: .end(.rolledBack), .freeze: .stop(.frozen),
    ],
    .frozen: [
      .setWeight: .setWeight, .promote: .lastStep, .resume: .goOn, .rollback: .end(.rolledBack), .abort: .end(.aborted),
      .live: .note, .trip: .end(.rolledBack), .freeze: .nothing,
    ],
    .keepingWarm: [
      .rollback: .end(.rolledBack), .retire: .end(.retired), .live: .note, .advance: .end(.succeeded),
      .trip: .end(.rolledBack), .freeze: .stop(.frozen),
    ],
    .succeeded: [.rollback: .end(.rolledBack), .retire: .end(.retired), .live: .note],
    .rolledBack: [.rollback: .nothing, .retire: .end(.retired), .live: .note],
    .aborted: [.abort: .nothing, .live: .note],
    .retired: [.retire: .nothing, .live: .note],
  ]

  /// What can be asked of a release in this state.
  public var allowedActions: [ReleaseEvent.Kind] {
    let row = Self.moves[self] ?? [:]
    return ReleaseEvent.Kind.allCases.filter { kind in
      kind.isAction && row[kind].map { $0 != .nothing } ?? false
    }
  }
}
