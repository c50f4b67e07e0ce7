import AdminServer
import ArgumentParser
import Foundation
import ReleaseControl
import TrafficModel
import Testing
import Weir
import XDSServer

@testable import WeirCommand

@Suite struct ReleaseCommandTests {
  private let fake = FakeReleases()
  private let written = Written()

  /// Parses a command line and carries it out.
  ///
  /// - Returns: the exit code.
  @discardableResult
  private func weir(_ arguments: String...) async throws -> Int32 {
    let command = try #require(try RootCommand.parseAsRoot(["release"] + arguments) as? any ReleaseAsking)
    do {
      try await command.carryOut(on: written.console(fake, json: command.server.json))
      return 0
    } catch let code as ExitCode {
      return code.rawValue
    }
  }

  @Test func everyActionReachesTheRelease() async throws {
    for (words, action) in [
      (["set-weight", "20"], ReleaseAction.setWeight(20)), (["set-weight", "0.05"], .setWeight(0.05)),
      (["promote"], .promote), (["pause"], .pause), (["resume"], .resume), (["approve"], .approve),
      (["rollback"], .rollback), (["abort"], .abort), (["retire"], .retire),
    ] {
      let fake = FakeReleases()
      try fake.add()
      let command = try #require(
        try RootCommand.parseAsRoot(
          ["release", words[0], "reviews.shop"] + words.dropFirst() + [
            "--actor", "alice", "--reason", "looks good", "--if-revision", "1", "--idempotency-key", "k",
          ]) as? any ReleaseAsking)
      // Some are refused by the state machine; all are asked.
      _ = try? await command.carryOut(on: Written().console(fake))
      let asked = try #require(fake.asked.first)
      #expect(asked.action == action)
      #expect(asked.id == "reviews.shop" && fake.lists == 0, "one request")
      #expect(
        asked.request
          == ReleaseRequest(actor: "alice", reason: "looks good", idempotencyKey: "k", ifRevision: 1))
    }
  }

  @Test func whoAsksIsTheUserUnlessSaid() async throws {
    try fake.add()
    try await weir("pause", "reviews.shop-1")
    #expect(fake.asked.first?.request == ReleaseRequest(actor: NSUserName()))
    #expect(written.output == "reviews.shop-1: 5 % on v2, paused (step 1 of 3); generation 12, revision 2\n")
  }

  @Test func startSaysWhatItHasStarted() async throws {
    let code = try await weir(
      "start", "--canary", "reviews.shop", "--from", "v1", "--to", "v2", "--steps", "5,100", "--reason", "new",
      "--wait", "5s", "--scope", "namespace:shop")
    #expect(code == 0)
    #expect(fake.asked.first?.request.reason == "new")
    #expect(fake.waits.map(\.generation) == [11])
    #expect(fake.waits.map(\.scope) == [.namespace("shop")])
    #expect(fake.waits.map(\.time) == [.seconds(5)])
    #expect(
      written.output == """
        reviews.shop-1: 5 % on v2, waiting for an approval (step 1 of 2); generation 11, revision 1
        generation 11 is live: 3 of 3 proxies

        """)
  }

  @Test func whoIsNotLiveInTimeIsNamed() async throws {
    try fake.add()
    fake.answer(
      live: LiveReport(
        generation: 0, isLive: false, scope: "all", total: 3, live: 1,
        laggards: [
          .init(node: "a", address: "10.0.0.1:5", state: "sent", reasons: ["route: the response is not answered"]),
          .init(node: "b", address: "10.0.0.2:5", state: "refused", reasons: ["NACK route outbound: no\u{1b}[31m"]),
        ]))
    #expect(try await weir("set-weight", "reviews.shop", "20", "--wait", "1s") == 3)
    #expect(
      written.output == """
        reviews.shop-1: 20 % on v2, at a weight that was set by hand; generation 12, revision 2
        generation 12 is not live: 1 of 3 proxies
        a 10.0.0.1:5: sent
          route: the response is not answered
        b 10.0.0.2:5: refused
          NACK route outbound: no [31m

        """)
    #expect(written.errors == "")
  }

  @Test func jsonIsOneObject() async throws {
    try fake.add()
    #expect(try await weir("approve", "reviews.shop", "--json", "--wait", "5") == 0)
    let answer = try ReleaseJSON.decode(ReleaseAnswer.self, from: Data(written.output.utf8))
    #expect(answer.release.weight == 25)
    #expect(answer.live?.isLive == true)
    #expect(answer.live?.generation == answer.release.generation)
  }

  @Test func whatIsRefusedExitsWithTwoAndSaysWhatIsAllowed() async throws {
    try fake.add("reviews", .action(.rollback))
    #expect(try await weir("approve", "reviews.shop") == 2)
    #expect(
      written.errors
        == "Error: approve is not allowed: release reviews.shop-1 is rolled back; allowed now: retire\n")
    #expect(written.output == "")
  }

  @Test(arguments: [
    (ReleaseError.Code.notAllowed, Int32(2)), (.stale, 2), (.alreadyReleased, 2), (.notEnoughCapacity, 2),
    (.keyReused, 2), (.invalid, 1), (.unknownRelease, 1), (.unknownService, 1), (.notDurable, 1), (.unauthorized, 1),
    (.unavailable, 1),
    (.notLive, 3),
  ])
  func errorsHaveTheirExitCodes(code: ReleaseError.Code, expected: Int32) async throws {
    try fake.add()
    fake.fail(ReleaseError(code, "it went wrong"))
    #expect(try await weir("promote", "reviews.shop-1") == expected)
    #expect(written.errors.hasPrefix("Error: it went wrong"))
    #expect(written.errors.contains("is `weir serve` running") == (code == .unavailable))
  }

  @Test func aServiceStandsForItsReleaseInForce() throws {
    try fake.add("reviews", number: 1, .action(.abort))
    let second = try fake.add("reviews", number: 2)
    try fake.add("reviews", number: 3, .action(.abort))
    try fake.add("other")
    let gone = try fake.add("gone", .action(.abort))
    let all = try fakeList()
    for name in ["reviews.shop", "reviews", "Reviews.shop.svc", "reviews.shop.svc.cluster.local", "reviews.shop-2"] {
      #expect(try ReleaseName.find(name, in: all).id == second.id)
    }
    #expect(try ReleaseName.find("reviews.shop-3", in: all).id == "reviews.shop-3")
    #expect(try ReleaseName.find("gone.shop", in: all).id == gone.id)
    #expect(throws: ReleaseError.self) { try ReleaseName.find("rev", in: all) }
    #expect(throws: ReleaseError.self) { try ReleaseName.find("reviews.shop-9", in: all) }
  }

  private func fakeList() throws -> [ReleaseStatus] { fake.statuses }

  @Test func severalInForceAreNamed() throws {
    try fake.add("reviews", number: 1, port: 80)
    try fake.add("reviews", number: 2, port: 81)
    #expect {
      try ReleaseName.find("reviews.shop", in: fake.statuses)
    } throws: {
      "\($0)" == "reviews.shop has 2 releases in force, name one: reviews.shop-1 (port 80), reviews.shop-2 (port 81)"
    }
  }

  @Test func shellsAreOfferedNamesNewestFirst() throws {
    try fake.add("reviews", number: 1)
    try fake.add("reviews", number: 2)
    #expect(ReleaseName.candidates(of: fake.statuses) == ["reviews.shop", "reviews.shop-2", "reviews.shop-1"])
    let words = ["weir", "release", "status", "--server=http://10.0.0.1:5", "--json", "rev"]
    #expect(try ServerOptions.named(in: words, except: 5).server.description == "10.0.0.1:5")
    #expect(try ServerOptions.named(in: ["weir", "--server", "a:1", ""], except: 3).server.description == "a:1")
    #expect(try ServerOptions.named(in: ["weir", "--server", "a:1"], except: 2).server == ServerOptions.usual)
  }

  @Test func statusShowsAllOfIt() throws {
    let status = try fake.add("reviews", .action(.approve), .live, reason: "fine")
    #expect(
      ReleaseText.full(status, now: FakeReleases.start.addingTimeInterval(70)) == """
        release   reviews.shop-1, revision 2
        service   reviews.shop.svc.cluster.local
        strategy  canary from v1 to v2
        state     running (step 2 of 3): fine
        weight    25 % on v2
        steps     5 % (approval) > [25 % (30s)] > 100 %
        next      100 % in 20s
        guards    1 ready at least, 100 % of the capacity; too few: refuse; none: freeze-and-roll-back
        live      generation 12, on all proxies since 2023-11-14T22:14:20Z
        ready     4 of v1, 2 of v2
        divides   VirtualService shop/reviews: http[0]
        leaves    VirtualService shop/x: http[1]: names v3
        started   2023-11-14T22:13:20Z, changed 2023-11-14T22:14:20Z
        you can   set-weight, promote, pause, rollback, abort

        """)
  }

  @Test func statusShowsWhatIsInTheSpec() throws {
    var status = try fake.add()
    status.rules = [RequestRule(headers: ["x-user": .exact("jason")], cookies: ["beta": .present])]
    status.previewHost = "preview.example"
    status.guardRails = GuardRails(minimumReady: 2, capacity: 50, onShortfall: .hold, onEmpty: .spill)
    status.waitsFor = "proxy sidecar-3 (sent)"
    status.notDurable = "the disk is full"
    let text = ReleaseText.full(status, now: FakeReleases.start)
    for line in [
      "rule      header:x-user=jason&cookie:beta to v2\n", "preview   preview.example leads to v2\n",
      "guards    2 ready at least, 50 % of the capacity; too few: hold; none: spill\n",
      "next      25 % when approved; waits: proxy sidecar-3 (sent)\n",
      "durable   not yet, and tried again until it is: the disk is full\n",
    ] { #expect(text.contains(line), "\(line)") }
    #expect(ReleaseText.line(status).contains("NOT DURABLE YET"))
  }

  @Test func aReleaseThatIsGoneHasNoWeight() async throws {
    try fake.add()
    try await weir("abort", "reviews.shop")
    #expect(
      written.output == "reviews.shop-1: aborted, routes are as the manifests say; generation 12, revision 2\n")
    #expect(
      ReleaseText.full(fake.statuses[0], now: FakeReleases.start).contains(
        "weight    routes are as the manifests say\n"))
    #expect(ReleaseText.table(fake.statuses, now: FakeReleases.start).contains("v2  -       -"))
  }

  @Test func aReleaseThatIsOverIsAtNoStep() throws {
    #expect(ReleaseText.steps(try fake.add("reviews", .action(.rollback))) == "5 % (approval) > 25 % (30s) > 100 %")
  }

  @Test func whatComesNextIsSaid() throws {
    let now = FakeReleases.start
    #expect(ReleaseText.next(try fake.add(), now: now) == "25 % when approved")
    #expect(
      ReleaseText.next(try fake.add("a", .action(.approve)), now: now)
        == "100 %, some time after this is live on all proxies")
    #expect(ReleaseText.next(try fake.add("b", .action(.pause)), now: now) == nil)
    #expect(ReleaseText.next(try fake.add("c", .action(.setWeight(7))), now: now) == nil)
    #expect(
      ReleaseText.next(try fake.add("d", .action(.promote), .live), now: now.addingTimeInterval(60)) == "done in 0s")
    #expect(ReleaseText.next(try fake.add("e", .action(.rollback)), now: now) == nil)
  }

  @Test func listIsATableOfThoseInForce() async throws {
    try fake.add("gone", .action(.abort))
    try fake.add("reviews", .action(.setWeight(7.25)))
    try await weir("list")
    let lines = written.output.split(separator: "\n")
    #expect(lines.count == 2)
    #expect(lines[0].hasPrefix("RELEASE         STRATEGY  FROM  TO  WEIGHT  STEP  LIVE"))
    #expect(lines[1].hasPrefix("reviews.shop-1  canary    v1    v2  7.25 %  1/3   no"))
    try await weir("list", "--all")
    #expect(written.output.contains("gone.shop-1"))
    let json = Written()
    let command = try #require(try RootCommand.parseAsRoot(["release", "list", "--json"]) as? ListCommand)
    try await command.carryOut(on: json.console(fake, json: true))
    #expect(
      try ReleaseJSON.decode(ReleaseList.self, from: Data(json.output.utf8)).releases.map(\.id) == ["reviews.shop-1"])
  }

  private static func entry(
    _ sequence: UInt64, _ action: String, from: Weight? = nil, to: Weight? = nil, actor: String = "",
    reason: String = "",
    refersTo: UInt64? = nil, release: String = "reviews.shop-1"
  ) -> LedgerLine {
    LedgerLine(
      sequence: sequence, release: release, service: "reviews.shop.svc.cluster.local",
      at: FakeReleases.start.addingTimeInterval(Double(sequence) / 4), action: action, actor: actor, reason: reason,
      fromWeight: from,
      toWeight: to, generation: 9, liveEverywhereAt: nil, refersTo: refersTo, outcome: "manual", previousHash: "00",
      hash: "00")
  }

  @Test func historyIsATableOrLinesOfJSON() async throws {
    try fake.add()
    fake.ledger = [
      Self.entry(1, "start", to: 5, actor: "alice", reason: "版本 2"), Self.entry(2, "live-everywhere", refersTo: 1),
      Self.entry(3, "set-weight", from: 5, to: 20, actor: "b\u{1b}ob"),
      Self.entry(4, "start", to: 5, release: "x.shop-1"),
      Self.entry(5, "served", refersTo: 3),
    ]
    try await weir("history", "reviews.shop")
    #expect(
      written.output == """
        NO  TIME                  RELEASE         ACTION       WEIGHT      ACTOR  LIVE AFTER  STATE   REASON
        1   2023-11-14T22:13:20Z  reviews.shop-1  start        5 %         alice  250ms       manual  版本 2
        3   2023-11-14T22:13:20Z  reviews.shop-1  set-weight   5 % > 20 %  b ob   -           manual
        5   2023-11-14T22:13:21Z  reviews.shop-1  served of 3  -           -      -           manual

        """)
    let json = Written()
    for arguments in [["release", "history", "--json"], ["release", "history", "reviews.shop-1", "--json"]] {
      let command = try #require(try RootCommand.parseAsRoot(arguments) as? HistoryCommand)
      try await command.carryOut(on: json.console(fake, json: true))
    }
    let lines = try json.output.split(separator: "\n").map {
      try ReleaseJSON.decode(LedgerLine.self, from: Data($0.utf8))
    }
    #expect(lines.map(\.sequence) == [1, 2, 3, 4, 5, 1, 2, 3, 5])
  }

  @Test func verifyGivesItsVerdict() async throws {
    #expect(try await weir("verify") == 0)
    #expect(written.output == "ok: the ledger of 2 entries is as it was written\n")
    let mark = "2:" + String(repeating: "a", count: 64)
    fake.answer(verdict: LedgerVerdict(entries: 2, finding: nil, mark: mark))
    #expect(try await weir("verify") == 0)
    #expect(written.output.hasSuffix("as it was written\nmark \(mark)\n"))
    #expect(try await weir("verify", "--mark", mark) == 1)
    #expect(written.output.hasSuffix("broken: the ledger of 2 entries: \(mark) is not there\n"))
    fake.answer(verdict: LedgerVerdict(entries: 1, finding: "entry 1 has another hash"))
    #expect(try await weir("verify") == 1)
    #expect(written.output.hasSuffix("broken: the ledger of 1 entry: entry 1 has another hash\n"))
    #expect(try await weir("verify", "--json") == 1)
  }

  @Test func everyFlagOfTheServerIsTakenByAll() throws {
    for words in [
      ["status", "a.b"], ["list"], ["history"], ["verify"], ["watch", "a.b"], ["pause", "a.b"],
      ["set-weight", "a.b", "1"],
      ["start", "--file", "-"],
    ] {
      let command = try #require(
        try RootCommand.parseAsRoot(
          ["release"] + words + ["--server", "http://10.0.0.1:15014", "--timeout", "2", "--token-file", "/t", "--json"])
          as? any ReleaseAsking)
      #expect(command.server.server.description == "10.0.0.1:15014")
      #expect(command.server.timeout == .seconds(2) && command.server.json && command.server.tokenFile == "/t")
    }
  }

  @Test(arguments: [
    (["set-weight", "a.b"], "weight"), (["set-weight", "a.b", "101"], "0 to 100"),
    (["set-weight", "a.b", "0.001"], "two decimals"), (["set-weight", "a.b", "-5"], "<weight>"),
    (["set-weight", "a.b", "nan"], "0 to 100"), (["pause"], "release"), (["pause", "a.b", "--wait", "11m"], "--wait"),
    (["pause", "a.b", "--scope", "some"], "--scope"), (["pause", "a.b", "--if-revision", "x"], "--if-revision"),
    (["pause", "a.b", "--idempotency-key", ""], "--idempotency-key"), (["fly", "a.b"], "fly"),
    (["status", "a.b", "--actor", "x"], "--actor"), (["verify", "--server", "https://a:1"], "speaks http"),
  ])
  func wrongUsageNamesTheFlag(arguments: [String], mention: String) {
    do {
      _ = try RootCommand.parseAsRoot(["release"] + arguments)
      Issue.record("\(arguments) was taken")
    } catch {
      #expect(RootCommand.message(for: error).contains(mention), "\(RootCommand.message(for: error))")
    }
  }
}
