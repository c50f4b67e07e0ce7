import EnvoyHarness
import ReleaseNotifications
import ReleaseStores
import Testing

@Suite struct ReleaseGatesTests {
  private func gates(_ webhooks: [WebhookConfiguration], _ transport: FakeTransport) -> ReleaseGates {
    ReleaseGates(webhooks: webhooks, transport: transport, now: { Timestamp(millisecondsSince1970: 1_000) })
  }

  private func webhook(_ name: String, _ gate: Gate?, threshold: Int = 1) -> WebhookConfiguration {
    WebhookConfiguration(name: name, url: "http://\(name)", gate: gate, failureThreshold: threshold)
  }

  /// By gate: the answer to a success, and to a failure.
  @Test(
    arguments: [
      (.confirmRollout, .pass, .notYet(["a: 403: closed"])), (.preRollout, .pass, .fail(["a: 403: closed"])),
      (.rollout, .pass, .fail(["a: 403: closed"])), (.confirmTrafficIncrease, .pass, .notYet(["a: 403: closed"])),
      (.confirmPromotion, .pass, .notYet(["a: 403: closed"])), (.postRollout, .pass, .pass),
      (.rollback, .pass, .notYet(["a: 403: closed"])), (.event, .pass, .pass),
    ] as [(Gate, GateAnswer, GateAnswer)])
  func eachGateHasItsMeaning(_ gate: Gate, _ success: GateAnswer, _ failure: GateAnswer) async {
    let open = FakeTransport { _, _ in WebhookResponse(status: 202) }
    let closed = FakeTransport { _, _ in WebhookResponse(status: 403, body: Array("closed".utf8)) }
    let webhooks = [webhook("a", gate)]
    #expect(await gates(webhooks, open).ask(gate, about: Samples.release) == success)
    #expect(await gates(webhooks, closed).ask(gate, about: Samples.release) == failure)
    #expect(open.count("http://a") == (gate.isAsked ? 1 : 0))
    #expect(gates(webhooks, open).isGuarded(gate) == gate.isAsked)
  }

  @Test func everyGateIsInTheTable() {
    #expect(Gate.allCases.count == 8)
    #expect(Gate.allCases.filter(\.countsFailures) == [.preRollout, .rollout])
  }

  @Test(arguments: Gate.allCases) func nobodyToAskHoldsNothing(_ gate: Gate) async {
    let transport = FakeTransport { _, _ in WebhookResponse(status: 500) }
    let gates = gates([webhook("a", nil), webhook("b", gate == .rollout ? .preRollout : .rollout)], transport)
    #expect(await gates.ask(gate, about: Samples.release) == (gate == .rollback ? .notYet([]) : .pass))
    #expect(!gates.isGuarded(gate))
  }

  @Test func failedChecksAddUp() async {
    let transport = FakeTransport { _, _ in throw FakeTransport.NoAnswer() }
    let gates = gates([webhook("a", .rollout, threshold: 3)], transport)
    for before in 0..<2 {
      #expect(
        await gates.ask(.rollout, about: Samples.release, failuresBefore: before)
          == .notYet(["a: no answer: NoAnswer()"]))
    }
    #expect(await gates.ask(.rollout, about: Samples.release, failuresBefore: 2) == .fail(["a: no answer: NoAnswer()"]))
  }

  @Test func ofSeveralAllMustConfirmAndAnyMayRollBack() async {
    let transport = FakeTransport { request, _ in WebhookResponse(status: request.url == "http://b" ? 503 : 200) }
    let confirm = gates(["a", "b", "c"].map { webhook($0, .confirmPromotion) }, transport)
    #expect(await confirm.ask(.confirmPromotion, about: Samples.release) == .notYet(["b: 503"]))
    let rollback = gates(["a", "b"].map { webhook($0, .rollback) }, transport)
    #expect(await rollback.ask(.rollback, about: Samples.release) == .pass)
    let neither = gates([webhook("b", .rollback)], transport)
    #expect(await neither.ask(.rollback, about: Samples.release) == .notYet(["b: 503"]))
  }

  /// What answers Flagger answers this, too.
  @Test func theQuestionIsFlaggers() async throws {
    let transport = FakeTransport()
    var webhook = webhook("a", .confirmRollout)
    webhook.metadata = ["token": "t"]
    webhook.secret = .init("s")
    #expect(await gates([webhook], transport).ask(.confirmRollout, about: Samples.release) == .pass)
    var requests = transport.requests.makeAsyncIterator()
    let request = try #require(await requests.next())
    let body = try JSON(parsing: String(decoding: request.body, as: UTF8.self))
    #expect(body["name"].string == "reviews" && body["namespace"].string == "shop")
    #expect(body["phase"].string == "progressing" && body["metadata"]["token"].string == "t")
    #expect(body["gate"].string == "confirm-rollout" && body["release"]["candidate"].string == "v2")
    #expect(request.headers["Weir-Timestamp"] == "1" && request.headers["Weir-Signature"] != nil)
  }

  @Test func whoIsToldOfWhat() {
    let roster = WebhookRoster([
      webhook("all", nil), webhook("gate", .rollout), webhook("end", .postRollout), webhook("event", .event),
      WebhookConfiguration(name: "some", url: "http://some", events: ["rollback"]),
    ])
    func told(_ event: ReleaseEvent) -> [String] { roster.notifications(of: event, statement: 0).map(\.webhook) }
    #expect(told(Samples.event()) == ["all", "event"])
    #expect(told(Samples.event("promote", isEnd: true)) == ["all", "end", "event"])
    #expect(told(Samples.event("rollback", isEnd: true)) == ["all", "end", "event", "some"])
    let draft = roster.notifications(of: Samples.event(), statement: 3)[0]
    #expect(draft.statement == 3 && draft.at == Samples.event().at)
    #expect(WebhookRoster([]).notifications(of: Samples.event()).isEmpty)
  }
}
