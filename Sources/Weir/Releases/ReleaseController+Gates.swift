internal import Logging
internal import ReleaseControl
internal import ReleaseNotifications
internal import ReleaseStores

// The points of a release at which webhooks are asked (Flagger's, with its meaning of each). A webhook that does not answer is
// no reason to go on, and none to do anything else: the release stays where it is, and the webhook is asked again.
extension ReleaseController {
  static let starting = "start"
  static let checkFailed = "check-failed"

  /// Asks whoever stands between a release and its next step until all let it pass.
  ///
  /// - Returns: whether it may go on; not, if it was moved meanwhile.
  func passesGates(_ release: Release, to outcome: Release) async throws -> Bool {
    for gate in webhooks.guarded(release.gates(before: outcome)) {
      while true {
        let answer = await ask(gate, about: release)
        try Task.checkCancellation()
        guard releases[release.id]?.revision == release.revision else { return false }
        switch answer {
        case .pass: break
        case .notYet(let reasons):
          waits[release.id] = Self.words(gate, reasons)
          await tell(release)
          try await clock.sleep(webhooks.gates?.interval(of: gate) ?? .zero)
          guard releases[release.id]?.revision == release.revision else { return false }
          continue
        case .fail(let reasons):
          try await note(.trip, release.id, release.revision, Self.words(gate, reasons))
          return false
        }
        break
      }
    }
    waits[release.id] = nil
    return true
  }

  /// Asks the gates that are asked again and again, for as long as the release is under way.
  func watchOver(_ id: String) {
    guard isRunning, let release = releases[id], !release.state.isFinished else { return }
    for gate in webhooks.guarded([.rollback, .rollout]) where keepers[id]?[gate] == nil {
      keepers[id, default: [:]][gate] = Task {
        await self.askAgainAndAgain(gate, about: id)
        self.forgetKeeper(of: id, gate)
      }
    }
  }

  private func forgetKeeper(of id: String, _ gate: Gate) {
    keepers[id]?[gate] = nil
    if keepers[id]?.isEmpty == true { keepers[id] = nil }
  }

  private func askAgainAndAgain(_ gate: Gate, about id: String) async {
    let interval = webhooks.gates?.interval(of: gate) ?? .zero
    while (try? await clock.sleep(interval)) != nil, let release = releases[id], !release.state.isFinished {
      if gate == .rollout, !release.dividesTraffic { continue }
      let reason: String
      switch (gate, await ask(gate, about: release)) {
      case (.rollback, .pass): reason = "the gate rollback asks for it"
      case (.rollout, .fail(let reasons)): reason = Self.words(gate, reasons)
      default: continue
      }
      if Task.isCancelled { return }
      do {
        try await note(.trip, id, release.revision, reason)
      } catch {
        logger.error("a gate's rollback could not be kept", metadata: ["release": "\(id)", "error": "\(error)"])
      }
    }
  }

  // MARK: One question

  private func ask(_ gate: Gate, about release: Release) async -> GateAnswer {
    guard let gates = webhooks.gates else { return .pass }
    let generation = await pipeline.view(of: release).generation
    let answer = await gates.ask(
      gate, about: release.snapshot(host: host(of: release), generation: generation),
      failuresBefore: releases[release.id]?.failedChecks[gate.rawValue] ?? 0)
    // Of a question that was taken back nothing is known.
    if Task.isCancelled { return .notYet([]) }
    guard gate.countsFailures else { return answer }
    do {
      try await alone(on: release.service) { try await $0.count(answer, of: gate, release.id, release.revision) }
    } catch {
      if case .fail = answer { return answer }
      logger.error("a failed check could not be kept", metadata: ["release": "\(release.id)", "error": "\(error)"])
    }
    return answer
  }

  /// So that a restart does not begin to count anew.
  private func count(_ answer: GateAnswer, of gate: Gate, _ id: String, _ revision: UInt64) async throws {
    guard var release = releases[id], release.revision == revision, let stored = revisions[id] else { return }
    let reasons: [String]
    switch answer {
    case .pass: reasons = []
    case .notYet(let complaints), .fail(let complaints): reasons = complaints
    }
    guard release.count(failed: answer != .pass, of: gate.rawValue) else { return }
    let body = Array(try ReleaseJSON.encode(release))
    var commit = ReleaseCommit(writes: [.update(id: id, revision: stored, body: body)])
    if answer != .pass {
      let statement = LedgerStatement(
        release: id, host: host(of: release), actor: Self.itself, action: Self.checkFailed,
        reason: Self.words(gate, reasons), fromWeight: release.weight.basisPoints, toWeight: release.weight.basisPoints,
        at: Timestamp(clock.now()), outcome: release.state.rawValue)
      commit.statements = [statement]
      commit.notifications = webhooks.roster.notifications(
        of: release.transition(statement, host: host(of: release)), statement: 0)
    }
    guard let receipt = try await store.commit(commit).receipt else { return }
    revisions[id] = receipt.revision
    releases[id] = release
    if !commit.notifications.isEmpty { webhooks.ring() }
  }

  private static func words(_ gate: Gate, _ reasons: [String]) -> String {
    let text = reasons.isEmpty ? "\(gate) does not let it pass" : "\(gate): \(reasons.joined(separator: "; "))"
    return String(text.filter { $0 != "\0" })
  }
}
