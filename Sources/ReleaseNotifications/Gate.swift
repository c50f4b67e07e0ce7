/// The points of a release at which a webhook is asked, or told. They are those of Flagger, with its meaning of each.
public enum Gate: String, Sendable, Hashable, Codable, CaseIterable, CustomStringConvertible {
  /// Before anything is done: the release waits until it is confirmed.
  case confirmRollout = "confirm-rollout"
  /// Before the candidate gets its first request. The release waits; too many failures roll it back.
  case preRollout = "pre-rollout"
  /// Again and again while the candidate has a part of the traffic. Its weight stays; too many failures roll it back.
  case rollout
  /// Right before the candidate's weight is raised: it stays until this is confirmed.
  case confirmTrafficIncrease = "confirm-traffic-increase"
  /// Before the candidate takes over: it waits until this is confirmed. `rollout` goes on being asked meanwhile.
  case confirmPromotion = "confirm-promotion"
  /// Told when a release has been promoted or rolled back. Holds nothing.
  case postRollout = "post-rollout"
  /// Asked while a release moves or waits: a success rolls it back.
  case rollback
  /// Told of every transition. Holds nothing.
  case event

  public var description: String { rawValue }

  /// What an answer does.
  enum Role {
    /// Anything but a success means: not yet.
    case confirms
    /// Anything but a success is a failed check, and counts.
    case checks
    /// A success means: roll back.
    case triggers
    /// Is not asked at all, but told through the outbox.
    case told
  }

  var role: Role {
    switch self {
    case .confirmRollout, .confirmTrafficIncrease, .confirmPromotion: .confirms
    case .preRollout, .rollout: .checks
    case .rollback: .triggers
    case .postRollout, .event: .told
    }
  }

  /// Whether the release asks it and goes by the answer.
  public var isAsked: Bool { role != .told }
  /// Whether failed checks add up to a failure.
  public var countsFailures: Bool { role == .checks }
}

/// What came of asking a gate.
public enum GateAnswer: Sendable, Hashable {
  /// Go on. Of `rollback`: roll back.
  case pass
  /// Ask again later. The reasons are for people, one for each webhook that did not pass. Of `rollback`: there is no
  /// reason to.
  case notYet([String])
  /// Too many checks have failed: roll back.
  case fail([String])
}
