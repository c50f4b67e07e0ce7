import AdminServer
import Foundation
import ReleaseControl
import Testing
import TrafficModel

@Suite struct ReleaseRoutesTests {
  @Test func aReleaseIsStarted() async throws {
    let releases = FakeReleases()
    let body = #"""
      {"service": "reviews.shop", "from": "v1", "to": "v2", "steps": [0.05, {"weight": 50, "pause": 60}],
       "rules": [{"headers": {"x-user": {"exact": "jason"}}}], "sticky": {"cookie": "v", "ttl": 60},
       "guardRails": {"onShortfall": "hold"}, "actor": "me", "reason": "because"}
      """#
    let response = try await withServer(FakeSource(releases: releases)) { client, _ in
      try await client.post("/v1/releases", body, headers: ["idempotency-key": "\"k 1\""])
    }
    #expect(response.status == 201)
    #expect(response.headers["location"] == "/v1/releases/reviews.shop-1")
    #expect(response.headers["etag"] == "\"1\"")
    #expect(try AdminJSON.decode(ReleaseStatus.self, from: response.body) == .example())
    let spec = ReleaseSpec.canary(
      of: "reviews.shop", from: "v1", to: "v2", steps: [0.05, ReleaseStep(50, pause: .for(.seconds(60)))],
      rules: [RequestRule(headers: ["x-user": .exact("jason")])], stickiness: .cookie(name: "v", ttlSeconds: 60),
      guardRails: GuardRails(onShortfall: .hold))
    #expect(
      releases.calls == [.start(spec, ReleaseRequest(actor: "me", reason: "because", idempotencyKey: "k 1"))])
  }

  @Test func aReleaseIsMoved() async throws {
    let releases = FakeReleases()
    try await withServer(FakeSource(releases: releases)) { client, _ in
      let id = "/v1/releases/reviews.shop-1"
      let set = try await client.post(
        id + "/set-weight", #"{"weight": 20, "actor": "me"}"#, headers: ["if-match": "\"1\""])
      #expect(set.status == 200)
      #expect(try await client.post(id + "/approve", #"{"step": 1}"#).status == 200)
      for action in ["promote", "pause", "resume", "rollback", "abort", "retire"] {
        #expect(try await client.send("POST", "\(id)/\(action)").status == 200, "\(action)")
      }
      #expect(try await client.post(id + "/rollback", #"{"reason": "r"}"#, headers: ["if-match": "*"]).status == 200)
    }
    #expect(
      releases.calls == [
        .perform(.setWeight(20), "reviews.shop-1", ReleaseRequest(actor: "me", ifRevision: 1)),
        .perform(.approve, "reviews.shop-1", ReleaseRequest(step: 1)),
        .perform(.promote, "reviews.shop-1", ReleaseRequest()), .perform(.pause, "reviews.shop-1", ReleaseRequest()),
        .perform(.resume, "reviews.shop-1", ReleaseRequest()),
        .perform(.rollback, "reviews.shop-1", ReleaseRequest()), .perform(.abort, "reviews.shop-1", ReleaseRequest()),
        .perform(.retire, "reviews.shop-1", ReleaseRequest()),
        .perform(.rollback, "reviews.shop-1", ReleaseRequest(reason: "r")),
      ])
  }

  @Test func aTagThatIsNoRevisionIsNoneThatTheReleaseHas() async throws {
    let releases = FakeReleases()
    let tags = ["", "1", "\"a\"", "W/\"1\"", "\"1", "\"99999999999999999999\""]
    try await withServer(FakeSource(releases: releases)) { client, _ in
      for tag in tags { _ = try await client.send("POST", "/v1/releases/a/pause", headers: ["if-match": tag]) }
    }
    let call = FakeReleases.Call.perform(.pause, "a", ReleaseRequest(ifRevision: 0))
    #expect(releases.calls == Array(repeating: call, count: tags.count))
  }

  @Test func releasesAreShown() async throws {
    let releases = FakeReleases()
    try await withServer(FakeSource(releases: releases)) { client, _ in
      func count(_ query: String) async throws -> Int {
        let response = try await client.send("GET", "/v1/releases" + query)
        return try AdminJSON.decode(ReleaseList.self, from: response.body).releases.count
      }
      #expect(try await count("") == 1)
      #expect(try await count("?service=Reviews.shop&state=awaitingApproval") == 1)
      #expect(try await count("?service=reviews.sho") == 0)
      #expect(try await count("?state=manual") == 0)
      let one = try await client.send("GET", "/v1/releases/reviews.shop%2D1")
      #expect(one.headers["etag"] == "\"1\"")
      let missing = try await client.send("GET", "/v1/releases/x")
      #expect(missing.status == 404)
      #expect(try missing.error().code == "unknownRelease")
      #expect(try missing.error().release == "x")

      let live = try await client.send("GET", "/v1/releases/a/live?generation=3&scope=node:b&wait=20ms")
      #expect(live.status == 200)
      #expect(try AdminJSON.decode(LiveReport.self, from: live.body).laggards.map(\.node) == ["b"])
      #expect(
        releases.calls == [.live(ReleaseLiveRequest(generation: 3, scope: "node:b", wait: .milliseconds(20)), "a")])
    }
  }

  @Test func theLedgerIsShownInBothForms() async throws {
    let releases = FakeReleases()
    try await withServer(FakeSource(releases: releases)) { client, _ in
      for path in ["/v1/releases/a/history", "/v1/ledger?after=1&limit=2&release=a"] {
        let page = try await client.send("GET", path)
        #expect(try AdminJSON.decode(LedgerPage.self, from: page.body).entries == [.example(1), .example(2)])
        let lines = try await client.send("GET", path, headers: ["accept": "application/x-ndjson"])
        #expect(lines.headers["content-type"] == "application/x-ndjson")
        #expect(
          try lines.text.split(separator: "\n").map { try AdminJSON.decode(LedgerLine.self, from: Array($0.utf8)) }
            == [.example(1), .example(2)])
      }
      #expect(releases.calls == [.ledger(1, 2, "a"), .ledger(1, 2, "a")])
      let verdict = try await client.send("GET", "/v1/ledger/verify")
      #expect(verdict.text == "{\"entries\":2,\"finding\":\"entry 2 was changed\"}\n")
      let against = try await client.send("GET", "/v1/ledger/verify?mark=1%3Aab")
      #expect(against.text == "{\"entries\":2,\"finding\":\"1:ab\"}\n")
    }
  }

  @Test(
    arguments: zip(ReleaseError.Code.allCases, [422, 404, 404, 404, 404, 409, 409, 409, 409, 422, 507, 401, 409, 503]))
  func anErrorKeepsItsCode(code: ReleaseError.Code, status: Int) async throws {
    let releases = FakeReleases()
    let error = ReleaseError(code, "no", release: "a", allowedNow: [.rollback])
    releases.state.withLock { $0.error = error }
    let response = try await withServer(FakeSource(releases: releases)) { client, _ in
      try await client.send("POST", "/v1/releases/a/promote")
    }
    #expect(response.status == status)
    #expect(try response.error() == ErrorReport(error).error)
    #expect(try response.error().allowedNow == [.rollback])
  }

  /// 412 is for a condition that the request has.
  @Test func whatIsStaleByIfMatchIsAFailedPrecondition() async throws {
    let releases = FakeReleases()
    releases.state.withLock { $0.error = ReleaseError(.stale, "no") }
    let response = try await withServer(FakeSource(releases: releases)) { client, _ in
      try await client.send("POST", "/v1/releases/a/promote", headers: ["if-match": "\"1\""])
    }
    #expect(response.status == 412)
    #expect(try response.error().code == "stale")
  }

  private static let start = #"{"service": "a.b", "from": "v1", "to": "v2""#

  @Test(arguments: [
    ("{", "no JSON"), ("[]", "the body: it is an array"), (start + #", "wieght": 1}"#, "wieght: unknown field"),
    (start + #", "steps": [{"weight": 1, "puase": 1}]}"#, "steps[0].puase: unknown field"),
    (start + #", "steps": [101]}"#, "steps[0]: it is more than 100"),
    (start + #", "steps": ["a"]}"#, "steps[0]"), (start + #", "port": 70000}"#, "port: it is more than 65535"),
    (start + #", "rules": [{"headers": {"a": {"exact": "b", "prefix": "c"}}}]}"#, "rules[0].headers.a"),
    (start + #", "sticky": {"cookie": "a", "header": "b"}}"#, "sticky"),
    (start + #", "strategy": "hope"}"#, "strategy: \"hope\" is none of \"canary\""),
    (start + #", "actor": 1}"#, "actor: it is a number"), (start + #", "reason": "a\u0000"}"#, "reason"),
    (#"{"service": "a.b", "from": "v1"}"#, "to: it is missing"),
    (#"{"service": "a.b", "from": "v1", "to": null}"#, "to: it is null"),
  ])
  func aBodyThatIsWrongIsRefusedWithItsField(body: String, mention: String) async throws {
    let releases = FakeReleases()
    let response = try await withServer(FakeSource(releases: releases)) { client, _ in
      try await client.post("/v1/releases", body)
    }
    #expect(response.status == 400)
    #expect(try response.error().code == "bad_request")
    #expect(try response.error().message.contains(mention), "\(response.text)")
    #expect(releases.calls.isEmpty)
  }

  @Test func whatTheSchemaCannotSayIsInvalid() async throws {
    let response = try await withServer(FakeSource(releases: FakeReleases())) { client, _ in
      try await client.post("/v1/releases/a/set-weight", #"{"weight": 0.001}"#)
    }
    #expect(response.status == 422)
    #expect(try response.error().code == "invalid")
    #expect(try response.error().message.hasPrefix("weight: 0.001 is no weight"))
  }

  @Test func bodiesHaveATypeAndALimit() async throws {
    let releases = FakeReleases()
    try await withServer(FakeSource(releases: releases)) { client, _ in
      let path = "/v1/releases/a/set-weight"
      for type in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=a", ""] {
        let headers = type.isEmpty ? [:] : ["content-type": type]
        let response = try await client.send("POST", path, headers: headers, body: Array(#"{"weight": 1}"#.utf8))
        #expect(response.status == 415, "\(type)")
        #expect(try response.error().code == "unsupported_media_type")
      }
      // A form without a field is a body of nothing.
      #expect(
        try await client.send(
          "POST", "/v1/releases/a/promote", headers: ["content-type": "application/x-www-form-urlencoded"]
        ).status == 415)
      #expect(
        try await client.post(path, #"{"weight": 1}"#, headers: ["content-type": "application/json; charset=utf-8"])
          .status == 200)
      let long = #"{"weight": 1, "reason": ""# + String(repeating: "a", count: 256 << 10) + "\"}"
      let known = try await client.post(path, long)
      #expect(known.status == 413)
      #expect(try known.error().code == "content_too_large")
      #expect(releases.calls.count == 1)
    }
  }

  @Test func headersAndParametersThatMakeNoSenseAreRefused() async throws {
    try await withServer(FakeSource(releases: FakeReleases())) { client, _ in
      for headers in [
        ["if-match": "\"1\", \"2\""],
        ["idempotency-key": "\"\""], ["idempotency-key": "a b"], ["idempotency-key": "a\""],
        ["idempotency-key": String(repeating: "a", count: 256)],
      ] {
        let response = try await client.send("POST", "/v1/releases/a/pause", headers: headers)
        #expect(response.status == 400, "\(headers)")
      }
      let start = try await client.post("/v1/releases", Self.start + "}", headers: ["if-match": "\"1\""])
      #expect(start.status == 400)
      for path in [
        "/v1/releases?state=gone", "/v1/releases?stat=manual", "/v1/ledger?limit=0", "/v1/ledger?limit=10001",
        "/v1/ledger?after=-1", "/v1/ledger?after=a", "/v1/releases/a/live?wait=601", "/v1/releases/a/history?x=1",
        "/v1/releases/a/live?generation=99999999999999999999", "/v1/ledger/verify?x",
      ] {
        let response = try await client.send("GET", path)
        #expect(response.status == 400, "\(path)")
      }
    }
  }

  @Test func methodsThatAPathDoesNotTakeAreNamed() async throws {
    try await withServer(FakeSource(releases: FakeReleases())) { client, _ in
      for (method, path, allowed) in [
        ("DELETE", "/v1/releases", "GET, HEAD, POST"), ("PUT", "/v1/releases/a", "GET, HEAD"),
        ("GET", "/v1/releases/a/promote", "POST"), ("OPTIONS", "/v1/releases/a/set-weight", "POST"),
        ("POST", "/v1/ledger", "GET, HEAD"),
      ] {
        let response = try await client.send(method, path)
        #expect(response.status == 405, "\(method) \(path)")
        #expect(response.headers["allow"] == allowed)
      }
    }
    // Whoever has no releases has no such paths.
    let response = try await withServer { client, _ in try await client.send("GET", "/v1/releases") }
    #expect(response.status == 404)
  }
}

extension AdminClient {
  func post(_ path: String, _ body: String, headers: [String: String] = [:]) async throws -> Response {
    try await send(
      "POST", path, headers: ["content-type": "application/json"].merging(headers) { _, given in given },
      body: Array(body.utf8))
  }
}
