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
  /// How long until a move that could not be kept is tried again.
  private static let retryDelay = Duration.seconds(1)

  /// Lets all releases go on from where they are.
  func run() {
    for id in order { drive(id) }
  }

  /// Nothing moves by itself any longer, and nobody waits for a proxy.
  func stop() async {
    isRunning = false
    let ending = Array(drivers.values) + gateWatches.values
    for driver in ending { driver.cancel() }
    drivers = [:]
    gateWatches = [:]
    for driver in ending { await driver.value }
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
      let generation = await pipeline.view(of: release).generation
      let query = ConvergenceQuery(
        generation, of: release, clusterDomain: clusterDomain, atLeast: fewestProxies)
      for await state in server.convergences(of: query) {
        guard releases[id]?.revision == revision else { return }
        if state.isLive { break }
        // Else somebody is waited for, whom every answer names.
        await wait(for: state.total == 0 ? LiveReport.nobody(in: query.scope.description) : nil, release)
      }
      try Task.checkCancellation()
      // Kept, it is driven from there.
      return try await note(.live, id, revision, "")
    }
    guard let due = release.dueAt else { return }
    let left = due.timeIntervalSince(clock.now())
    if left >= 0.001 { try await clock.sleep(.milliseconds(Int64((left * 1000).rounded()))) }
    while let pause = try await advance(id, revision) { try await clock.sleep(pause) }
  }

  /// Takes the next step, if endpoints and gates let it.
  ///
  /// - Returns: how long until it is to be tried again; nil if that is not known, or not needed.
  private func advance(_ id: String, _ revision: UInt64) async throws -> Duration? {
    guard var outcome = releases[id], outcome.revision == revision else { return nil }
    let release = outcome
    guard (try? outcome.take(.advance, at: now)) == true else { return nil }
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
    guard try release.take(event, reason: reason, at: now) else { return }
    try await commit(
      [(release, before)], action: event.kind.rawValue, ReleaseRequest(actor: Self.itself, reason: reason), "")
  }

  /// What guard rails found. The pipeline has acted on it already; here it becomes a part of the release.
  func take(_ notice: ReleasedServices.Notice) async {
    notices[notice.service, default: 0] += 1
    for (id, event, reason) in notice.events {
      guard let release = releases[id] else { continue }
      await keep(event, id, release.revision, reason)
    }
    for id in order where short.contains(id) && releases[id]?.service == notice.service {
      waits[id] = nil
      short.remove(id)
      drive(id)
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
