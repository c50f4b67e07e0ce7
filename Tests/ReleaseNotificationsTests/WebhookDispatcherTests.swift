import EnvoyHarness
import ReleaseNotifications
import ReleaseStores
import Testing

@Suite struct WebhookDispatcherTests {
  private let store = WatchedStore()
  private let clock = JumpingClock()

  private func dispatcher(
    _ transport: FakeTransport, _ webhooks: [WebhookConfiguration] = [WebhookConfiguration(name: "a", url: "http://a")]
  ) -> WebhookDispatcher {
    WebhookDispatcher(
      webhooks: webhooks, store: store, transport: transport, clock: clock, backoff: Backoff(random: { 0 }),
      logger: Samples.logger)
  }

  private func add(_ webhook: String = "a", _ actions: String...) throws {
    let body = actions.map { Samples.event($0) }
    _ = try store.inner.commit(
      ReleaseCommit(
        notifications: try body.map { event in
          try #require(
            WebhookRoster([WebhookConfiguration(name: webhook, url: "http://x")]).notifications(of: event).first)
        }.map { OutboxDraft(webhook: $0.webhook, body: $0.body, at: clock.now) }))
  }

  /// Runs a dispatcher until the store has taken so many commits of it.
  private func run(_ dispatcher: WebhookDispatcher, commits count: Int) async -> [ReleaseCommit] {
    let running = Task { await dispatcher.run() }
    var commits = store.commits.makeAsyncIterator()
    var taken: [ReleaseCommit] = []
    while taken.count < count, let commit = await commits.next() { taken.append(commit) }
    running.cancel()
    await running.value
    return taken
  }

  private func actions(_ transport: FakeTransport, _ count: Int) async throws -> [String] {
    var requests = transport.requests.makeAsyncIterator()
    var actions: [String] = []
    while actions.count < count, let request = await requests.next() {
      actions.append(try JSON(parsing: String(decoding: request.body, as: UTF8.self))["action"].string ?? "")
    }
    return actions
  }

  @Test func whatWaitsIsDeliveredInOrder() async throws {
    try add("a", "one", "two", "three")
    let transport = FakeTransport()
    let dispatcher = dispatcher(transport)
    _ = await run(dispatcher, commits: 3)
    #expect(try await actions(transport, 3) == ["one", "two", "three"])
    #expect(store.inner.load().waiting.isEmpty)
    #expect(dispatcher.status["a"]?.delivered == 3)
    #expect(clock.sleeps.withLock { $0 }.isEmpty)
  }

  @Test func whatComesLaterIsDeliveredWhenItRings() async throws {
    let transport = FakeTransport()
    let dispatcher = dispatcher(transport)
    let running = Task { await dispatcher.run() }
    var commits = store.commits.makeAsyncIterator()
    for action in ["one", "two"] {
      try add("a", action)
      dispatcher.ring()
      _ = await commits.next()
    }
    running.cancel()
    await running.value
    #expect(try await actions(transport, 2) == ["one", "two"])
  }

  @Test func aFailureIsTriedAgainLaterAndLaterAndInOrder() async throws {
    try add("a", "one", "two")
    let transport = FakeTransport { _, number in WebhookResponse(status: number <= 4 ? 503 : 200) }
    let dispatcher = dispatcher(transport)
    let commits = await run(dispatcher, commits: 6)
    #expect(try await actions(transport, 6) == ["one", "one", "one", "one", "one", "two"])
    // Half of a second, doubled each time.
    #expect(clock.sleeps.withLock { $0 } == [0.5, 1, 2, 4].map { .seconds($0) })
    #expect(commits[3].postponed.first?.attempts == 4)
    #expect(commits[3].postponed.first?.reason == "503")
    let status = dispatcher.status["a"]
    #expect(status == .init(delivered: 2, failed: 4, abandoned: 0, reason: ""))
  }

  @Test func aFailingWebhookHoldsUpNoOther() async throws {
    try add("a", "one")
    try add("b", "one", "two")
    let transport = FakeTransport { request, number in
      WebhookResponse(status: request.url == "http://b" || number > 5 ? 200 : 500)
    }
    let webhooks = ["a", "b"].map { WebhookConfiguration(name: $0, url: "http://\($0)") }
    let dispatcher = dispatcher(transport, webhooks)
    _ = await run(dispatcher, commits: 8)
    #expect(dispatcher.status["b"] == .init(delivered: 2))
    #expect(dispatcher.status["a"]?.failed == 5)
  }

  @Test func attemptsAreCountedAcrossRestartsAndThenGivenUp() async throws {
    try add("a", "one", "two")
    let webhooks = [WebhookConfiguration(name: "a", url: "http://a", retries: 3)]
    let failing = FakeTransport { request, number in
      if number <= 4 { throw FakeTransport.NoAnswer() }
      return WebhookResponse(status: 200)
    }
    clock.limit.withLock { $0 = 1 }
    let first = await run(dispatcher(failing, webhooks), commits: 2)
    clock.limit.withLock { $0 = .max }
    #expect(first[1].postponed.first?.attempts == 2)
    #expect(store.inner.outbox(of: "a", limit: 1).first?.reason == "no answer: NoAnswer()")
    let again = dispatcher(failing, webhooks)
    let second = await run(again, commits: 3)
    #expect(second[0].postponed.first?.attempts == 3)
    #expect(second[1].delivered.count == 1 && second[2].delivered.count == 1)
    #expect(again.status["a"] == .init(delivered: 1, failed: 2, abandoned: 1, reason: ""))
    #expect(failing.count("http://a") == 5)
  }

  @Test func aRestartWaitsForTheTimeThatWasSet() async throws {
    try add("a", "one")
    let item = try #require(store.inner.outbox(of: "a", limit: 1).first)
    _ = try store.inner.commit(
      ReleaseCommit(postponed: [
        OutboxPostponement(sequence: item.sequence, attempts: 3, notBefore: clock.now + .seconds(77), reason: "x")
      ]))
    _ = await run(dispatcher(FakeTransport()), commits: 1)
    #expect(clock.sleeps.withLock { $0 } == [.seconds(77)])
  }

  @Test(arguments: [(20, 20), (0, 0.5), (90_000, 3_600)] as [(Int, Double)])
  func whatTheReceiverAsksForIsKept(_ asked: Int, _ waited: Double) async throws {
    try add("a", "one")
    let transport = FakeTransport { _, number in
      number == 1 ? WebhookResponse(status: 429, retryAfter: .seconds(asked)) : WebhookResponse(status: 200)
    }
    _ = await run(dispatcher(transport), commits: 2)
    #expect(clock.sleeps.withLock { $0 } == [.seconds(waited)])
  }

  @Test func whatIsADayOldIsGivenUp() async throws {
    try add("a", "one")
    try await clock.sleep(until: clock.now + .seconds(86_400))
    try add("a", "two")
    let transport = FakeTransport()
    let dispatcher = dispatcher(transport)
    _ = await run(dispatcher, commits: 2)
    #expect(try await actions(transport, 1) == ["two"])
    #expect(dispatcher.status["a"] == .init(delivered: 1, abandoned: 1))
  }

  /// The receiver has it: that the store cannot say so for a while is no reason to send it again.
  @Test func aFullDiskSendsNothingTwice() async throws {
    try add("a", "one", "two")
    store.refuse(4)
    let transport = FakeTransport()
    _ = await run(dispatcher(transport), commits: 2)
    #expect(transport.count("http://a") == 2)
    #expect(clock.sleeps.withLock { $0 } == [0.5, 1, 2, 4].map { .seconds($0) })
  }

  @Test func aGateIsNotTold() async throws {
    try add("gate", "one")
    try add("a", "one")
    let webhooks = [
      WebhookConfiguration(name: "gate", url: "http://gate", gate: .rollout),
      WebhookConfiguration(name: "a", url: "http://a"),
    ]
    let transport = FakeTransport()
    _ = await run(dispatcher(transport, webhooks), commits: 1)
    #expect(transport.count("http://gate") == 0)
    #expect(store.inner.load().waiting == ["gate": 1], "what waits for it is not thrown away")
  }

  @Test func backoffIsHalfChance() {
    let least = Backoff(first: .seconds(1), longest: .seconds(60), random: { 0 })
    let most = Backoff(first: .seconds(1), longest: .seconds(60), random: { 1 })
    #expect([1, 2, 3, 7, 100].map(least.delay(after:)) == [0.5, 1, 2, 30, 30].map { .seconds($0) })
    #expect([0, 1, 2, 3, 7, 100].map(most.delay(after:)) == [1, 1, 2, 4, 60, 60].map { .seconds($0) })
  }
}
