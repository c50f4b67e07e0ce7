public import TrafficModel

/// What is to be released, and how: everything that is said before it starts.
///
///     .canary(of: "reviews.shop", from: "v1", to: "v2", steps: [5, 25, 50, 100])
///     .blueGreen(of: "reviews.shop", from: "v1", to: "v2", preview: [RequestRule(headers: ["x-preview": .present])])
public struct ReleaseSpec: Sendable, Hashable {
  public enum Strategy: String, Sendable, Hashable, Codable, CaseIterable {
    /// The weight grows step by step.
    case canary
    /// The candidate is looked at by a few, then takes all at once; the old version stays warm for a time.
    case blueGreen
    /// Requests that match rules go to the candidate, all others to the stable version, until somebody decides.
    case rules
    /// The candidate first gets copies of requests, then takes over step by step.
    case mirrorFirst
  }

  /// The service as a host name: `reviews.shop`, or a longer form of it.
  public var service: String
  /// Nil for all of its HTTP ports.
  public var port: UInt16?
  public var strategy: Strategy
  /// The subset that serves now.
  public var stable: String
  /// The subset that is to serve.
  public var candidate: String
  /// Where no DestinationRule declares a subset, it is the pods whose label of this name has the subset's name as its value.
  public var versionLabel: String
  /// In ascending order of their weights.
  public var steps: [ReleaseStep]
  /// Requests that go to the candidate whatever the weight.
  public var rules: [RequestRule]
  /// A host that leads to the candidate alone.
  public var previewHost: String?
  /// How long the old version is kept after the candidate has taken over, for a way back in a moment.
  public var warmTime: ReleaseDuration
  public var stickiness: Stickiness?
  public var guardRails: GuardRails
  /// The proxies on which a step has to be live before its pause begins, as `weir live --scope` takes them (`namespace:shop`); nil
  /// for all. What is served is the same to every proxy.
  public var liveOn: String?

  public init(
    service: String, port: UInt16? = nil, strategy: Strategy, stable: String, candidate: String,
    versionLabel: String = "version", steps: [ReleaseStep], rules: [RequestRule] = [], previewHost: String? = nil,
    warmTime: ReleaseDuration = .zero, stickiness: Stickiness? = nil, guardRails: GuardRails = GuardRails(),
    liveOn: String? = nil
  ) {
    self.service = service
    self.port = port
    self.strategy = strategy
    self.stable = stable
    self.candidate = candidate
    self.versionLabel = versionLabel
    self.steps = steps
    self.rules = rules
    self.previewHost = previewHost
    self.warmTime = warmTime
    self.stickiness = stickiness
    self.guardRails = guardRails
    self.liveOn = liveOn
  }

  /// What a release does, one step after the other; the last one gives all to the candidate.
  public var plan: [ReleaseStep] {
    var plan = steps
    if plan.last?.weight != .all { plan.append(ReleaseStep(.all, pause: ReleasePause.none)) }
    return plan
  }
}

extension ReleaseSpec {
  /// - Parameters:
  ///   - steps: weights in ascending order, each a number or a ``ReleaseStep``. A last step of 100 is added if it is missing.
  ///   - pause: after each step that does not say itself. The pause of the last step counts before the release has succeeded.
  public static func canary(
    of service: String, port: UInt16? = nil, from stable: String, to candidate: String, steps: [ReleaseStep],
    pause: ReleasePause = .untilApproved, rules: [RequestRule] = [], warm: Duration = .zero,
    stickiness: Stickiness? = nil, guardRails: GuardRails = GuardRails()
  ) -> ReleaseSpec {
    ReleaseSpec(
      service: service, port: port, strategy: .canary, stable: stable, candidate: candidate,
      steps: steps.map { $0.pausing(pause) }, rules: rules, warmTime: ReleaseDuration(warm), stickiness: stickiness,
      guardRails: guardRails)
  }

  /// - Parameters:
  ///   - preview: requests that see the candidate before the switch.
  ///   - previewHost: a host that leads to the candidate alone, before the switch.
  ///   - switching: when it switches; by default when it is approved.
  ///   - warm: how long the old version is kept after the switch.
  public static func blueGreen(
    of service: String, port: UInt16? = nil, from stable: String, to candidate: String, preview: [RequestRule] = [],
    previewHost: String? = nil, switching: ReleasePause = .untilApproved, warm: Duration = .seconds(600),
    guardRails: GuardRails = GuardRails()
  ) -> ReleaseSpec {
    ReleaseSpec(
      service: service, port: port, strategy: .blueGreen, stable: stable, candidate: candidate,
      steps: [ReleaseStep(.none, pause: switching)], rules: preview,
      previewHost: previewHost, warmTime: ReleaseDuration(warm), guardRails: guardRails)
  }

  /// Requests that match one of the rules go to the candidate until the release is promoted or rolled back.
  public static func rules(
    _ rules: [RequestRule], of service: String, port: UInt16? = nil, from stable: String, to candidate: String,
    guardRails: GuardRails = GuardRails()
  ) -> ReleaseSpec {
    ReleaseSpec(
      service: service, port: port, strategy: .rules, stable: stable, candidate: candidate,
      steps: [ReleaseStep(.none, pause: .untilApproved)], rules: rules, guardRails: guardRails)
  }

  /// - Parameters:
  ///   - share: of the requests that the candidate gets copies of, while it answers none.
  ///   - mirroring: how long.
  public static func mirrorFirst(
    of service: String, port: UInt16? = nil, from stable: String, to candidate: String, share: Weight,
    for mirroring: ReleasePause = .untilApproved, steps: [ReleaseStep], pause: ReleasePause = .untilApproved,
    warm: Duration = .zero, stickiness: Stickiness? = nil, guardRails: GuardRails = GuardRails()
  ) -> ReleaseSpec {
    ReleaseSpec(
      service: service, port: port, strategy: .mirrorFirst, stable: stable, candidate: candidate,
      steps: [ReleaseStep(.none, mirror: share, pause: mirroring)] + steps.map { $0.pausing(pause) },
      warmTime: ReleaseDuration(warm), stickiness: stickiness, guardRails: guardRails)
  }
}
