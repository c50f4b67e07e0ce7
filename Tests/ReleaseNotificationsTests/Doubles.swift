import Logging
import ReleaseNotifications
import ReleaseStores
import Synchronization

/// Answers as it is told, and shows what came.
final class FakeTransport: WebhookTransport {
  struct NoAnswer: Error {}
  typealias Answer = @Sendable (_ request: WebhookRequest, _ number: Int) throws -> WebhookResponse

  private let answer: Answer
  private let counts = Mutex<[String: Int]>([:])
  let requests: AsyncStream<WebhookRequest>
  private let continuation: AsyncStream<WebhookRequest>.Continuation

  /// - Parameter answer: is given the number of the request to that URL, from 1.
  init(_ answer: @escaping Answer = { _, _ in WebhookResponse(status: 200) }) {
    self.answer = answer
    (requests, continuation) = AsyncStream.makeStream()
  }

  func send(_ request: WebhookRequest, timeout: Duration) async throws -> WebhookResponse {
    let number = counts.withLock { counts in
      counts[request.url, default: 0] += 1
      return counts[request.url, default: 0]
    }
    continuation.yield(request)
    return try answer(request, number)
  }

  func count(_ url: String) -> Int { counts.withLock { $0[url] ?? 0 } }
}

/// A clock that stands until somebody sleeps, and is then set to when that sleep ends.
final class JumpingClock: NotificationClock {
  private let time: Mutex<Timestamp>
  /// How long each sleep was.
  let sleeps = Mutex<[Duration]>([])
  /// After so many sleeps the next one lasts until it is cancelled.
  let limit = Mutex(Int.max)

  init(_ start: Timestamp = Timestamp(millisecondsSince1970: 1_795_860_300_000)) { time = Mutex(start) }

  var now: Timestamp { time.withLock { $0 } }

  func sleep(until end: Timestamp) async throws {
    try Task.checkCancellation()
    let isOver = limit.withLock { left in
      defer { left = max(0, left - 1) }
      return left == 0
    }
    if isOver { try await Task.sleep(for: .seconds(3_600)) }
    let slept = time.withLock { now in
      defer { now = max(now, end) }
      return end - now
    }
    sleeps.withLock { $0.append(slept) }
    await Task.yield()
  }
}

/// A store whose commits can be awaited, and refused.
final class WatchedStore: ReleaseStore {
  let inner = MemoryReleaseStore()
  let commits: AsyncStream<ReleaseCommit>
  private let continuation: AsyncStream<ReleaseCommit>.Continuation
  private let refusals = Mutex(0)

  init() { (commits, continuation) = AsyncStream.makeStream() }

  func refuse(_ count: Int) { refusals.withLock { $0 = count } }

  func load() async throws -> StoredReleases { inner.load() }
  func commit(_ commit: ReleaseCommit) async throws -> CommitOutcome {
    let isRefused = refusals.withLock { left in
      defer { left = max(0, left - 1) }
      return left > 0
    }
    if isRefused { throw ReleaseStoreError(.diskFull, "the disk is full") }
    let outcome = try inner.commit(commit)
    continuation.yield(commit)
    return outcome
  }
  func answer(to request: IdempotentRequest) async throws -> [UInt8]? { try inner.answer(to: request) }
  func ledger(after sequence: UInt64, limit: Int, of release: String?) async throws -> [LedgerEntry] {
    inner.ledger(after: sequence, limit: limit, of: release)
  }
  func ledgerHead() async throws -> LedgerMark { inner.ledgerHead() }
  func outbox(of webhook: String, limit: Int) async throws -> [OutboxItem] { inner.outbox(of: webhook, limit: limit) }
}

enum Samples {
  static let release = ReleaseSnapshot(
    id: "r-1", name: "reviews", namespace: "shop", host: "reviews.shop.svc.cluster.local", strategy: "canary",
    phase: "progressing", stable: "v1", candidate: "v2", weightBasisPoints: 2_500, step: 1, steps: 4, generation: 107)

  static func event(
    _ action: String = "set-weight", reason: String = "looks good", isEnd: Bool = false, from: UInt32? = 500,
    to: UInt32? = 2_500
  ) -> ReleaseEvent {
    ReleaseEvent(
      action: action, actor: "ci", reason: reason, outcome: "accepted", fromBasisPoints: from, toBasisPoints: to,
      at: Timestamp(millisecondsSince1970: 1_795_860_300_123), release: release, isEnd: isEnd)
  }

  static let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
}
