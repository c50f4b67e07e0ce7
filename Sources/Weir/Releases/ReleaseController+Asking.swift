internal import Foundation
internal import ReleaseControl
internal import XDSServer

extension ReleaseController: ReleaseBackend {
  func perform(_ action: ReleaseAction, on id: String, _ request: ReleaseRequest) async throws -> ReleaseStatus {
    try await perform(.action(action), on: id, request)
  }

  func status(of id: String) async throws -> ReleaseStatus { await status(of: try find(id)) }

  func list() async throws -> [ReleaseStatus] {
    var all: [ReleaseStatus] = []
    for id in order {
      if let release = releases[id] { all.append(await status(of: release)) }
    }
    return all
  }

  func history(of id: String) async throws -> [LedgerLine] {
    // The ledger knows also releases that are forgotten.
    let lines = try await ledger(after: 0, limit: .max, of: id)
    if lines.isEmpty { _ = try find(id) }
    return lines
  }

  func watch(_ id: String) async throws -> AsyncThrowingStream<ReleaseStatus, any Error> {
    _ = try find(id)
    // A slow reader gets the newest; what came between is in the history.
    let (stream, continuation) = AsyncThrowingStream.makeStream(
      of: ReleaseStatus.self, throwing: (any Error).self, bufferingPolicy: .bufferingNewest(16))
    let key = UUID()
    // Before anything is looked at, so that no change comes in between.
    watchers[id, default: [:]][key] = continuation
    continuation.onTermination = { [weak self] _ in
      Task { await self?.forgetWatcher(key, of: id) }
    }
    continuation.yield(await status(of: try find(id)))
    return stream
  }

  func live(
    _ generation: UInt64, of id: String, on scope: ProxyScope, within time: Duration
  ) async throws -> LiveReport {
    let release = try find(id)
    guard generation >= pipeline.generationsBegin else {
      throw ReleaseError(
        .unknownGeneration, pipeline.wordsOfBefore(generation) + "; the release's status says what serves it now",
        release: id)
    }
    let query = ConvergenceQuery(
      generation, of: release, clusterDomain: clusterDomain, scope: scope, atLeast: fewestProxies)
    var answer: Convergence?
    if time > .zero, await successor(of: generation, id) == nil {
      let wasLiveBefore = wasLive(generation, id)
      answer = try await liveUnlessSuperseded(query, id, within: time)
      // A release goes on as soon as it is live: who has waited for that hears of it all the same.
      let isOfItsScope = scope == release.scope || release.scope == .all
      if isOfItsScope, !wasLiveBefore, wasLive(generation, id), await successor(of: generation, id) != nil {
        let total = answer?.total ?? 0
        return LiveReport(
          generation: generation, isLive: true, scope: scope.description, total: total, live: total, laggards: [])
      }
    }
    let found: Convergence
    if let answer { found = answer } else { found = await server.convergence(of: query) }
    let objects = await pipeline.objects(of: found)
    // Last: what is changed after this is changed after the answer.
    return LiveReport(found, scope, objects: objects, supersededBy: await successor(of: generation, id))
  }

  /// Whether a generation of a release has been found to be live, on the proxies that its steps are for.
  private func wasLive(_ generation: UInt64, _ id: String) -> Bool {
    generations[id]?.contains { $0.generation == generation && $0.isLive } ?? false
  }

  /// - Returns: nil if another generation has taken its place meanwhile.
  private func liveUnlessSuperseded(
    _ query: ConvergenceQuery, _ id: String, within time: Duration
  ) async throws -> Convergence? {
    enum End: Sendable { case answered(Convergence), superseded, unwatched }
    let changes = try await watch(id)
    return try await withThrowingTaskGroup(of: End.self) { [server] tasks in
      tasks.addTask { .answered(try await server.live(query, within: time)) }
      tasks.addTask {
        for try await _ in changes where await self.successor(of: query.generation, id) != nil { return .superseded }
        return .unwatched
      }
      defer { tasks.cancelAll() }
      for try await end in tasks {
        switch end {
        case .answered(let answer): return answer
        case .superseded: return nil
        case .unwatched: continue
        }
      }
      throw CancellationError()
    }
  }

  /// The generation that serves a release in place of an earlier one; nil if that one still counts.
  private func successor(of generation: UInt64, _ id: String) async -> UInt64? {
    guard let release = releases[id] else { return nil }
    let now = release.state.isInForce ? await pipeline.servedGeneration(of: id) : generations[id]?.last?.generation
    return now.flatMap { $0 > generation ? $0 : nil }
  }

  private func forgetWatcher(_ key: UUID, of id: String) {
    watchers[id]?[key] = nil
    if watchers[id]?.isEmpty == true { watchers[id] = nil }
  }
}
