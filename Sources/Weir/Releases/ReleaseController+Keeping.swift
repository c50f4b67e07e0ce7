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
    /// Of which nothing but the id is known.
    var unusable: Set<String> = []
    var problems: [Problem] = []
  }

  static func load(from store: any ReleaseStore, now: Date = Date()) async throws -> Kept {
    let stored = try await store.load()
    var kept = Kept()
    kept.problems = stored.problems.map { Problem(.warning, at: nil, "releases: \($0)") }
    var lost: [String: String] = [:]
    for record in stored.unreadable {
      lost[record.id] = "it was changed by somebody else, or damaged"
      kept.revisions[record.id] = record.revision
    }
    for record in stored.records {
      kept.revisions[record.id] = record.revision
      do {
        kept.releases.append(try ReleaseJSON.decode(Release.self, from: Data(record.body)))
      } catch {
        lost[record.id] = "\(error)"
      }
    }
    // Of a file that was damaged, records may be gone altogether.
    guard !lost.isEmpty || !stored.problems.isEmpty else { return kept }
    let recovery = try await ReleaseRecovery(store)
    for id in recovery.inForce where kept.revisions[id] == nil { lost[id] = "it is not there" }
    for (id, reason) in lost.sorted(by: { $0.key < $1.key }) {
      let fate: String
      if let release = recovery.release(id, at: ReleaseJSON.stored(now)) {
        kept.releases.append(release)
        fate = "it is \(release.state.phrase), with \(release.weight) on \(release.candidate.name), as the ledger says"
      } else {
        kept.unusable.insert(id)
        fate = "the ledger does not know it either, so that it shapes no routes; its service takes no new release"
      }
      kept.problems.append(Problem(.error, at: nil, "the kept release \(id) cannot be read: \(reason); \(fate)"))
    }
    return kept
  }

  /// Keeps a change, whole or not at all.
  ///
  /// - Parameters:
  ///   - changed: with the weight that each release had before; the last is the one that was asked for.
  ///   - at: when it was made; now if nil.
  func keep(
    _ changed: [(release: Release, from: Weight)], action: String, _ request: ReleaseRequest, _ fingerprint: String,
    at: Timestamp? = nil, answer: ReleaseStatus?, mayUseReserve: Bool = false
  ) async throws {
    guard let asked = changed.last?.release else { return }
    let time = at ?? Timestamp(clock.now())
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
          forgetAnswersBefore: kept == nil ? nil : Timestamp(clock.now() - Self.answersAreKept / .seconds(1)),
          mayUseReserve: mayUseReserve))
    } catch {
      throw Self.explained(error, asked.id)
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

  /// What a store refuses, as whoever asked hears it.
  private static func explained(_ error: any Error, _ id: String) -> ReleaseError {
    switch (error as? ReleaseStoreError)?.code {
    case .stale: ReleaseError(.stale, "somebody else has changed what is kept: \(error)", release: id)
    case .keyReused: ReleaseError(.keyReused, "\(error)", release: id)
    case .invalid: ReleaseError(.invalid, "\(error)", release: id)
    case .directoryUnusable, .inUse, .diskFull, .corrupt, .lost, .failed, nil:
      ReleaseError(.notDurable, "the change could not be kept: \(error)", release: id)
    }
  }

  private func statement(
    _ release: Release, from weight: Weight, _ asked: Release, _ action: String, _ request: ReleaseRequest,
    at time: Timestamp
  ) -> LedgerStatement {
    let isAsked = release.id == asked.id
    var attributes = [
      "from": release.stable.name, "to": release.candidate.name, "revision": "\(release.revision)",
      "step": "\(release.step)", ReleaseRecovery.baseline: "\(release.baseline)",
    ]
    // All of it, once: should the record be lost, the ledger tells what is to be served.
    if revisions[release.id] == nil, let body = try? ReleaseJSON.encode(release) {
      attributes[ReleaseRecovery.attribute] = String(decoding: body, as: UTF8.self)
    }
    return LedgerStatement(
      release: release.id, host: host(of: release), actor: request.actor,
      action: isAsked ? action : ReleaseEvent.Kind.retire.rawValue,
      reason: isAsked ? request.reason : "\(asked.id) takes its place", fromWeight: weight.basisPoints,
      toWeight: (action == ReleaseController.spill ? release.spilled ?? release.weight : release.weight).basisPoints,
      at: time, outcome: release.state.rawValue, attributes: attributes)
  }

  /// Which generation served an entry that never became live.
  private func served(_ unsaid: Unsaid, at time: Timestamp) -> LedgerStatement {
    LedgerStatement(
      release: unsaid.entry.statement.release, host: unsaid.entry.statement.host, actor: ReleaseController.itself,
      action: "served", generation: unsaid.generation, at: time, refersTo: unsaid.entry.sequence,
      outcome: "not known to be live everywhere")
  }

  /// Says of what was done last before a restart, and was not known to be live then, that it is served anew: the generation that
  /// it had is of a former life, and unknown. What becomes of it now is told with the generation that it has in this one.
  func closeUnfinished(_ id: String) async throws {
    guard let release = releases[id], release.liveAt == nil, unsaid[id] == nil else { return }
    let entries = try await store.ledger(after: 0, limit: .max, of: id)
    guard let last = entries.last(where: { $0.statement.isMove || $0.statement.isOfGuardRail }) else { return }
    let generation = await pipeline.view(of: release).generation
    unsaid[id] = Unsaid(entry: last, generation: generation)
    guard !entries.contains(where: { $0.statement.refersTo == last.sequence }) else { return }
    let statement = LedgerStatement(
      release: id, host: last.statement.host, actor: Self.itself, action: "restarted", generation: generation,
      at: Timestamp(clock.now()), refersTo: last.sequence,
      outcome: "served anew after a restart; the generation before it is not known")
    _ = try await store.commit(ReleaseCommit(statements: [statement]))
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
      checks[id] = nil
      generations[id] = nil
      drivers.removeValue(forKey: id)?.cancel()
      for watcher in (watchers.removeValue(forKey: id) ?? [:]).values { watcher.finish() }
    }
    order.removeAll { releases[$0] == nil }
  }

  /// Counts how many checks of a gate have failed, and keeps it: a restart does not begin to count anew.
  ///
  /// - Throws: if it could not be kept; it counts all the same.
  func keep(failedChecks count: Int, of gate: String, _ id: String) async throws {
    try await alone(on: try find(id).service) { controller in
      guard controller.isRunning, var release = controller.releases[id], let revision = controller.revisions[id] else {
        return
      }
      release.failedChecks[gate] = count == 0 ? nil : count
      controller.releases[id] = release
      let body = Array(try ReleaseJSON.encode(release))
      let outcome = try await controller.store.commit(
        ReleaseCommit(writes: [.update(id: id, revision: revision, body: body)]))
      guard case .committed(let receipt) = outcome else { return }
      controller.revisions[id] = receipt.revision
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
      // As another version has written it, it may lack what this one tells; that it was carried out is so all the same.
      guard var status = try? ReleaseJSON.decode(ReleaseStatus.self, from: Data(bytes)) else {
        let id = try ReleaseJSON.decode(AnsweredRelease.self, from: Data(bytes)).id
        return await self.status(of: try find(id))
      }
      if let release = releases[status.id], release.revision == status.revision {
        return await self.status(of: release)
      }
      status.generation = generations[status.id]?.first { $0.revision == status.revision }?.generation ?? 0
      return status
    } catch let error as ReleaseStoreError where error.code == .keyReused {
      throw ReleaseError(.keyReused, error.message)
    } catch let error as ReleaseStoreError {
      throw ReleaseError(.notDurable, "what was done before cannot be looked up, and nothing is changed: \(error)")
    }
  }

  private struct AnsweredRelease: Decodable { var id: String }

  // MARK: The ledger

  func ledger(after sequence: UInt64, limit: Int, of release: String?) async throws -> [LedgerLine] {
    try await store.ledger(after: sequence, limit: limit, of: release).map(LedgerLine.init)
  }

  func verify(against mark: String?) async throws -> LedgerVerdict {
    let marks = try mark.map { text in
      guard let mark = LedgerMark(text) else {
        throw ReleaseError(.invalid, "\(text) is no mark: SEQUENCE:HASH, as the last verification has printed it")
      }
      return [mark]
    }
    let head = try await store.ledgerHead()
    let finding = try await store.verifyLedger(against: marks ?? [])
    return LedgerVerdict(
      entries: head.sequence, finding: finding.map { "\($0)" },
      mark: finding == nil && head.sequence > 0 ? "\(head)" : nil)
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
      attributes: statement.attributes, previousHash: "\(entry.previousHash)", hash: "\(entry.hash)")
  }
}
