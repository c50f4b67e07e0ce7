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
  /// With fewer live proxies no change of a release is live: what nobody has is live nowhere.
  let fewestProxies: Int
  /// How many releases are remembered that shape nothing any longer; of each service the last one is, besides.
  let remembered: Int

  var releases: [String: Release] = [:]
  /// By the time when they were started.
  var order: [String] = []
  /// The store's revision of each release.
  var revisions: [String: UInt64]
  var unsaid: [String: Unsaid] = [:]
  /// Which generation served each of a release's last revisions, as far as this process has made them, and whether that was live.
  var generations: [String: [(revision: UInt64, generation: UInt64, isLive: Bool)]] = [:]
  /// What a release waits for before it can go on by itself.
  var waits: [String: String] = [:]
  /// Those of these that wait for endpoints.
  var short: Set<String> = []
  /// How many notices about each service have come.
  var notices: [NamespacedName: Int] = [:]
  var drivers: [String: Task<Void, Never>] = [:]
  /// What is asked again and again of releases that are under way.
  var gateWatches: [String: Task<Void, Never>] = [:]
  var watchers: [String: [UUID: AsyncThrowingStream<ReleaseStatus, any Error>.Continuation]] = [:]
  private var busy: Set<NamespacedName> = []
  private var queues: [NamespacedName: [CheckedContinuation<Void, Never>]] = [:]
  var isRunning = true

  init(
    pipeline: Pipeline, store: any ReleaseStore, kept: Kept, server: XDSServer, clock: ReleaseClock,
    clusterDomain: String, logger: Logger, webhooks: ReleaseWebhooks? = nil, remembered: Int = 100,
    fewestProxies: Int = 1
  ) {
    self.pipeline = pipeline
    self.store = store
    self.server = server
    self.clock = clock
    self.clusterDomain = clusterDomain
    self.logger = logger
    self.webhooks = webhooks
    self.remembered = remembered
    self.fewestProxies = fewestProxies
    revisions = kept.revisions
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

  func perform(_ event: ReleaseEvent, on id: String, _ request: ReleaseRequest) async throws -> ReleaseStatus {
    try request.validate()
    // Before it is alone with the service: the way back does not wait for an answer.
    try await askGates(of: event, on: id, request)
    return try await alone(on: try find(id).service) { try await $0.move(id, by: event, request) }
  }

  private func move(_ id: String, by event: ReleaseEvent, _ request: ReleaseRequest) async throws -> ReleaseStatus {
    let fingerprint = fingerprint(event, on: id)
    if let answer = try await replay(request, fingerprint) { return answer }
    var release = try find(id)
    try checkRevision(request, release)
    let before = release
    let holds = try await holds(event, release)
    guard try release.take(event, reason: request.reason, at: now, holds: holds) else {
      return await status(of: release)
    }
    try await commit([(release, before.weight)], action: event.kind.rawValue, request, fingerprint)
    return await status(of: release)
  }

  func fingerprint(_ event: ReleaseEvent, on id: String) -> String { "\(id) \(event)" }

  /// Keeps releases as they are now, has them served, and lets them go on from there.
  ///
  /// - Parameter changed: with the weight that each had before; the last is the one that was asked for.
  func commit(
    _ changed: [(release: Release, from: Weight)], action: String, _ request: ReleaseRequest, _ fingerprint: String
  ) async throws {
    var answer: ReleaseStatus?
    if request.idempotencyKey != nil, let asked = changed.last?.release {
      // As it will be once it is served.
      var status = await status(of: asked)
      status.servedWeight = asked.state.isInForce ? asked.weight : .none
      status.waitsFor = nil
      answer = status
    }
    try await keep(changed, action: action, request, fingerprint, answer: answer)
    for (release, _) in changed {
      if releases.updateValue(release, forKey: release.id) == nil { order.append(release.id) }
      waits[release.id] = nil
      short.remove(release.id)
    }
    let generation = await pipeline.serve(changed.map(\.release))
    for (release, _) in changed {
      unsaid[release.id]?.generation = generation
      note(await pipeline.servedGeneration(of: release.id) ?? generation, of: release)
      await tell(release)
      drive(release.id)
    }
  }

  /// How many revisions of a release are remembered with their generations.
  private static let revisionsRemembered = 100

  private func note(_ generation: UInt64, of release: Release) {
    // That it is live is no revision of its own.
    if generations[release.id]?.last?.revision == release.revision { generations[release.id]?.removeLast() }
    generations[release.id, default: []].append((release.revision, generation, release.liveAt != nil))
    if generations[release.id]?.count ?? 0 > Self.revisionsRemembered { generations[release.id]?.removeFirst() }
  }

  private func checkRevision(_ request: ReleaseRequest, _ release: Release) throws {
    guard let expected = request.ifRevision, expected != release.revision else { return }
    throw ReleaseError(
      .stale,
      "release \(release.id) has revision \(release.revision), and not \(expected): \(release.state.phrase), "
        + "\(release.weight) on \(release.candidate.name)", release: release.id,
      allowedNow: release.state.allowedActions)
  }

  /// Whether the weight that an event leads to has to wait until the subsets can carry it.
  ///
  /// - Throws: `notEnoughCapacity` where it is not to wait but to be refused.
  private func holds(_ event: ReleaseEvent, _ release: Release) async throws -> Bool {
    var outcome = release
    guard try outcome.take(event, at: now), outcome.state.isInForce else { return false }
    let capacity = await pipeline.capacity(of: release)
    if case .end = ReleaseState.moves[release.state]?[event.kind] {
      // The way back is always open, unless it leads to nobody.
      guard case .action(.rollback) = event, capacity.stable == 0, capacity.candidate > 0, release.weight > .none else {
        return false
      }
      throw ReleaseError(
        .notEnoughCapacity, "\(release.stable.name) has no ready endpoint, and \(release.candidate.name) has",
        release: release.id, allowedNow: release.state.allowedActions)
    }
    guard let shortfall = release.shortfall(for: outcome.weight, capacity) else { return false }
    if release.spec.guardRails.onShortfall == .hold { return true }
    throw ReleaseError(
      .notEnoughCapacity, "\(shortfall)", release: release.id, allowedNow: release.state.allowedActions)
  }

  func find(_ id: String) throws -> Release {
    guard let release = releases[id] else {
      throw ReleaseError(.unknownRelease, "there is no release \(id)", release: id)
    }
    return release
  }

  /// As it will be read back.
  var now: Date { ReleaseJSON.stored(clock.now()) }

  // MARK: Looking

  func status(of release: Release) async -> ReleaseStatus {
    let view = await pipeline.view(of: release)
    return ReleaseStatus(
      release, service: host(of: release), servedWeight: view.servedWeight, waitsFor: waits[release.id] ?? view.note,
      generation: view.generation,
      capacity: view.capacity, routes: view.routes)
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
