import AdminServer
import Foundation
import Telemetry
import Testing
import TrafficModel

@Suite struct AdminRoutesTests {
  @Test func readyFollowsTheSource() async throws {
    let source = FakeSource()
    try await withServer(source) { client, _ in
      source.state.withLock { $0.isSynced = false }
      let notReady = try await client.send("GET", "/ready")
      #expect(notReady.status == 503)
      #expect(try notReady.error() == ErrorReport(code: "not_ready", message: source.notReadyReason).error)
      let live = try await client.send("GET", "/live")
      #expect(live.status == 200)
      source.state.withLock { $0.isSynced = true }
      let ready = try await client.send("GET", "/ready")
      #expect(ready.status == 200)
      #expect(ready.text == "{\"ready\":true}\n")
      #expect(ready.headers["content-type"] == "application/json")
    }
  }

  @Test func metricsAreServedAsPrometheusText() async throws {
    let metrics = MetricsRegistry()
    metrics.counter("weir_pushes_total", help: "Pushes.", labels: ["type": "route"]).increment(by: 5)
    let response = try await withServer(metrics: metrics) { client, _ in try await client.send("GET", "/metrics") }
    #expect(response.status == 200)
    #expect(response.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
    #expect(response.text == metrics.prometheusText())
    #expect(response.text.contains("weir_pushes_total{type=\"route\"} 5\n"))
  }

  @Test func changesSayWhy() async throws {
    let source = FakeSource()
    let list = ChangeList(
      kept: 5,
      changes: [
        ChangeReport(
          at: Date(timeIntervalSince1970: 1_700_000_000), generation: 3,
          steps: [
            .init(
              kind: .edited, unit: "nodes[n]", changed: true, because: nil, object: "Node n", place: "nodes.yaml:1"),
            .init(kind: .ran, unit: "sliceParts[shop/a]", changed: false, because: 0, object: nil, place: nil),
          ], changed: [], omittedSteps: 0)
      ])
    source.state.withLock { $0.changes = list }
    try await withServer(source) { client, _ in
      #expect(try await client.changes() == list)
      let text = try await client.send("GET", "/v1/changes").text
      #expect(text.contains("\"because\":0"))
      #expect(try await client.send("GET", "/v1/changes?x=1").status == 400)
    }
  }

