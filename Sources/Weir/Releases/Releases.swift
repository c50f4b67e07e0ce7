public import ReleaseControl
public import TrafficModel
public import XDSServer

public typealias ReleaseSpec = ReleaseControl.ReleaseSpec
public typealias ReleaseStep = ReleaseControl.ReleaseStep
public typealias ReleasePause = ReleaseControl.ReleasePause
public typealias ReleaseState = ReleaseControl.ReleaseState
public typealias ReleaseAction = ReleaseControl.ReleaseAction
public typealias ReleaseStatus = ReleaseControl.ReleaseStatus
public typealias ReleaseError = ReleaseControl.ReleaseError
public typealias ReleaseRequest = ReleaseControl.ReleaseRequest
public typealias LedgerLine = ReleaseControl.LedgerLine
public typealias LedgerVerdict = ReleaseControl.LedgerVerdict
public typealias GuardRails = ReleaseControl.GuardRails
public typealias LiveReport = ReleaseControl.LiveReport
public typealias NotLive = ReleaseControl.NotLive
public typealias RequestRule = TrafficModel.RequestRule
public typealias Stickiness = TrafficModel.Stickiness
public typealias StringMatch = TrafficModel.StringMatch
public typealias Weight = TrafficModel.Weight

/// The releases of a control plane.
///
/// ```swift
/// let release = try await plane.releases.start(.canary(of: "reviews.shop", from: "v1", to: "v2", steps: [5, 25, 50, 100]))
/// try await release.setWeight(20).live(on: .all, within: .seconds(5))
/// try await release.rollback()
/// ```
///
/// Every change is durable before it is answered (but for a rollback when there is no space to keep it: it is served at once, and
/// its status says `notDurable` until it is kept), and is one generation: weights, subsets, rules and mirrors change together
/// or not at all. A call that is cancelled before it has begun does nothing; once it has begun it is carried through.
public struct Releases: Sendable {
  let backend: any ReleaseBackend

  public init(_ backend: some ReleaseBackend) { self.backend = backend }

  /// Starts a release at its first step.
  ///
  /// One release shapes a service's port at a time. One that is over gives way if the new one starts from the version that it
  /// has left the service at.
  ///
  /// - Throws: ``ReleaseError``: `invalid`, `unknownService`, `alreadyReleased`, `notEnoughCapacity`, `keyReused`, `notDurable`.
  public func start(_ spec: ReleaseSpec, _ request: ReleaseRequest = ReleaseRequest()) async throws -> StartedRelease {
    StartedRelease(ReleaseChange(try await backend.start(spec, request), backend))
  }

  /// A release by its id, or by its service (the one in force, or else the last one); whether it exists shows with the first call.
  public subscript(id: String) -> NamedRelease { NamedRelease(id: id, backend: backend) }

  /// All releases that are known, in the order in which they were started.
  public func list() async throws -> [ReleaseStatus] { try await backend.list() }

  /// What was done to all releases, oldest first: at most `limit` entries with a higher sequence.
  public func ledger(after sequence: UInt64 = 0, limit: Int = 1000) async throws -> [LedgerLine] {
    try await backend.ledger(after: sequence, limit: limit, of: nil)
  }

  /// Whether the ledger is as it was written: each entry has the hash of the one before. Costs its length.
  ///
  /// - Parameter mark: what a verdict of before has given, kept in another place: shows, too, whether the ledger was cut short.
  public func verify(against mark: String? = nil) async throws -> LedgerVerdict {
    try await backend.verify(against: mark)
  }

  /// The release that shapes a service now, by its host name in any form; nil if there is none.
  public func current(of service: String) async throws -> NamedRelease? {
    let service = service.lowercased()
    let found = try await backend.list().last {
      $0.state.isInForce && ($0.service == service || $0.service.hasPrefix(service + "."))
    }
    return found.map { NamedRelease(id: $0.id, backend: backend) }
  }
}

/// One release, to be moved and looked at. A value: it knows the release's name and where to ask.
public protocol ReleaseHandle: Sendable {
  var id: String { get }
  var backend: any ReleaseBackend { get }
}

/// A release that is named.
public struct NamedRelease: ReleaseHandle {
  public let id: String
  public let backend: any ReleaseBackend
}

/// A release that was just started, with the token of its first generation.
///
/// ```swift
/// let release = try await plane.releases.start(.canary(of: "reviews.shop", from: "v1", to: "v2", steps: [5, 100]))
/// try await release.live(within: .seconds(5))
/// ```
public struct StartedRelease: ReleaseHandle {
  /// The token: what the start is, and where it is live.
  public let start: ReleaseChange

  public var id: String { start.status.id }
  public var backend: any ReleaseBackend { start.backend }
  /// What is served with the start.
  public var generation: UInt64 { start.generation }

  init(_ start: ReleaseChange) { self.start = start }

  /// Returns when the start is live on all proxies in scope, as ``ReleaseChange/live(on:within:)``.
  @discardableResult
  public func live(on scope: ProxyScope = .all, within time: Duration) async throws -> LiveReport {
    try await start.live(on: scope, within: time)
  }
}

