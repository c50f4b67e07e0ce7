internal import FoundationEssentials
internal import TrafficModel

/// As it is stored.
extension Release: Codable {
  private enum Key: String, CodingKey {
    case id, spec, namespace, name, stable, candidate, baseline, revision, state, step, weight, mirror, target, liveAt,
      reason, failedChecks, formerSubsets, ownRoutes, spilled
    case startedAt, changedAt
  }

  private struct StoredSubset: Codable {
    var name: String
    var labels: [String: String]
    var subset: DestinationRule.Subset { .init(name: name, labels: labels) }

    init(_ subset: DestinationRule.Subset) {
      name = subset.name
      labels = subset.labels
    }
  }

  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    self.init(
      id: try container.decode(String.self, forKey: .id), spec: try container.decode(ReleaseSpec.self, forKey: .spec),
      service: NamespacedName(
        namespace: try container.decode(String.self, forKey: .namespace),
        name: try container.decode(String.self, forKey: .name)),
      stable: try container.decode(StoredSubset.self, forKey: .stable).subset,
      candidate: try container.decode(StoredSubset.self, forKey: .candidate).subset,
      baseline: try container.decode(Int.self, forKey: .baseline),
      formerSubsets: Set(try container.decodeIfPresent([String].self, forKey: .formerSubsets) ?? []),
      ownRoutes: Set(try container.decodeIfPresent([String].self, forKey: .ownRoutes) ?? []),
      reason: try container.decode(String.self, forKey: .reason),
      at: try container.decode(Date.self, forKey: .startedAt), holds: true)
    revision = try container.decode(UInt64.self, forKey: .revision)
    state = try container.decode(ReleaseState.self, forKey: .state)
    step = try container.decode(Int.self, forKey: .step)
    weight = try container.decode(Weight.self, forKey: .weight)
    mirror = try container.decode(Weight.self, forKey: .mirror)
    target = try container.decodeIfPresent(Weight.self, forKey: .target)
    liveAt = try container.decodeIfPresent(Date.self, forKey: .liveAt)
    failedChecks = try container.decodeIfPresent([String: Int].self, forKey: .failedChecks) ?? [:]
    spilled = try container.decodeIfPresent(Weight.self, forKey: .spilled)
    changedAt = try container.decode(Date.self, forKey: .changedAt)
  }

  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(id, forKey: .id)
    try container.encode(spec, forKey: .spec)
    try container.encode(service.namespace, forKey: .namespace)
    try container.encode(service.name, forKey: .name)
    try container.encode(StoredSubset(stable), forKey: .stable)
    try container.encode(StoredSubset(candidate), forKey: .candidate)
    try container.encode(baseline, forKey: .baseline)
    try container.encode(revision, forKey: .revision)
    try container.encode(state, forKey: .state)
    try container.encode(step, forKey: .step)
    try container.encode(weight, forKey: .weight)
    try container.encode(mirror, forKey: .mirror)
    try container.encodeIfPresent(target, forKey: .target)
    try container.encodeIfPresent(liveAt, forKey: .liveAt)
    try container.encode(reason, forKey: .reason)
    if !failedChecks.isEmpty { try container.encode(failedChecks, forKey: .failedChecks) }
    if !formerSubsets.isEmpty { try container.encode(formerSubsets.sorted(), forKey: .formerSubsets) }
    if !ownRoutes.isEmpty { try container.encode(ownRoutes.sorted(), forKey: .ownRoutes) }
    try container.encodeIfPresent(spilled, forKey: .spilled)
    try container.encode(startedAt, forKey: .startedAt)
    try container.encode(changedAt, forKey: .changedAt)
  }
}
