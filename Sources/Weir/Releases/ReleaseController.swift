internal import Foundation
internal import Logging
internal import ReleaseControl
internal import ReleaseStores
internal import Synchronization
internal import TrafficModel
internal import XDSServer

/// Runs the releases of a control plane: takes what is asked, keeps it, has it served, and takes the steps that are due.
///
///     request → state machine → guard rails → store (durable) → pipeline (one generation) → answer
///
/// One change of a service at a time, in the order in which they came; services do not wait for one another.
actor ReleaseController {
  let pipeline: Pipeline
  let store: any ReleaseStore
  let server: XDSServer
  let clock: ReleaseClock
  let clusterDomain: String
  let logger: Logger
  /// Nil if there are none.
  let webhooks: ReleaseWebhooks?
  /// How many releases are remembered that shape nothing any longer; of each service the last one is, besides.
  let remembered: Int

  var releases: [String: Release] = [:]
  /// By the time when they were started.
  var order: [String] = []
  /// The store's revision of each release.
  var revisions: [String: UInt64]
  /// Ids of releases of which nothing else is known.
  let unusable: Set<String>
  var unsaid: [String: Unsaid] = [:]
  /// What is served and not kept yet, by release, and who tries to keep it.
  var undurable: [String: Undurable] = [:]
  var keepers: [String: Task<Void, Never>] = [:]
  /// What has served each release in this process, oldest first, and not further back than is remembered.
  var generations: [String: [ServedChange]] = [:]
  /// What a release waits for before it can go on by itself.
  var waits: [String: String] = [:]
  /// Those of these that wait for endpoints.
  var short: Set<String> = []
  /// How many notices about each service have come.
  var notices: [NamespacedName: Int] = [:]
  var drivers: [String: Task<Void, Never>] = [:]
  /// What is asked again and again of releases that are under way.
  var gateWatches: [String: Task<Void, Never>] = [:]
  /// The last check of each gate that counts failures, by release.
  var checks: [String: GateChecks] = [:]
  var watchers: [String: [UUID: AsyncThrowingStream<ReleaseStatus, any Error>.Continuation]] = [:]
  private var busy: Set<NamespacedName> = []
  private var queues: [NamespacedName: [CheckedContinuation<Void, Never>]] = [:]
  var isRunning = true

  init(
    pipeline: Pipeline, store: any ReleaseStore, kept: Kept, server: XDSServer, clock: ReleaseClock,
    clusterDomain: String, logger: Logger, webhooks: ReleaseWebhooks? = nil, remembered: Int = 100
  ) {
    self.pipeline = pipeline
    self.store = store
    self.server = server
    self.clock = clock
    self.clusterDomain = clusterDomain
    self.logger = logger
    self.webhooks = webhooks
    self.remembered = remembered
    revisions = kept.revisions
    unusable = kept.unusable
    // Of those of one moment the tenth comes after the ninth: a service's last one tells the next number.
    let inOrder = kept.releases.sorted {
      ($0.startedAt, $0.id.utf8.count, $0.id) < ($1.startedAt, $1.id.utf8.count, $1.id)
    }
    for release in inOrder {
      self.releases[release.id] = release
      order.append(release.id)
    }
  }

  // MARK: One at a time

  /// Runs a change of a service when those before it are done. Once it has begun it is carried through, even if whoever asked
  /// goes away.
  func alone<Result: Sendable>(
    on service: NamespacedName,
    _ body: @escaping @Sendable (_ controller: isolated ReleaseController) async throws -> Result
  ) async throws -> Result {
    if !busy.insert(service).inserted {
      await withCheckedContinuation { queues[service, default: []].append($0) }
    }
    defer { release(service) }
    try Task.checkCancellation()
    return try await Task { try await body(self) }.value
  }

  private func release(_ service: NamespacedName) {
    guard var queue = queues[service], !queue.isEmpty else {
      busy.remove(service)
      return
    }
    let next = queue.removeFirst()
    queues[service] = queue.isEmpty ? nil : queue
    next.resume()
  }

  // MARK: Moving a release

  /// How often gates are asked again because the release has moved while they were.
  private static let gateRounds = 5

  func perform(_ event: ReleaseEvent, on name: String, _ request: ReleaseRequest) async throws -> ReleaseStatus {
    try request.validate()
    let id = try find(name).id
    if event.kind == .approve, request.step == nil, request.ifRevision == nil {
      throw ReleaseError(
        .invalid, "an approval says what it is for: the step that was looked at, or the revision", release: id)
    }
    for _ in 0..<Self.gateRounds {
      // Before it is alone with the service: the way back does not wait for an answer.
      let asked = try await askGates(of: event, on: id, request)
      let service = try find(id).service
      if let status = try await alone(on: service, { try await $0.move(id, by: event, request, asked: asked) }) {
        return status
      }
    }
    throw ReleaseError(.stale, "release \(id) moves faster than its gates answer", release: id)
  }

  /// - Parameter asked: the revision that gates were asked about, if they were.
  /// - Returns: nil if gates have to be asked that were not, for it has moved since.
  private func move(
    _ id: String, by event: ReleaseEvent, _ request: ReleaseRequest, asked: UInt64?
  ) async throws -> ReleaseStatus? {
    let fingerprint = fingerprint(event, on: id, request)
    do {
      if let answer = try await replay(request, fingerprint) { return answer }
    } catch let error as ReleaseError where error.code == .notDurable && event.isWayBack {
      // Twice back is back.
    }
    var release = try find(id)
    try checkRevision(request, release)
    if event.kind == .approve, try isApproved(release, request.step) { return await status(of: release) }
    let before = release
    let capacity = await pipeline.capacity(of: release)
    let holds = try await holds(event, release, capacity)
    guard try release.take(event, reason: request.reason, at: now, holds: holds, capacity: capacity) else {
      return await status(of: release)
    }
    if asked != before.revision, let webhooks, !webhooks.gates(from: before, to: release).isEmpty { return nil }
    try await commit(
      [(release, before.weight)], action: event.kind.rawValue, request, fingerprint, isWayBack: event.isWayBack)
    return await status(of: release)
  }

  func fingerprint(_ event: ReleaseEvent, on id: String, _ request: ReleaseRequest) -> String {
    "\(id) \(event)" + (event.kind == .approve ? request.step.map { " step \($0)" } ?? "" : "")
  }

  /// Keeps releases as they are now, has them served, and lets them go on from there.
  ///
  /// - Parameters:
  ///   - changed: with the weight that each had before; the last is the one that was asked for.
  ///   - isWayBack: whether it is served even if it cannot be kept.
  func commit(
    _ changed: [(release: Release, from: Weight)], action: String, _ request: ReleaseRequest, _ fingerprint: String,
    isWayBack: Bool = false
  ) async throws {
    for (release, _) in changed { try await settle(release.id) }
    var answer: ReleaseStatus?
    if request.idempotencyKey != nil, let asked = changed.last?.release {
      // As it will be once it is served.
      var status = await status(of: asked)
      status.servedWeight = asked.state.isInForce ? asked.weight : .none
      status.waitsFor = nil
      answer = status
    }
    var later: Undurable?
    do {
      try await keep(changed, action: action, request, fingerprint, answer: answer, mayUseReserve: isWayBack)
    } catch let error as ReleaseError where isWayBack && error.code == .notDurable {
      later = Undurable(
        changed: changed, action: action, request: request, fingerprint: fingerprint, at: Timestamp(clock.now()),
        reason: error.message)
    }
    for (release, _) in changed {
      if releases.updateValue(release, forKey: release.id) == nil { order.append(release.id) }
      waits[release.id] = nil
      short.remove(release.id)
    }
    let generation = await pipeline.serve(changed.map(\.release))
    if var later, let release = changed.last?.release {
      later.generation = await pipeline.servedGeneration(of: release.id) ?? generation
      keepLater(later, release.id, of: release.service)
    }
    for (release, _) in changed {
      // Of one that shapes nothing, the one that took it away.
      let former = generations[release.id]?.last { $0.revision == release.revision }?.generation
      let served = await pipeline.servedGeneration(of: release.id) ?? former ?? generation
      unsaid[release.id]?.generation = served
      note(served, of: release)
      await tell(release)
      drive(release.id)
    }
  }

  private func checkRevision(_ request: ReleaseRequest, _ release: Release) throws {
    guard let expected = request.ifRevision, expected != release.revision else { return }
    throw ReleaseError(
      .stale,
      "release \(release.id) has revision \(release.revision), and not \(expected): \(release.state.phrase), "
        + "\(release.weight) on \(release.candidate.name)", release: release.id,
      allowedNow: release.state.allowedActions)
  }

  /// Whether a step has been approved already.
  ///
  /// - Throws: `stale` for a step that it has not come to.
  private func isApproved(_ release: Release, _ step: Int?) throws -> Bool {
    guard let step else { return false }
    if step == release.step {
      // It goes on as soon as the subsets can carry it.
      return release.state == .running && release.currentStep?.pause == .untilApproved
        && step + 1 < release.spec.plan.count
    }
    guard step < release.step else {
      throw ReleaseError(
        .stale, "release \(release.id) is \(release.state.phrase), and has not come to step \(step)",
        release: release.id, allowedNow: release.state.allowedActions)
    }
    switch release.state {
    case .running, .awaitingApproval, .keepingWarm, .succeeded: return true
    // It has not gone on from there as it was approved to.
    case .manual, .paused, .frozen, .rolledBack, .aborted, .retired:
      throw ReleaseError(
        .stale, "release \(release.id) is \(release.state.phrase), and not at step \(step) any longer",
        release: release.id, allowedNow: release.state.allowedActions)
    }
  }

  /// Whether the weight that an event leads to has to wait until the subsets can carry it.
  ///
  /// - Throws: `notEnoughCapacity` where it is not to wait but to be refused.
  private func holds(
    _ event: ReleaseEvent, _ release: Release, _ capacity: ReleaseCapacity
  ) async throws -> Bool {
    var outcome = release
    guard try outcome.take(event, at: now) else { return false }
    if case .end(let end) = ReleaseState.moves[release.state]?[event.kind] {
      // The way back is always open, and so is that to what the manifests say, unless it leads to nobody, or (while a release
      // runs) to a version that the releases before have done with.
      var nobody: String?
      if !end.isInForce {
        nobody = await pipeline.wayToNobody(without: release).map { "without release \(release.id) \($0)" }
        if nobody == nil, end == .aborted, let former = await pipeline.wayToFormer(without: release) {
          throw ReleaseError(
            .notAllowed,
            "without release \(release.id) \(former), which the releases before have left: roll it back to "
              + "\(release.stable.name), and retire it when the manifests say that", release: release.id,
            allowedNow: release.state.allowedActions)
        }
      } else if end == .rolledBack, release.leadsBackToNobody(capacity) {
        nobody = "\(release.stable.name) has no ready endpoint, and \(release.candidate.name) has"
      }
      guard let nobody else { return false }
      throw ReleaseError(
        .notEnoughCapacity, nobody, release: release.id, allowedNow: release.state.allowedActions)
    }
    guard let shortfall = release.shortfall(for: outcome.weight, capacity) else { return false }
    if release.spec.guardRails.onShortfall == .hold { return true }
    throw ReleaseError(
      .notEnoughCapacity, "\(shortfall)", release: release.id, allowedNow: release.state.allowedActions)
  }

  /// By its id, or by its service.
  func find(_ name: String) throws -> Release {
    if let release = releases[name] { return release }
    let named = order.compactMap { id in releases[id].map { Named(release: $0, serviceHost: host(of: $0)) } }
    return try Named.named(name, in: named).release
  }

  private struct Named: ReleaseNaming {
    var release: Release
    var serviceHost: String
    var id: String { release.id }
    var servicePort: UInt16? { release.spec.port }
    var isInForce: Bool { release.state.isInForce }
  }

  /// As it will be read back.
  var now: Date { ReleaseJSON.stored(clock.now()) }

  // MARK: Looking

  func status(of release: Release) async -> ReleaseStatus {
    let view = await pipeline.view(of: release)
    var release = release
    // Before the release itself has heard of it.
    if !view.isAsSet { release.forgetLive() }
    var status = ReleaseStatus(
      release, service: host(of: release), servedWeight: view.servedWeight, waitsFor: waits[release.id] ?? view.note,
      generation: view.generation, capacity: view.capacity, routes: view.routes)
    status.notDurable = undurable[release.id]?.reason
    return status
  }

  func host(of release: Release) -> String {
    "\(release.service.name).\(release.service.namespace).svc.\(clusterDomain)"
  }

  func tell(_ release: Release) async {
    guard let watchers = watchers[release.id] else { return }
    let status = await status(of: release)
    for watcher in watchers.values { watcher.yield(status) }
  }
}
