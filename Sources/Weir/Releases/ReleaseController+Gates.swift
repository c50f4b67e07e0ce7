internal import Foundation
internal import ReleaseControl
internal import ReleaseNotifications

// Gates: webhooks by whose answer a release goes. They hold what leads forward; the way back asks nobody.
extension ReleaseController {
  /// Asks before a change that somebody wants now.
  ///
  /// - Returns: the revision of the release that they were asked about: their answer counts for no other. Nil if nothing had to
  ///   be asked.
  /// - Throws: `notAllowed`, with what the webhooks said.
  func askGates(of event: ReleaseControl.ReleaseEvent, on id: String, _ request: ReleaseRequest) async throws -> UInt64?
  {
    guard let webhooks, let release = releases[id] else { return nil }
    var outcome = release
    // What is not allowed anyway is refused where it is carried out, and what is approved already is no move.
    guard request.ifRevision ?? release.revision == release.revision, request.step ?? release.step == release.step,
      (try? outcome.take(event, at: now)) == true
    else { return nil }
    let gates = webhooks.gates(from: release, to: outcome)
    guard !gates.isEmpty else { return nil }
    // What has been done already asks nobody again.
    if try await replay(request, fingerprint(event, on: id, request)) != nil { return nil }
    guard let obstacle = try await obstacle(gates, id) else { return release.revision }
    throw ReleaseError(
      .notAllowed, "\(event.kind.rawValue) has to wait for a gate: \(obstacle)", release: id,
      allowedNow: release.state.allowedActions)
  }

  /// Asks gates one after the other.
  ///
  /// - Returns: why the release cannot go on; nil if it can.
  /// - Throws: `CancellationError` if nobody wants to know any longer.
  func obstacle(_ gates: [Gate], _ id: String) async throws -> String? {
    for gate in gates {
      switch try await answer(of: gate, id) {
      case .pass: continue
      case .notYet(let reasons): return "\(gate): \(reasons.joined(separator: "; "))"
      case .fail(let reasons):
        let reason = "\(gate) has failed: \(reasons.joined(separator: "; "))"
        if let release = releases[id] { try await note(.trip, id, release.revision, reason) }
        return reason
      }
    }
    return nil
  }

  /// A check of a gate that counts failures: one answer, however many want to know it.
  struct GateCheck {
    /// What the release was when it was asked about.
    var revision: UInt64
    var askedAt: Date
    var isAnswered = false
    var answer: Task<GateAnswer, any Error>
  }

  typealias GateChecks = [Gate: GateCheck]

  /// What a gate says of a release as it is.
  private func answer(of gate: Gate, _ id: String) async throws -> GateAnswer {
    guard let webhooks, let release = releases[id] else { return .pass }
    guard gate.countsFailures else { return try await ask(gate, release) }
    // Whoever looks in between, as a step that is due while it is asked again and again anyway, takes the last answer: a check
    // counts once.
    if let check = checks[id]?[gate], check.revision == release.revision,
      !check.isAnswered || abs(clock.now().timeIntervalSince(check.askedAt)) < webhooks.interval / .seconds(2)
    {
      return try await check.answer.value
    }
    let check = GateCheck(
      revision: release.revision, askedAt: clock.now(),
      answer: Task {
        defer { if self.checks[id]?[gate]?.revision == release.revision { self.checks[id]?[gate]?.isAnswered = true } }
        let answer = try await self.ask(gate, release)
        let failures = release.failedChecks[gate.rawValue, default: 0]
        let count = answer == .pass ? 0 : failures + 1
        do {
          if count != failures { try await self.keep(failedChecks: count, of: gate.rawValue, id) }
        } catch is CancellationError {
          throw CancellationError()
        } catch {
          // It is counted here all the same: a full disk must not keep a release from being rolled back.
          self.logger.error("a failed check is not kept", metadata: ["release": "\(id)", "error": "\(error)"])
        }
        return answer
      })
    checks[id, default: [:]][gate] = check
    return try await check.answer.value
  }

  private func ask(_ gate: Gate, _ release: Release) async throws -> GateAnswer {
    guard let webhooks else { return .pass }
    let answer = await webhooks.gates.ask(
      gate, about: ReleaseSnapshot(release, host: host(of: release)),
      failuresBefore: release.failedChecks[gate.rawValue, default: 0])
    // An answer that was cut off is none.
    try Task.checkCancellation()
    return answer
  }

  /// Asks, while a release is under way, what is to be asked again and again. Lasts as long as the release is so.
  func watchGates(_ id: String) {
    guard let webhooks, webhooks.checksOnTheWay, isRunning, let release = releases[id], !release.state.isFinished,
      gateWatches[id] == nil
    else { return }
    gateWatches[id] = Task {
      while !Task.isCancelled, let release = self.releases[id], !release.state.isFinished {
        do {
          try await self.checkOnTheWay(release)
          try await self.clock.sleep(webhooks.interval)
        } catch is CancellationError {
          break
        } catch {
          self.logger.error("a gate's answer could not be kept", metadata: ["release": "\(id)", "error": "\(error)"])
          try? await self.clock.sleep(webhooks.interval)
        }
      }
      self.gateWatches[id] = nil
    }
  }

  private func checkOnTheWay(_ release: Release) async throws {
    guard let gates = webhooks?.gates else { return }
    if gates.isGuarded(.rollback), try await answer(of: .rollback, release.id) == .pass {
      return try await trip(release, "the gate \(Gate.rollback) asks for it")
    }
    guard gates.isGuarded(.rollout), let present = releases[release.id], present.leadsToCandidate, present.weight < .all
    else { return }
    if case .fail(let reasons) = try await answer(of: .rollout, release.id) {
      try await trip(release, "\(Gate.rollout) has failed: \(reasons.joined(separator: "; "))")
    }
  }

  /// However it has moved meanwhile: what was asked about was the release.
  private func trip(_ release: Release, _ reason: String) async throws {
    guard let present = releases[release.id] else { return }
    try await note(.trip, release.id, present.revision, reason)
  }
}

extension ReleaseSnapshot {
  init(_ release: Release, host: String) {
    self.init(
      id: release.id, name: release.service.name, namespace: release.service.namespace, host: host,
      strategy: release.spec.strategy.rawValue, phase: release.state.rawValue, stable: release.stable.name,
      candidate: release.candidate.name, weightBasisPoints: release.weight.basisPoints,
      step: release.step < 0 ? nil : release.step, steps: release.spec.plan.count)
  }
}
