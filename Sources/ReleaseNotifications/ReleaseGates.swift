public import ReleaseStores

/// Asks the webhooks that a release goes by.
public struct ReleaseGates: Sendable {
  private let webhooks: [WebhookConfiguration]
  private let transport: any WebhookTransport
  private let now: @Sendable () -> Timestamp

  /// - Parameter webhooks: all; those that are no gates are not asked.
  public init(
    webhooks: [WebhookConfiguration], transport: any WebhookTransport,
    now: @escaping @Sendable () -> Timestamp = { .now }
  ) {
    self.webhooks = webhooks
    self.transport = transport
    self.now = now
  }

  /// Whether asking this gate asks anybody.
  public func isGuarded(_ gate: Gate) -> Bool { gate.isAsked && webhooks.contains { $0.gate == gate } }

  /// Asks every webhook of this gate once, all at the same time, and waits for each no longer than its timeout.
  ///
  /// Any status of 200 to 299 is a success; anything else, and no answer, is none. What follows depends on the gate:
  ///
  /// - `confirm-rollout`, `confirm-traffic-increase`, `confirm-promotion`: `pass` if all succeed, or there is nobody to ask;
  ///   else `notYet`, however often.
  /// - `pre-rollout`, `rollout`: the same, but `fail` once a webhook's `failureThreshold` is reached, this failure included.
  /// - `rollback`: `pass` if any succeeds, and then the release is to be rolled back; else `notYet`.
  /// - `post-rollout`, `event`: `pass`, and nobody is asked. They are told through the outbox, see ``WebhookRoster``.
  ///
  /// - Parameter failuresBefore: how many checks of this gate have failed one after another so far. The caller keeps it
  ///   with the release, so that a restart does not begin to count anew.
  public func ask(_ gate: Gate, about release: ReleaseSnapshot, failuresBefore: Int = 0) async -> GateAnswer {
    let asked = gate.isAsked ? webhooks.filter { $0.gate == gate } : []
    guard !asked.isEmpty else { return gate == .rollback ? .notYet([]) : .pass }
    let complaints = await withTaskGroup(of: (Int, String?).self) { group in
      for (index, webhook) in asked.enumerated() {
        group.addTask { (index, await complaint(of: webhook, gate, release)) }
      }
      return await group.reduce(into: [String?](repeating: nil, count: asked.count)) { $0[$1.0] = $1.1 }
    }
    let failures = zip(asked, complaints).compactMap { webhook, complaint in complaint.map { (webhook, $0) } }
    let reasons = failures.map { "\($0.name): \($1)" }
    switch gate.role {
    case .triggers: return failures.count < asked.count ? .pass : .notYet(reasons)
    case .checks where failures.contains(where: { failuresBefore + 1 >= $0.0.failureThreshold }): return .fail(reasons)
    case .checks, .confirms, .told: return failures.isEmpty ? .pass : .notYet(reasons)
    }
  }

  private func complaint(of webhook: WebhookConfiguration, _ gate: Gate, _ release: ReleaseSnapshot) async -> String? {
    do {
      let response = try await transport.send(
        webhook.request(at: gate, about: release, now: now()), timeout: .seconds(webhook.timeout))
      return webhook.complaint(about: response)
    } catch {
      return "no answer: \(error)"
    }
  }
}

/// Who is told of what.
public struct WebhookRoster: Sendable {
  private let webhooks: [WebhookConfiguration]

  public init(_ webhooks: [WebhookConfiguration]) { self.webhooks = webhooks }

  /// One notification for each webhook that is told of this event, to be committed together with the change.
  ///
  /// Gates that are asked are not told; `post-rollout` is told only of a release's end. That a change is live everywhere
  /// follows each change, and is told only to those who ask for it by name.
  ///
  /// - Parameter statement: which of the commit's statements says the same.
  public func notifications(of event: ReleaseEvent, statement: Int? = nil) -> [OutboxDraft] {
    let told = webhooks.filter { webhook in
      let isNamed = webhook.events.contains(event.action)
      guard isNamed || webhook.events.isEmpty && event.action != LedgerStatement.liveEverywhere else { return false }
      switch webhook.gate {
      case nil, .event: return true
      case .postRollout: return event.isEnd
      case .some: return false
      }
    }
    guard !told.isEmpty else { return [] }
    let body = event.stored
    return told.map { OutboxDraft(webhook: $0.name, body: body, at: event.at, statement: statement) }
  }
}
