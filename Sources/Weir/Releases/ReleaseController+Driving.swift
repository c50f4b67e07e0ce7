internal import Foundation
internal import Logging
internal import ReleaseControl
internal import TrafficModel
internal import XDSServer

// What releases do by themselves: they notice that they are live, wait out their pauses, take the next step when the subsets can
// carry it, and do what guard rails ask for.
extension ReleaseController {
  /// Who it was that did something of itself, in the ledger.
  static let itself = "weir"
  /// What a guard rail serves in place of the weight, and that it serves the weight again, in the ledger.
  static let spill = "spill"
  static let unspill = "unspill"
  /// How long until a move that could not be kept is tried again.
  private static let retryDelay = Duration.seconds(1)

  /// Lets all releases go on from where they are.
  func run() async {
    for id in order {
      guard let service = releases[id]?.service else { continue }
      do {
        try await alone(on: service) { try await $0.resume(id) }
      } catch {
        logger.error("the ledger does not tell of the restart", metadata: ["release": "\(id)", "error": "\(error)"])
      }
    }
    for id in order { drive(id) }
  }

  /// Takes note of what serves a release in this process, and closes what the one before has left open in the ledger.
  private func resume(_ id: String) async throws {
    if let release = releases[id], generations[id] == nil, let served = await pipeline.servedGeneration(of: id) {
      note(served, of: release)
    }
    try await closeUnfinished(id)
  }

  /// Nothing moves by itself any longer, and nobody waits for a proxy.
  func stop() async {
    isRunning = false
    let ending = Array(drivers.values) + gateWatches.values
    for check in checks.values.flatMap(\.values) { check.answer.cancel() }
    for driver in ending { driver.cancel() }
    drivers = [:]
    gateWatches = [:]
    for driver in ending { await driver.value }
    await settleAll()
    for watchers in watchers.values { for watcher in watchers.values { watcher.finish() } }
    watchers = [:]
  }

  /// Waits for whatever comes next for a release, in place of what was waited for.
  func drive(_ id: String) {
    watchGates(id)
    drivers.removeValue(forKey: id)?.cancel()
    guard isRunning, let release = releases[id], release.liveAt == nil || release.dueAt != nil else { return }
    drivers[id] = Task {
      while !Task.isCancelled {
        do {
          return try await self.waitAndMove(id, at: release.revision)
        } catch {
          if Task.isCancelled { return }
          self.logger.error("release cannot go on", metadata: ["release": "\(id)", "error": "\(error)"])
          try? await self.clock.sleep(Self.retryDelay)
        }
      }
    }
  }

  private func waitAndMove(_ id: String, at revision: UInt64) async throws {
    guard let release = releases[id], release.revision == revision else { return }
    if release.liveAt == nil {
      // What was set is served nowhere. When it is again, it is driven from there.
      guard release.spilled == nil, try await waitUntilLive(release) else { return }
      // Kept, it is driven from there.
      return try await note(.live, id, revision, "")
    }
    guard let due = release.dueAt else { return }
    let left = due.timeIntervalSince(clock.now())
    if left >= 0.001 { try await clock.sleep(.milliseconds(Int64((left * 1000).rounded()))) }
    while let pause = try await advance(id, revision) { try await clock.sleep(pause) }
  }

  /// Waits until what is served of a release is live on the proxies that its steps are for.
  ///
  /// - Parameter isNoted: whether it was so before: then nobody else says for whom is waited.
  /// - Returns: false if somebody has moved the release meanwhile.
  private func waitUntilLive(_ release: Release, isNoted: Bool = false) async throws -> Bool {
    let generation = await pipeline.view(of: release).generation
    let query = ConvergenceQuery(generation, of: release, clusterDomain: clusterDomain, atLeast: Self.fewestProxies)
    var hasWaited = false
    for await state in server.convergences(of: query) {
      guard releases[release.id]?.revision == release.revision else { return false }
      if state.isLive { break }
      hasWaited = true
      let isNamed = isNoted || state.total == 0
      await wait(for: isNamed ? Self.words(for: LiveReport(state, query.scope, objects: [:])) : nil, release)
    }
    try Task.checkCancellation()
    if hasWaited, isNoted { await wait(for: nil, release) }
    return true
  }

