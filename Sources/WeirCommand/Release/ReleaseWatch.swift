import ReleaseControl
import Synchronization
import Weir
import XDSServer

/// Follows a release, also across restarts of its server.
struct ReleaseWatch: Sendable {
  var backend: any ReleaseBackend
  var id: String
  var scope = ProxyScope.all
  var clock: any Clock<Duration> = ContinuousClock()
  /// Between two looks at where a change is live; of one that is live everywhere, only each eighth is taken.
  var look = Duration.milliseconds(250)
  /// Before it tries again; doubled with each failure.
  var pauses: (first: Duration, longest: Duration) = (.milliseconds(100), .seconds(2))

  private static let entries = 50

  /// Until the task is cancelled.
  ///
  /// - Throws: `ReleaseError` `unknownRelease`: the server does not know it, or does not any more.
  func events() -> AsyncThrowingStream<WatchEvent, any Error> {
    AsyncThrowingStream { continuation in
      let task = Task {
        do {
          try await follow { continuation.yield($0) }
        } catch {
          continuation.finish(throwing: error)
        }
      }
      continuation.onTermination = { _ in task.cancel() }
    }
  }

  private func follow(_ tell: @escaping @Sendable (WatchEvent) -> Void) async throws {
    var pause = pauses.first
    while true {
      let answered = Atomic(false)
      do {
        try await listen { event in
          if case .status = event { answered.store(true, ordering: .relaxed) }
          tell(event)
        }
        try Task.checkCancellation()
        tell(.lost("it has ended the connection"))
      } catch let error as ReleaseError where error.code == .unknownRelease {
        throw error
      } catch {
        try Task.checkCancellation()
        tell(.lost("\(error)"))
      }
      if answered.load(ordering: .relaxed) { pause = pauses.first }
      try await clock.sleep(for: pause)
      pause = min(pause * 2, pauses.longest)
    }
  }

  /// Until the server ends its answer.
  private func listen(_ tell: @escaping @Sendable (WatchEvent) -> Void) async throws {
    let statuses = try await backend.watch(id)
    let seen = LastReport()
    try await withThrowingTaskGroup(of: Void.self) { tasks in
      tasks.addTask {
        var skipped = 0
        while true {
          try await clock.sleep(for: look)
          guard let last = seen.report else { continue }
          skipped += 1
          guard !last.isLive || skipped >= 8 else { continue }
          skipped = 0
          do {
            try await ask(last.generation, seen, tell)
          } catch {
            try Task.checkCancellation()
            tell(.lost("\(error)"))
          }
        }
      }
      defer { tasks.cancelAll() }
      for try await status in statuses {
        tell(.status(status))
        try await ask(status.generation, seen, tell)
        tell(.history(Array(try await backend.history(of: id).suffix(Self.entries))))
      }
    }
  }

  private func ask(
    _ generation: UInt64, _ seen: LastReport, _ tell: @Sendable (WatchEvent) -> Void
  ) async throws {
    let report = try await backend.live(generation, of: id, on: scope, within: .zero)
    if seen.take(report) { tell(.live(report)) }
  }
}

/// What two askers have learned.
private final class LastReport: Sendable {
  private let last = Mutex<LiveReport?>(nil)

  var report: LiveReport? { last.withLock { $0 } }

  /// - Returns: false for a report of an older generation than the last one's.
  func take(_ report: LiveReport) -> Bool {
    last.withLock { last in
      guard last?.generation ?? 0 <= report.generation else { return false }
      last = report
      return true
    }
  }
}
