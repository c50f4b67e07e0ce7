public import ReleaseStores

/// A release as its webhooks are told of it.
public struct ReleaseSnapshot: Sendable, Hashable, Codable {
  public var id: String
  /// Of the service, as in `reviews` and `shop`.
  public var name: String
  public var namespace: String
  /// The service's host name.
  public var host: String
  /// As in `canary`.
  public var strategy: String
  /// The state that it is in, as in `progressing`.
  public var phase: String
  /// The subsets.
  public var stable: String
  public var candidate: String
  /// The candidate's share, in basis points (10,000 are all).
  public var weightBasisPoints: UInt32
  /// From 0; nil without steps.
  public var step: Int?
  public var steps: Int?
  public var generation: UInt64?

  public init(
    id: String, name: String, namespace: String, host: String, strategy: String, phase: String, stable: String,
    candidate: String, weightBasisPoints: UInt32, step: Int? = nil, steps: Int? = nil, generation: UInt64? = nil
  ) {
    self.id = id
    self.name = name
    self.namespace = namespace
    self.host = host
    self.strategy = strategy
    self.phase = phase
    self.stable = stable
    self.candidate = candidate
    self.weightBasisPoints = weightBasisPoints
    self.step = step
    self.steps = steps
    self.generation = generation
  }
}

/// A transition of a release.
public struct ReleaseEvent: Sendable, Hashable, Codable {
  /// As in the ledger: `set-weight`, `rollback`.
  public var action: String
  public var actor: String
  public var reason: String
  public var outcome: String
  public var fromBasisPoints: UInt32?
  public var toBasisPoints: UInt32?
  public var at: Timestamp
  /// After the transition.
  public var release: ReleaseSnapshot
  /// Whether the release has ended with it, promoted or rolled back.
  public var isEnd: Bool

  public init(
    action: String, actor: String, reason: String = "", outcome: String = "", fromBasisPoints: UInt32? = nil,
    toBasisPoints: UInt32? = nil, at: Timestamp, release: ReleaseSnapshot, isEnd: Bool = false
  ) {
    self.action = action
    self.actor = actor
    self.reason = reason
    self.outcome = outcome
    self.fromBasisPoints = fromBasisPoints
    self.toBasisPoints = toBasisPoints
    self.at = at
    self.release = release
    self.isEnd = isEnd
  }
}

extension ReleaseEvent {
  /// As it waits in the outbox.
  var stored: [UInt8] { WebhookJSON.encode(self) }

  init(stored bytes: [UInt8]) throws { self = try WebhookJSON.decode(Self.self, from: bytes) }
}