  @Test func proxiesAreStableJSON() async throws {
    let source = FakeSource()
    let at = Date(timeIntervalSince1970: 1_700_000_000.25)
    let proxy = ProxyReport(
      nodeID: "reviews/1", namespace: "shop", kind: "sidecar", protocol: .delta, remoteAddress: "127.0.0.1:5000",
      connectedSince: at,
      types: [
        TypeReport(
          type: .route, subscribed: 1, wildcard: false, heldVersion: "aa", sentVersion: "bb", inFlight: true, lag: 2,
          heldBack: [.init(name: "outbound", reason: "waits for cluster outbound|80||a.shop.svc.cluster.local")],
          lastNack: .init(reason: "no \"domains\"", resources: ["outbound"], at: at))
      ])
    source.state.withLock { $0.proxies = [proxy] }
    try await withServer(source) { client, _ in
      let response = try await client.send("GET", "/v1/proxies")
      #expect(
        response.text == #"""
          {"proxies":[{"connectedSince":"2023-11-14T22:13:20.250Z","kind":"sidecar","namespace":"shop",\#
          "nodeID":"reviews/1","protocol":"delta","remoteAddress":"127.0.0.1:5000","types":[{"heldBack":\#
          [{"name":"outbound","reason":"waits for cluster outbound|80||a.shop.svc.cluster.local"}],"heldVersion":"aa",\#
          "inFlight":true,"lag":2,"lastNack":{"at":"2023-11-14T22:13:20.250Z","reason":"no \"domains\"","resources":\#
          ["outbound"]},"sentVersion":"bb","subscribed":1,"type":"route","wildcard":false}]}]}

          """#)
      #expect(try await client.proxies() == [proxy])
    }
  }

  @Test func resourcesAreFilteredByTypeAndName() async throws {
    let source = FakeSource()
    let name = "outbound|80|v2|reviews.shop.svc.cluster.local"
    let cluster = ResourceReport(
      type: .cluster, name: name, version: "c1",
      body: ["name": .string(name), "weight": 3, "ratio": 0.5, "tags": ["a", true, nil]])
    let listener = ResourceReport(
      type: .listener, name: "outbound", version: "l1",
      proxyClass: .init(kind: "sidecar", namespace: "shop", listen: "127.0.0.1:15001"), body: [:])
    source.state.withLock { $0.resources = [cluster, listener] }
    try await withServer(source) { client, _ in
      await expect(client, "", [cluster, listener])
      await expect(client, "?type=listener", [listener])
      await expect(client, "?type=\(ResourceKind.cluster.typeURL)", [cluster])
      await expect(client, "?type=cluster&name=outbound%7C80%7Cv2%7Creviews.shop.svc.cluster.local", [cluster])
      await expect(client, "?name=none&namespace=shop", [])
      let queries = source.state.withLock { $0.queries }
      #expect(queries[2] == ResourceQuery(type: .cluster))
      #expect(queries[3] == ResourceQuery(type: .cluster, name: name))
      #expect(queries[4] == ResourceQuery(name: "none", namespace: "shop"))
    }
  }

  private func expect(_ client: AdminClient, _ query: String, _ expected: [ResourceReport]) async {
    await #expect(throws: Never.self) {
      let response = try await client.send("GET", "/v1/resources" + query)
      #expect(response.status == 200)
      #expect(try AdminJSON.decode(ResourceList.self, from: response.body).resources == expected)
    }
  }

  @Test func problemsSayWhere() async throws {
    let source = FakeSource()
    source.state.withLock {
      $0.problems = [
        Problem(
          .error, at: SourceLocation(file: "shop/reviews.yaml", position: 1, line: 12),
          object: ObjectKey(.virtualService, NamespacedName(namespace: "shop", name: "reviews")),
          field: "spec.http[0].route[0].weight", "must not be negative"),
        Problem(.warning, at: nil, "a whole"),
      ]
    }
    let response = try await withServer(source) { client, _ in try await client.send("GET", "/v1/problems") }
    #expect(
      response.text == #"""
        {"errors":1,"problems":[{"document":1,"field":"spec.http[0].route[0].weight","file":"shop/reviews.yaml",\#
        "line":12,"message":"must not be negative","object":{"kind":"VirtualService","name":"reviews",\#
        "namespace":"shop"},"severity":"error"},{"message":"a whole","severity":"warning"}],"warnings":1}

        """#)
  }

  @Test(arguments: [
    ("?type=clusters", "clusters"), ("?tpye=cluster", "tpye"), ("?type=cluster&type=route", "twice"),
  ])
  func aQuestionThatMakesNoSenseIsRefused(query: String, mention: String) async throws {
    let response = try await withServer { client, _ in try await client.send("GET", "/v1/resources" + query) }
    #expect(response.status == 400)
    #expect(try response.error().code == "bad_request")
    #expect(try response.error().message.contains(mention))
  }

  @Test func whatDoesNotExistIsJSONToo() async throws {
    try await withServer { client, _ in
      for path in ["/v1", "/v2/proxies", "/readyz", "//ready/x", "/v1/proxies/1"] {
        let response = try await client.send("GET", path)
        #expect(response.status == 404, "\(path)")
        #expect(try response.error().code == "not_found")
      }
    }
  }

  @Test(arguments: ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND"])
  func otherMethodsAreNotAllowed(method: String) async throws {
    try await withServer { client, _ in
      for path in ["/", "/ready", "/metrics", "/v1/resources"] {
        let response = try await client.send(method, path)
        #expect(response.status == 405, "\(path)")
        #expect(response.headers["allow"] == "GET, HEAD")
        #expect(try response.error().code == "method_not_allowed")
      }
      #expect(try await client.send(method, "/nothing").status == 404)
    }
  }

  @Test func headAndIndexAnswer() async throws {
    try await withServer { client, _ in
      let index = try await client.send("GET", "/")
      #expect(index.text.contains("/v1/resources"))
      let head = try await client.send("HEAD", "/")
      #expect(head.status == 200)
      #expect(head.body.isEmpty)
      #expect(head.headers["content-length"] == "\(index.body.count)")
    }
  }

  @Test func aFailingSourceIsA500ThatKeepsItsSecrets() async throws {
    let source = FakeSource()
    source.state.withLock { $0.resourcesError = FakeSource.Broken() }
    try await withServer(source) { client, _ in
      let failed = try await client.send("GET", "/v1/resources")
      #expect(failed.status == 500)
      #expect(try failed.error().code == "internal")
      #expect(!failed.text.contains("Broken"))
      source.state.withLock { $0.resourcesError = AdminError(.notFound, "no class of namespace x") }
      let missing = try await client.send("GET", "/v1/resources?namespace=x")
      #expect(missing.status == 404)
      #expect(try missing.error().message == "no class of namespace x")
    }
  }
}
