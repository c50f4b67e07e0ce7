public import FoundationEssentials
public import TrafficModel

/// A release as everybody sees it: the library, `GET /v1/releases/{id}`, the command line.
public struct ReleaseStatus: Sendable, Hashable, Codable {
  public var id: String
  /// The service's full host name.
  public var service: String
  public var port: UInt16?
  public var strategy: ReleaseSpec.Strategy
  /// The stable subset.
  public var from: String
  /// The candidate subset.
  public var to: String
  public var state: ReleaseState
  /// The candidate's share, in percent.
  public var weight: Weight
  public var mirror: Weight
  /// What is served now, where a guard rail asks for another weight.
  public var servedWeight: Weight
  /// All steps; `step` is the index of the present one, and -1 before the first.
  public var steps: [ReleaseStep]
  public var step: Int
  /// Requests that go to the candidate whatever the weight.
  public var rules: [RequestRule]
  /// The host that leads to the candidate alone, as long as there is something to preview.
  public var previewHost: String?
  public var sticky: Stickiness?
  /// How long the old version is kept after the candidate has taken over.
  public var warmTime: ReleaseDuration
  public var guardRails: GuardRails
  public var nextWeight: Weight?
  /// When it moves on by itself, as far as time goes.
  public var dueAt: Date?
  /// What it waits for, other than time and approval: endpoints, a gate, or the proxies where it is not live yet, by name (these
  /// where one release is asked for, and not in lists and watches). Nil if there is nothing.
  public var waitsFor: String?
  /// Why it is where it is.
  public var reason: String
  public var revision: UInt64
  /// The generation that serves it; 0 before anything is served, and in the answer to a repeated request whose change was made, and
  /// changed again, by a process before this one.
  public var generation: UInt64
  /// On which proxies a step has to be live; nil for all.
  public var liveOn: String?
  /// Since when that is live on all of these; nil until it is.
  public var liveAt: Date?
  /// Why what is served is not durable yet: a rollback does not wait for a full disk. It is tried again until it is; if the
  /// server is started anew before, the release is where it was before it was rolled back. Nil if it is durable.
  public var notDurable: String?
  /// Ready endpoints.
  public var capacity: ReleaseCapacity
  /// The routes that it divides, and those of the service's hosts that it does not touch.
  public var routes: ReleasedRouteList
  public var allowedNow: [ReleaseEvent.Kind]
  public var startedAt: Date
  public var changedAt: Date

  public init(
    _ release: Release, service: String, servedWeight: Weight, waitsFor: String?, generation: UInt64,
    capacity: ReleaseCapacity, routes: ReleasedRouteList
  ) {
    id = release.id
    self.service = service
    port = release.spec.port
    strategy = release.spec.strategy
    from = release.stable.name
    to = release.candidate.name
    state = release.state
    weight = release.weight
    mirror = release.mirror
    self.servedWeight = servedWeight
    steps = release.spec.plan
    step = release.step
    rules = release.spec.rules
    previewHost = release.spec.previewHost
    sticky = release.spec.stickiness
    warmTime = release.spec.warmTime
    guardRails = release.spec.guardRails
    nextWeight = release.nextWeight
    dueAt = release.dueAt
    self.waitsFor = waitsFor
    reason = release.reason
    revision = release.revision
    self.generation = generation
    liveOn = release.spec.liveOn
    liveAt = release.liveAt
    self.capacity = capacity
    self.routes = routes
    allowedNow = release.state.allowedActions
    startedAt = release.startedAt
    changedAt = release.changedAt
  }
}

/// What a release does to each route that could concern it.
public struct ReleasedRouteList: Sendable, Hashable, Codable {
  /// As `VirtualService shop/reviews: http[0] (name)`; one of them is "the service's own route" if no VirtualService has its host.
  public var divided: [String]
  /// With the reason.
  public var untouched: [String]

  public init(divided: [String] = [], untouched: [String] = []) {
    self.divided = divided
    self.untouched = untouched
  }
}

/// Who asks for a change, and on what condition.
public struct ReleaseRequest: Sendable, Hashable, Codable {
  /// Shown in the ledger.
  public var actor: String
  public var reason: String
  /// The same key with the same request is answered as the first time, and done once.
  public var idempotencyKey: String?
  /// The release is moved only if it still has this revision.
  public var ifRevision: UInt64?
  /// The step that an approval is for, as ``ReleaseStatus/step`` tells it: of two people who approve the same pause, the second
  /// approves nothing. An approval has this or `ifRevision`; no other action looks at it.
  public var step: Int?

  public init(
    actor: String = "", reason: String = "", idempotencyKey: String? = nil, ifRevision: UInt64? = nil, step: Int? = nil
  ) {
    self.actor = actor
    self.reason = reason
    self.idempotencyKey = idempotencyKey
    self.ifRevision = ifRevision
    self.step = step
  }
}
