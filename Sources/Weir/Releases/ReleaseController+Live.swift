internal import ReleaseControl
internal import TrafficModel
internal import XDSServer

// Where a change is live. Its token is the generation that served it first. It counts as long as the release is set as it was then: a
// guard rail that serves something else in its place makes it not live, with the reason, and it may be live again when that is over;
// what sets the release otherwise supersedes it for good.
extension ReleaseController {
  /// What served a release from a generation on.
  struct ServedChange: Sendable {
    var revision: UInt64
    var generation: UInt64
    /// What was set, whatever a guard rail made of it; nil where nothing is.
    var overlay: ReleaseOverlay?
    /// Whether it was found to be live, on the proxies that the release's steps are for.
    var isLive: Bool
  }

  /// With fewer live proxies no change of a release is live: what nobody has is live nowhere.
  static let fewestProxies = 1
  /// How many changes of a release are remembered with their generations.
  private static let changesRemembered = 100

  func note(_ generation: UInt64, of release: Release) {
    let change = ServedChange(
      revision: release.revision, generation: generation, overlay: release.overlay, isLive: release.liveAt != nil)
    var changes = generations[release.id] ?? []
    // That it is live is no change of its own.
    if let last = changes.last, last.revision == change.revision, last.generation == generation { changes.removeLast() }
    changes.append(change)
    if changes.count > Self.changesRemembered { changes.removeFirst() }
    generations[release.id] = changes
  }

  func live(
    _ generation: UInt64, of name: String, on scope: ProxyScope, within time: Duration
  ) async throws -> LiveReport {
    let release = try find(name)
    let id = release.id
    guard generation >= pipeline.generationsBegin else {
      throw ReleaseError(
        .unknownGeneration, pipeline.wordsOfBefore(generation) + "; the release's status says what serves it now",
        release: id)
    }
    let clock = ContinuousClock()
    let end = clock.now + min(max(time, .zero), .seconds(365 * 86_400))
    let wasLiveBefore = wasLive(generation, id)
    while true {
      let former = await successor(of: generation, id)
      // What serves it now, if a guard rail has come or gone since.
      let goal = former == nil ? max(generation, await pipeline.servedGeneration(of: id) ?? 0) : generation
      let query = ConvergenceQuery(
        goal, of: release, clusterDomain: clusterDomain, scope: scope, atLeast: Self.fewestProxies)
      let left = end - clock.now
      var found: Convergence?
      if former == nil, left > .zero { found = try await liveUnlessChanged(generation, query, id, within: left) }
      let present: Convergence
      if let found { present = found } else { present = await server.convergence(of: query) }
      let objects = await pipeline.objects(of: present)
      let view = await pipeline.view(of: releases[id] ?? release)
      // Last: what is changed after this is changed after the answer.
      let successor = await successor(of: generation, id)
      // A release goes on as soon as it is live: who has waited for that hears of it all the same.
      if successor != nil, !wasLiveBefore, wasLive(generation, id), scope == release.scope || release.scope == .all {
        return LiveReport(
          generation: generation, isLive: true, scope: scope.description, total: present.total, live: present.total,
          laggards: [])
      }
      var report = LiveReport(present, scope, objects: objects, supersededBy: successor)
      report.generation = generation
      guard successor == nil else { return report }
      if view.generation > goal, releases[id]?.state.isInForce == true {
        // A guard rail has come or gone meanwhile.
        report.isLive = false
        if clock.now < end { continue }
      }
      if !view.isAsSet {
        report.isLive = false
        report.reason = words(for: view, releases[id] ?? release)
      }
      return report
    }
  }

  /// Why what is served of a release is not what was set.
  private func words(for view: Pipeline.ReleaseView, _ release: Release) -> String {
    let why = view.note ?? ""
    return view.servedWeight == release.weight
      ? why : "\(view.servedWeight) is served and not \(release.weight): \(why)"
  }

  /// What has served a release since a generation, as long as it was set as it was then.
  private func changes(since generation: UInt64, _ id: String) -> ArraySlice<ServedChange> {
    guard let changes = generations[id], let first = changes.lastIndex(where: { $0.generation <= generation }) else {
      return []
    }
    return changes[first...].prefix { $0.overlay == changes[first].overlay }
  }

  /// Whether a generation of a release has been found to be live, on the proxies that its steps are for.
  private func wasLive(_ generation: UInt64, _ id: String) -> Bool {
    changes(since: generation, id).contains(where: \.isLive)
  }

  /// Whether a release is set now as it was with a generation, and was so all the time.
  private func isSet(_ id: String, asWith generation: UInt64) -> Bool {
    let same = changes(since: generation, id)
    return !same.isEmpty && same.endIndex == generations[id]?.endIndex && same.last?.overlay == releases[id]?.overlay
  }

  /// The generation that serves a release as it was set since an earlier one; nil if that one still counts.
  private func successor(of generation: UInt64, _ id: String) async -> UInt64? {
    guard let release = releases[id] else { return nil }
    let now = release.state.isInForce ? await pipeline.servedGeneration(of: id) : generations[id]?.last?.generation
    guard let now, now > generation, !isSet(id, asWith: generation) else { return nil }
    return now
  }

  /// - Returns: nil if another generation serves the release meanwhile.
  private func liveUnlessChanged(
    _ generation: UInt64, _ query: ConvergenceQuery, _ id: String, within time: Duration
  ) async throws -> Convergence? {
    enum End: Sendable { case answered(Convergence), changed, unwatched }
    let changes = try await watch(id)
    return try await withThrowingTaskGroup(of: End.self) { [server] tasks in
      tasks.addTask { .answered(try await server.live(query, within: time)) }
      tasks.addTask {
        for try await _ in changes {
          if await self.successor(of: generation, id) != nil { return .changed }
          if await self.pipeline.servedGeneration(of: id) ?? 0 > query.generation { return .changed }
        }
        return .unwatched
      }
      defer { tasks.cancelAll() }
      for try await end in tasks {
        switch end {
        case .answered(let answer): return answer
        case .changed: return nil
        case .unwatched: continue
        }
      }
      throw CancellationError()
    }
  }
}
