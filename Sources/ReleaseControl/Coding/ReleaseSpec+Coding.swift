internal import TrafficModel

/// What is missing has its default, so that a canary is no more than service, versions and steps:
///
///     {"service": "reviews.shop", "from": "v1", "to": "v2", "steps": [5, {"weight": 25, "pause": 60}, 100]}
extension ReleaseSpec: Codable {
  private enum Key: String, CodingKey {
    case service, port, strategy, from, to, versionLabel, steps, pause, rules, previewHost, warmTime, sticky,
      guardRails,
      liveOn
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    let strategy = try container.decodeIfPresent(Strategy.self, forKey: .strategy) ?? .canary
    var steps = try container.decodeIfPresent([ReleaseStep].self, forKey: .steps) ?? []
    let pause = try container.decodeIfPresent(ReleasePause.self, forKey: .pause) ?? .untilApproved
    if steps.isEmpty {
      switch strategy {
      case .canary: break
      case .blueGreen, .rules: steps = [ReleaseStep(.none)]
      case .mirrorFirst: break
      }
    }
    self.init(
      service: try container.decode(String.self, forKey: .service),
      port: try container.decodeIfPresent(UInt16.self, forKey: .port), strategy: strategy,
      stable: try container.decode(String.self, forKey: .from),
      candidate: try container.decode(String.self, forKey: .to),
      versionLabel: try container.decodeIfPresent(String.self, forKey: .versionLabel) ?? "version",
      steps: steps.map { $0.pausing(pause) },
      rules: try container.decodeIfPresent([RequestRule].self, forKey: .rules) ?? [],
      previewHost: try container.decodeIfPresent(String.self, forKey: .previewHost),
      warmTime: try container.decodeIfPresent(ReleaseDuration.self, forKey: .warmTime)
        ?? (strategy == .blueGreen ? ReleaseDuration(.seconds(600)) : .zero),
      stickiness: try container.decodeIfPresent(Stickiness.self, forKey: .sticky),
      guardRails: try container.decodeIfPresent(GuardRails.self, forKey: .guardRails) ?? GuardRails(),
      liveOn: try container.decodeIfPresent(String.self, forKey: .liveOn))
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(service, forKey: .service)
    try container.encodeIfPresent(port, forKey: .port)
    try container.encode(strategy, forKey: .strategy)
    try container.encode(stable, forKey: .from)
    try container.encode(candidate, forKey: .to)
    try container.encode(versionLabel, forKey: .versionLabel)
    try container.encode(steps, forKey: .steps)
    if !rules.isEmpty { try container.encode(rules, forKey: .rules) }
    try container.encodeIfPresent(previewHost, forKey: .previewHost)
    try container.encode(warmTime, forKey: .warmTime)
    try container.encodeIfPresent(stickiness, forKey: .sticky)
    try container.encode(guardRails, forKey: .guardRails)
    try container.encodeIfPresent(liveOn, forKey: .liveOn)
  }
}
