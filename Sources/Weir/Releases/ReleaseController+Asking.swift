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
    let query = ConvergenceQuery(generation, of: try find(id), clusterDomain: clusterDomain, scope: scope)
    let answer = try await server.live(query, within: time)
    var report = LiveReport(answer, scope, objects: await pipeline.objects(of: answer))
    // Proxies may hold all of it, and it is still not what was asked for.
    let release = try find(id)
    let view = await pipeline.view(of: release)
    if !view.isAsSet, generation >= view.generation {
      report.isLive = false
      let why = view.note ?? ""
      report.reason =
        view.servedWeight == release.weight ? why : "\(view.servedWeight) is served and not \(release.weight): \(why)"
    }
    return report
  }

  private func forgetWatcher(_ key: UUID, of id: String) {
    watchers[id]?[key] = nil
    if watchers[id]?.isEmpty == true { watchers[id] = nil }
  }
}
