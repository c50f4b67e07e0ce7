internal import Foundation
internal import ReleaseControl
internal import ReleaseStores
internal import TrafficModel

// What is kept: a record for each release, an entry of the ledger for whatever happens to one, and what was answered.
extension ReleaseController {
  /// How long a request may be repeated with the same key.
  private static let answersAreKept = Duration.seconds(7 * 24 * 3600)

  /// What was written of a release and has still to be completed: the generation is known only when the change is kept.
  struct Unsaid {
    var entry: LedgerEntry
    var generation: UInt64
  }

  /// What a control plane starts with.
  struct Kept: Sendable {
    var releases: [Release] = []
    /// The store's, by release.
    var revisions: [String: UInt64] = [:]
    var problems: [Problem] = []
  }

  static func load(from store: any ReleaseStore) async throws -> Kept {
    let stored = try await store.load()
    var kept = Kept()
    kept.problems = stored.problems.map { Problem(.warning, at: nil, "releases: \($0)") }
    for record in stored.records {
      do {
        let release = try ReleaseJSON.decode(Release.self, from: Data(record.body))
        kept.releases.append(release)
        kept.revisions[release.id] = record.revision
      } catch {
        kept.problems.append(
          Problem(
            .error, at: nil,
            "the kept release \(record.id) cannot be read, and does not shape its service's routes: \(error)"))
      }
    }
    return kept
  }

  /// Keeps a change, whole or not at all.
  ///
  /// - Parameter changed: with the weight that each release had before; the last is the one that was asked for.
  func keep(
    _ changed: [(release: Release, from: Weight)], action: String, _ request: ReleaseRequest, _ fingerprint: String,
    answer: ReleaseStatus?
  ) async throws {
    guard let asked = changed.last?.release else { return }
    let time = Timestamp(clock.now())
    var writes: [ReleaseWrite] = []
    var statements: [LedgerStatement] = []
    var places: [(id: String, index: Int)] = []
    var notifications: [OutboxDraft] = []
    let forgotten = outlived(besides: Set(changed.map(\.release.id)))
    for id in forgotten { if let revision = revisions[id] { writes.append(.delete(id: id, revision: revision)) } }
    for (release, weight) in changed {
      let body = Array(try ReleaseJSON.encode(release))
      writes.append(
        revisions[release.id].map { .update(id: release.id, revision: $0, body: body) }
          ?? .create(id: release.id, body: body))
      if release.id == asked.id, action == ReleaseEvent.Kind.live.rawValue {
        statements.append(live(release, at: time))
      } else {
        if let unsaid = unsaid[release.id] { statements.append(served(unsaid, at: time)) }
        // What changes nothing on the wire is as live as before.
        if release.liveAt == nil { places.append((release.id, statements.count)) }
        statements.append(statement(release, from: weight, asked, action, request, at: time))
      }
      if let told = statements.last {
        notifications += self.notifications(of: told, release, from: weight, statement: statements.count - 1)
      }
    }
    let kept = try request.idempotencyKey.map { _ in
      KeptAnswer(request: idempotent(request, fingerprint), result: Array(try ReleaseJSON.encode(answer)), at: time)
    }
    let outcome: CommitOutcome
    do {
      outcome = try await store.commit(
        ReleaseCommit(
          writes: writes, statements: statements, answer: kept, notifications: notifications,
          forgetAnswersBefore: kept == nil ? nil : Timestamp(clock.now() - Self.answersAreKept / .seconds(1))))
    } catch {
      throw ReleaseError(.notDurable, "the change could not be kept, and is not made: \(error)", release: asked.id)
    }
    guard case .committed(let receipt) = outcome else { return }
    forget(forgotten)
    if !notifications.isEmpty { webhooks?.ring() }
    for (release, _) in changed {
      revisions[release.id] = receipt.revision
      unsaid[release.id] = nil
    }
    for (id, index) in places where receipt.entries.indices.contains(index) {
      unsaid[id] = Unsaid(entry: receipt.entries[index], generation: 0)
    }
  }

  private func statement(
    _ release: Release, from weight: Weight, _ asked: Release, _ action: String, _ request: ReleaseRequest,
    at time: Timestamp
  ) -> LedgerStatement {
    let isAsked = release.id == asked.id
    return LedgerStatement(
      release: release.id, host: host(of: release), actor: request.actor,
      action: isAsked ? action : ReleaseEvent.Kind.retire.rawValue,
      reason: isAsked ? request.reason : "\(asked.id) takes its place", fromWeight: weight.basisPoints,
      toWeight: release.weight.basisPoints, at: time, outcome: release.state.rawValue,
      attributes: [
        "from": release.stable.name, "to": release.candidate.name, "revision": "\(release.revision)",
        "step": "\(release.step)",
      ])
  }

  /// Which generation served an entry that never became live.
  private func served(_ unsaid: Unsaid, at time: Timestamp) -> LedgerStatement {
    LedgerStatement(
      release: unsaid.entry.statement.release, host: unsaid.entry.statement.host, actor: ReleaseController.itself,
      action: "served", generation: unsaid.generation, at: time, refersTo: unsaid.entry.sequence,
      outcome: "not known to be live everywhere")
  }