extension ReleaseHandle {
  /// Gives the candidate this share, from now on. The release then moves only when it is told to.
  ///
  /// - Throws: ``ReleaseError``; `notEnoughCapacity` if a subset has too few ready endpoints for its share.
  @discardableResult
  public func setWeight(_ weight: Weight, _ request: ReleaseRequest = ReleaseRequest()) async throws -> ReleaseChange {
    try await perform(.setWeight(weight), request)
  }

  /// Gives the candidate everything, without the steps between.
  @discardableResult
  public func promote(_ request: ReleaseRequest = ReleaseRequest()) async throws -> ReleaseChange {
    try await perform(.promote, request)
  }

  /// Stops at the weight that it has.
  @discardableResult
  public func pause(_ request: ReleaseRequest = ReleaseRequest()) async throws -> ReleaseChange {
    try await perform(.pause, request)
  }

  /// Goes on from where it was stopped, or from a weight that was set, to the next step that is more.
  @discardableResult
  public func resume(_ request: ReleaseRequest = ReleaseRequest()) async throws -> ReleaseChange {
    try await perform(.resume, request)
  }

  /// Goes on after a step that waits for it. If it has gone on from there already, nothing changes: of two people who approve the
  /// same step, the second does not approve the next one.
  ///
  /// - Parameter step: the one that was looked at, as ``ReleaseStatus/step``. See also ``ReleaseChange/approve(_:)``.
  @discardableResult
  public func approve(step: Int, _ request: ReleaseRequest = ReleaseRequest()) async throws -> ReleaseChange {
    var request = request
    request.step = step
    return try await perform(.approve, request)
  }

  /// Gives the stable version everything, in one generation, by clusters that its proxies have already. Routes then lead to the stable
  /// subset; before a release they may have led to the whole service, so only a weight of 0 that was served before, as after
  /// another rollback, comes back byte for byte. Of a release that is rolled back already nothing changes. Waits for no disk: if it
  /// cannot be kept it is served all the same, the answer's `notDurable` says why, and it is kept as soon as that works.
  @discardableResult
  public func rollback(_ request: ReleaseRequest = ReleaseRequest()) async throws -> ReleaseChange {
    try await perform(.rollback, request)
  }

  /// Takes a running release away: routes are as the manifests say. Refused (`notAllowed`) while that leads to a version that the
  /// releases before have left.
  @discardableResult
  public func abort(_ request: ReleaseRequest = ReleaseRequest()) async throws -> ReleaseChange {
    try await perform(.abort, request)
  }

  /// Takes a release away that is over: routes are as the manifests say. To be called when these say what the release has led to.
  @discardableResult
  public func retire(_ request: ReleaseRequest = ReleaseRequest()) async throws -> ReleaseChange {
    try await perform(.retire, request)
  }

  public func status() async throws -> ReleaseStatus { try await backend.status(of: id) }

  /// What was done to it, by whom and why, oldest first.
  public func history() async throws -> [LedgerLine] { try await backend.history(of: id) }

  /// The release as it is, and whenever it has changed, until the server stops or the task is cancelled.
  public func watch() async throws -> AsyncThrowingStream<ReleaseStatus, any Error> { try await backend.watch(id) }

  /// The change that it is at: what is served of it now.
  public func change() async throws -> ReleaseChange { ReleaseChange(try await status(), backend) }

  private func perform(_ action: ReleaseAction, _ request: ReleaseRequest) async throws -> ReleaseChange {
    ReleaseChange(try await backend.perform(action, on: id, request), backend)
  }
}

/// A change of a release that is made: the token of its generation.
public struct ReleaseChange: Sendable {
  /// The release as the change has left it.
  public let status: ReleaseStatus
  let backend: any ReleaseBackend

  /// What is served with the change.
  public var generation: UInt64 { status.generation }

  init(_ status: ReleaseStatus, _ backend: any ReleaseBackend) {
    self.status = status
    self.backend = backend
  }

  /// Approves the step that the release is at with this change, and no other.
  @discardableResult
  public func approve(_ request: ReleaseRequest = ReleaseRequest()) async throws -> ReleaseChange {
    try await NamedRelease(id: status.id, backend: backend).approve(step: status.step, request)
  }

  /// Returns when the change is live on all proxies in scope: accepted there, and every cluster that it needs warm.
  ///
  /// - Throws: ``NotLive`` if it is not in time, with the proxies where it is not, and why; at once, if the release was changed again
  ///   (`supersededBy`), or once all proxies hold what a guard rail serves in its place (`reason`). ``ReleaseError`` `unknownGeneration` if the server has started again since.
  @discardableResult
  public func live(on scope: ProxyScope = .all, within time: Duration) async throws -> LiveReport {
    let report = try await backend.live(generation, of: status.id, on: scope, within: time)
    guard report.isLive else { throw NotLive(report) }
    return report
  }
}