  /// Takes the next step, if proxies, endpoints and gates let it.
  ///
  /// - Returns: how long until it is to be tried again; nil if that is not known, or not needed.
  private func advance(_ id: String, _ revision: UInt64) async throws -> Duration? {
    guard var outcome = releases[id], outcome.revision == revision else { return nil }
    let release = outcome
    guard (try? outcome.take(.advance, at: now)) == true else { return nil }
    // A step is taken from one that is live, and not from one that was: proxies may have lost their server meanwhile, or this one
    // has just started and does not know yet what they have.
    if outcome.overlay != release.overlay {
      guard try await waitUntilLive(release, isNoted: true) else { return nil }
    }
    var gates = webhooks?.gates(from: release, to: outcome) ?? []
    while true {
      let seen = notices[release.service, default: 0]
      let shortfall = release.shortfall(for: outcome.weight, await pipeline.capacity(of: release))
      if let shortfall, outcome.weight > .none {
        // Endpoints that changed while they were counted are counted again; the next notice comes back here.
        guard notices[release.service, default: 0] == seen else { continue }
        guard releases[id]?.revision == revision else { return nil }
        short.insert(id)
        await wait(for: "\(shortfall)", release)
        return nil
      }
      guard !gates.isEmpty else {
        try await note(.advance, id, revision, "")
        return nil
      }
      if let obstacle = try await obstacle(gates, id) {
        guard releases[id]?.revision == revision else { return nil }
        await wait(for: obstacle, release)
        return webhooks?.interval
      }
      // Answers take their time: endpoints are counted again.
      gates = []
    }
  }

  private func wait(for what: String?, _ release: Release) async {
    guard waits[release.id] != what else { return }
    waits[release.id] = what
    await tell(release)
  }

  /// An event of a release's own, unless somebody has moved it meanwhile.
  func note(_ event: ReleaseEvent, _ id: String, _ revision: UInt64, _ reason: String) async throws {
    guard let known = releases[id] else { return }
    try await alone(on: known.service) { try await $0.noteAlone(event, id, revision, reason) }
  }

  private func noteAlone(_ event: ReleaseEvent, _ id: String, _ revision: UInt64, _ reason: String) async throws {
    // Somebody was faster, or the same was found twice.
    guard var release = releases[id], release.revision == revision,
      ReleaseState.moves[release.state]?[event.kind] != nil
    else { return }
    let before = release.weight
    var (event, reason) = (event, reason)
    var capacity: ReleaseCapacity?
    if event == .live {
      guard await pipeline.isServedAsSet(release) else { return }
    } else {
      let found = await pipeline.capacity(of: release)
      capacity = found
      if event == .trip, release.leadsBackToNobody(found) {
        event = .freeze
        reason +=
          "; not rolled back, for \(release.stable.name) has no ready endpoint and \(release.candidate.name) has"
      }
    }
    guard try release.take(event, reason: reason, at: now, capacity: capacity) else {
      // Frozen already.
      return await wait(for: reason, release)
    }
    try await commit(
      [(release, before)], action: event.kind.rawValue, ReleaseRequest(actor: Self.itself, reason: reason), "",
      isWayBack: event.isWayBack)
  }

  /// What guard rails found. The pipeline has acted on it already; here it becomes a part of the release.
  func take(_ notice: ReleasedServices.Notice) async {
    notices[notice.service, default: 0] += 1
    for (id, event, reason) in notice.events {
      guard let release = releases[id] else { continue }
      await keep(event, id, release.revision, reason)
    }
    // What a move leads to is told with a notice of its own.
    let moved = Set(notice.events.map(\.release))
    for spill in notice.spills where !moved.contains(spill.release) { await keep(spill) }
    if notice.routesChanged {
      for id in order where releases[id]?.service == notice.service && releases[id]?.liveAt == nil { drive(id) }
    }
    for id in order where short.contains(id) && releases[id]?.service == notice.service {
      waits[id] = nil
      short.remove(id)
      drive(id)
    }
  }

  /// Writes down what is served in place of a release's weight, or that it is served as set again.
  private func keep(_ spill: ReleasedServices.Spill) async {
    guard let known = releases[spill.release], known.spilled != spill.weight, known.revision == spill.revision else {
      return
    }
    do {
      try await alone(on: known.service) { controller in
        guard var release = controller.releases[spill.release], release.revision == spill.revision else { return }
        let before = release.spilled ?? release.weight
        guard release.note(spilled: spill.weight) else { return }
        try await controller.commit(
          [(release, before)], action: spill.weight == nil ? Self.unspill : Self.spill,
          ReleaseRequest(actor: Self.itself, reason: spill.reason), "")
      }
    } catch is CancellationError {
    } catch {
      logger.error("what is served could not be kept", metadata: ["release": "\(spill.release)", "error": "\(error)"])
      Task {
        guard (try? await clock.sleep(Self.retryDelay)) != nil, isRunning, let release = releases[spill.release] else {
          return
        }
        // As it is then.
        if let present = await pipeline.spill(of: release) { await keep(present) }
      }
    }
  }

  /// Until it is kept, or somebody has moved the release: what is served has changed already.
  private func keep(_ event: ReleaseEvent, _ id: String, _ revision: UInt64, _ reason: String) async {
    do {
      try await note(event, id, revision, reason)
    } catch is CancellationError {
    } catch {
      logger.error("a guard rail's move could not be kept", metadata: ["release": "\(id)", "error": "\(error)"])
      Task {
        guard (try? await clock.sleep(Self.retryDelay)) != nil, isRunning else { return }
        await keep(event, id, revision, reason)
      }
    }
  }
}
