internal import Foundation
internal import ReleaseControl
internal import XDSServer

extension ReleaseController: ReleaseBackend {
  func perform(_ action: ReleaseAction, on id: String, _ request: ReleaseRequest) async throws -> ReleaseStatus {
    try await perform(.action(action), on: id, request)
  }

  func status(of name: String) async throws -> ReleaseStatus {
    let release = try find(name)
    var status = await status(of: release)
    if status.waitsFor == nil, release.liveAt == nil {
      status.waitsFor = Self.words(
        for: try await live(status.generation, of: release.id, on: release.scope, within: .zero))
    }
    return status
  }

  /// `proxies a (sent), b (refused) and 3 more`; nil if it is live, or on its way to be known as that.
  static func words(for report: LiveReport) -> String? {
    if !report.isLive, report.total == 0 { return LiveReport.nobody(in: report.scope) }
    guard !report.isLive, !report.laggards.isEmpty else { return nil }
    let named = report.laggards.prefix(10).map { "\($0.node) (\($0.state))" }.joined(separator: ", ")
    let more = report.laggards.count - 10
    return "\(report.laggards.count == 1 ? "proxy" : "proxies") \(named)" + (more > 0 ? " and \(more) more" : "")
  }

  func list() async throws -> [ReleaseStatus] {
    var all: [ReleaseStatus] = []
    for id in order {
      if let release = releases[id] { all.append(await status(of: release)) }
    }
    return all
  }

  func history(of name: String) async throws -> [LedgerLine] {
    // The ledger knows also releases that are forgotten.
    let lines = try await ledger(after: 0, limit: .max, of: name)
    return lines.isEmpty ? try await ledger(after: 0, limit: .max, of: try find(name).id) : lines
  }

  func watch(_ name: String) async throws -> AsyncThrowingStream<ReleaseStatus, any Error> {
    let id = try find(name).id
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

  private func forgetWatcher(_ key: UUID, of id: String) {
    watchers[id]?[key] = nil
    if watchers[id]?.isEmpty == true { watchers[id] = nil }
  }
}