  private func live(_ release: Release, at time: Timestamp) -> LedgerStatement {
    if var unsaid = unsaid[release.id] {
      unsaid.entry.statement.generation = unsaid.generation
      var statement = LedgerStatement.liveEverywhere(unsaid.entry, actor: ReleaseController.itself, at: time)
      statement.outcome = outcome(release)
      return statement
    }
    return LedgerStatement(
      release: release.id, host: host(of: release), actor: ReleaseController.itself,
      action: LedgerStatement.liveEverywhere, toWeight: release.weight.basisPoints, at: time, liveEverywhereAt: time,
      outcome: outcome(release))
  }

  private func outcome(_ release: Release) -> String {
    release.spec.liveOn.map { "live on \($0)" } ?? "live"
  }

  /// Releases that shape nothing any longer and are too many, the oldest. What was done to them stays in the ledger.
  private func outlived(besides changed: Set<String>) -> [String] {
    let last = Dictionary(order.compactMap { id in releases[id].map { ($0.service, id) } }) { $1 }
    let over = order.filter { id in
      guard let release = releases[id], !release.state.isInForce, !changed.contains(id) else { return false }
      return last[release.service] != id
    }
    return Array(over.dropLast(remembered))
  }

  private func forget(_ ids: [String]) {
    guard !ids.isEmpty else { return }
    for id in ids {
      releases[id] = nil
      revisions[id] = nil
      unsaid[id] = nil
      generations[id] = nil
      drivers.removeValue(forKey: id)?.cancel()
      for watcher in (watchers.removeValue(forKey: id) ?? [:]).values { watcher.finish() }
    }
    order.removeAll { releases[$0] == nil }
  }

  /// Keeps how many checks of a gate have failed: a restart does not begin to count anew.
  func keep(failedChecks count: Int, of gate: String, _ id: String) async throws {
    try await alone(on: try find(id).service) { controller in
      guard var release = controller.releases[id], let revision = controller.revisions[id] else { return }
      release.failedChecks[gate] = count == 0 ? nil : count
      let body = Array(try ReleaseJSON.encode(release))
      let outcome = try await controller.store.commit(
        ReleaseCommit(writes: [.update(id: id, revision: revision, body: body)]))
      guard case .committed(let receipt) = outcome else { return }
      controller.revisions[id] = receipt.revision
      controller.releases[id] = release
    }
  }

  // MARK: Repeated requests

  func idempotent(_ request: ReleaseRequest, _ fingerprint: String) -> IdempotentRequest {
    IdempotentRequest(
      key: request.idempotencyKey ?? "", requester: request.actor, digest: Array(fingerprint.utf8))
  }

  /// Answers a request that was carried out already; nil if the key is new. If the release has not been moved since, as it is now;
  /// else as it was answered then, with the generation that served that, or 0 where that was in a process before.
  func replay(_ request: ReleaseRequest, _ fingerprint: String) async throws -> ReleaseStatus? {
    guard request.idempotencyKey != nil else { return nil }
    do {
      guard let bytes = try await store.answer(to: idempotent(request, fingerprint)) else { return nil }
      var status = try ReleaseJSON.decode(ReleaseStatus.self, from: Data(bytes))
      if let release = releases[status.id], release.revision == status.revision {
        return await self.status(of: release)
      }
      status.generation = generations[status.id]?.last { $0.revision == status.revision }?.generation ?? 0
      return status
    } catch let error as ReleaseStoreError where error.code == .keyReused {
      throw ReleaseError(.keyReused, error.message)
    }
  }

  // MARK: The ledger

  func ledger(after sequence: UInt64, limit: Int, of release: String?) async throws -> [LedgerLine] {
    try await store.ledger(after: sequence, limit: limit, of: release).map(LedgerLine.init)
  }

  func verify() async throws -> LedgerVerdict {
    let finding = try await store.verifyLedger()
    return LedgerVerdict(entries: try await store.ledgerHead().sequence, finding: finding.map { "\($0)" })
  }
}

extension Timestamp {
  init(_ date: Date) {
    self.init(millisecondsSince1970: Int64((date.timeIntervalSince1970 * 1000).rounded()))
  }

  var date: Date { Date(timeIntervalSince1970: Double(millisecondsSince1970) / 1000) }
}

extension LedgerLine {
  init(_ entry: LedgerEntry) {
    let statement = entry.statement
    self.init(
      sequence: entry.sequence, release: statement.release, service: statement.host, at: statement.at.date,
      action: statement.action, actor: statement.actor, reason: statement.reason,
      fromWeight: statement.fromWeight.flatMap { Weight(basisPoints: Int($0)) },
      toWeight: statement.toWeight.flatMap { Weight(basisPoints: Int($0)) }, generation: statement.generation,
      liveEverywhereAt: statement.liveEverywhereAt?.date, refersTo: statement.refersTo, outcome: statement.outcome,
      hash: "\(entry.hash)")
  }
}
