public import Logging
public import ReleaseStores
internal import Synchronization

/// The time that notifications go by.
public protocol NotificationClock: Sendable {
  var now: Timestamp { get }
  /// - Throws: `CancellationError`.
  func sleep(until time: Timestamp) async throws
}

/// The system's.
public struct SystemNotificationClock: NotificationClock {
  public init() {}
  public var now: Timestamp { .now }
  public func sleep(until time: Timestamp) async throws { try await Task.sleep(for: time - .now) }
}

/// Delivers what waits in the outbox, each webhook's notifications in order.
///
/// A webhook that fails holds up its own queue and nothing else: not another webhook, and no release. What was delivered is
/// taken out of the store afterwards, so a process that is killed in between delivers it once more, with the same number. A
/// notification is given up after its webhook's `retries`, or when it is a day old.
public actor WebhookDispatcher {
  /// How it goes with one webhook.
  public struct Status: Sendable, Hashable {
    public var delivered: Int
    /// Attempts that failed.
    public var failed: Int
    /// Notifications that were given up.
    public var abandoned: Int
    /// Why the last attempt failed; empty after one that succeeded.
    public var reason: String

    public init(delivered: Int = 0, failed: Int = 0, abandoned: Int = 0, reason: String = "") {
      self.delivered = delivered
      self.failed = failed
      self.abandoned = abandoned
      self.reason = reason
    }
  }

  private static let longestAge: Duration = .seconds(86_400)
  private static let longestWish: Duration = .seconds(3_600)

  private let webhooks: [WebhookConfiguration]
  private let store: any ReleaseStore
  private let transport: any WebhookTransport
  private let clock: any NotificationClock
  private let backoff: Backoff
  private let logger: Logger
  private let bells: [String: (stream: AsyncStream<Void>, continuation: AsyncStream<Void>.Continuation)]
  private let counts = Mutex<[String: Status]>([:])

  /// By the name of the webhook; those that were told nothing yet are not in it.
  public nonisolated var status: [String: Status] { counts.withLock { $0 } }

  public init(
    webhooks: [WebhookConfiguration], store: any ReleaseStore, transport: any WebhookTransport,
    clock: any NotificationClock = SystemNotificationClock(), backoff: Backoff = Backoff(), logger: Logger
  ) {
    self.webhooks = webhooks.filter { !($0.gate?.isAsked ?? false) }
    self.store = store
    self.transport = transport
    self.clock = clock
    self.backoff = backoff
    self.logger = logger
    bells = Dictionary(
      uniqueKeysWithValues: self.webhooks.map {
        ($0.name, AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1)))
      })
  }

  /// To be called after a commit with notifications. What it misses is found with the next one, or at the next start.
  public nonisolated func ring() {
    for bell in bells.values { bell.continuation.yield() }
  }

  /// Delivers until the task is cancelled, beginning with what waits from before. To be called once.
  public func run() async {
    await reportStrays()
    await withTaskGroup(of: Void.self) { group in
      for webhook in webhooks { group.addTask { await self.serve(webhook) } }
    }
  }

  /// What waits for a webhook that is not there any longer stays where it is, for it may come back.
  private func reportStrays() async {
    guard let waiting = try? await store.load().waiting else { return }
    for (name, count) in waiting.sorted(by: { $0.key < $1.key }) where bells[name] == nil {
      logger.warning(
        "notifications wait for a webhook that is not configured",
        metadata: ["webhook": "\(name)", "count": "\(count)"])
    }
  }

  // MARK: One webhook

  private func serve(_ webhook: WebhookConfiguration) async {
    guard let bell = bells[webhook.name] else { return }
    var rings = bell.stream.makeAsyncIterator()
    var troubles = 0
    while !Task.isCancelled {
      do {
        guard let item = try await store.outbox(of: webhook.name, limit: 1).first else {
          troubles = 0
          if await rings.next() == nil { return }
          continue
        }
        if let time = item.notBefore, time > clock.now { try await clock.sleep(until: time) }
        try await settle(item, of: webhook)
        troubles = 0
      } catch is CancellationError {
        return
      } catch {
        // The store's: what was to be kept is tried again, and nothing is sent meanwhile.
        troubles += 1
        logger.error(
          "the outbox cannot be read", metadata: ["webhook": "\(webhook.name)", "reason": "\(error)"])
        do { try await pause(troubles) } catch { return }
      }
    }
  }

  private func pause(_ failures: Int) async throws {
    try await clock.sleep(until: clock.now + backoff.delay(after: failures))
  }

  /// One attempt, and what follows from it.
  private func settle(_ item: OutboxItem, of webhook: WebhookConfiguration) async throws {
    guard clock.now - item.at < Self.longestAge else { return try await abandon(item, of: webhook, "it is a day old") }
    let failure: (reason: String, wish: Duration?)?
    do {
      let request = try webhook.request(for: item, now: clock.now)
      let response = try await transport.send(request, timeout: .seconds(webhook.timeout))
      failure = webhook.complaint(about: response).map { ($0, response.retryAfter) }
    } catch {
      try Task.checkCancellation()
      failure = ("no answer: \(error)", nil)
    }
    guard let failure else {
      count(webhook) {
        $0.delivered += 1
        $0.reason = ""
      }
      return try await keep(ReleaseCommit(delivered: [item.sequence]))
    }
    count(webhook) {
      $0.failed += 1
      $0.reason = failure.reason
    }
    let attempts = item.attempts + 1
    guard attempts <= webhook.retries else { return try await abandon(item, of: webhook, failure.reason) }
    let delay = max(backoff.delay(after: attempts), min(failure.wish ?? .zero, Self.longestWish))
    logger.warning(
      "a webhook failed",
      metadata: [
        "webhook": "\(webhook.name)", "delivery": "\(item.sequence)", "attempt": "\(attempts)", "again in": "\(delay)",
        "reason": "\(failure.reason)",
      ])
    let reason = String(failure.reason.filter { $0 != "\0" })
    try await keep(
      ReleaseCommit(postponed: [
        OutboxPostponement(
          sequence: item.sequence, attempts: attempts, notBefore: clock.now + delay, reason: reason)
      ]))
  }

  private func abandon(_ item: OutboxItem, of webhook: WebhookConfiguration, _ reason: String) async throws {
    count(webhook) { $0.abandoned += 1 }
    logger.error(
      "a notification is given up",
      metadata: [
        "webhook": "\(webhook.name)", "delivery": "\(item.sequence)", "attempts": "\(item.attempts)",
        "reason": "\(reason)",
      ])
    try await keep(ReleaseCommit(delivered: [item.sequence]))
  }

  private func count(_ webhook: WebhookConfiguration, _ change: (inout Status) -> Void) {
    counts.withLock { change(&$0[webhook.name, default: Status()]) }
  }

  /// Tried until it is kept: what has been sent is not sent again because a disk is full.
  private func keep(_ commit: ReleaseCommit) async throws {
    var failures = 0
    while true {
      do {
        _ = try await store.commit(commit)
        return
      } catch {
        failures += 1
        logger.error("the outbox cannot be written", metadata: ["reason": "\(error)"])
        try await pause(failures)
      }
    }
  }
}
