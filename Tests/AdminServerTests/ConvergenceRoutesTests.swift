import AdminServer
import Foundation
import Testing

@Suite struct ConvergenceRoutesTests {
  private static let report = ConvergenceReport(
    generation: 7, newestGeneration: 8, scope: "all", live: false, total: 2, liveCount: 1,
    proxies: [
      .init(
        nodeID: "b", namespace: "shop", protocol: .sotw, type: nil, remoteAddress: "127.0.0.1:5000", state: "refused",
        confirmedGeneration: 6, reasons: ["route: the response of generation 7 is not answered"],
        refusals: [
          .init(
            type: .route, resource: "outbound", parts: ["reviews"], reason: "no", generation: 7,
            objects: [.init(kind: "VirtualService", name: "shop/reviews", place: "shop.yaml:3")])
        ], disconnectedSince: Date(timeIntervalSince1970: 1_700_000_000.5))
    ])

  @Test func aQuestionArrivesAsItWasAsked() async throws {
    let source = FakeSource()
    source.state.withLock { $0.convergence = Self.report }
    let request = ConvergenceRequest(
      generation: 7, scope: "nodes:web-*&x=1", service: "reviews.shop", atLeast: 3, wait: .milliseconds(1500),
      listsLive: true)
    try await withServer(source) { client, _ in
      #expect(try await client.convergence(request) == Self.report)
      _ = try await client.convergence(ConvergenceRequest())
      for text in ["2", "2s", "2000ms"] { _ = try await client.send("GET", "/v1/convergence?wait=\(text)") }
    }
    let asked = source.state.withLock { $0.convergenceRequests }
    #expect(
      asked == [request, ConvergenceRequest()] + Array(repeating: ConvergenceRequest(wait: .seconds(2)), count: 3))
  }

  @Test func eachChangeIsTold() async throws {
    let source = FakeSource()
    source.state.withLock { $0.convergence = Self.report }
    try await withServer(source) { client, _ in
      let path = "/v1/convergence?generation=7&service=reviews.shop"
      let lines = try await client.send("GET", path, headers: ["accept": "application/x-ndjson"])
      #expect(lines.headers["content-type"] == "application/x-ndjson")
      let reports = try lines.body.split(separator: UInt8(ascii: "\n")).map {
        try AdminJSON.decode(ConvergenceReport.self, from: Array($0))
      }
      var end = Self.report
      end.live = true
      #expect(reports == [Self.report, end])
      let events = try await client.send("GET", path, headers: ["accept": "text/event-stream"])
      #expect(events.headers["content-type"] == "text/event-stream")
      let text = String(decoding: events.body, as: UTF8.self)
      #expect(text.components(separatedBy: "event: convergence\nid: 8\ndata: {").count == 3, "\(text)")
      for query in ["wait=1", "all=true"] {
        let response = try await client.send(
          "GET", "/v1/convergence?\(query)", headers: ["accept": "application/x-ndjson"])
        #expect(response.status == 400, "\(query)")
      }
    }
    let asked = source.state.withLock { $0.convergenceRequests }
    #expect(asked == Array(repeating: ConvergenceRequest(generation: 7, service: "reviews.shop"), count: 2))
  }

  @Test func aQuestionThatMakesNoSenseIsRefused() async throws {
    let source = FakeSource()
    try await withServer(source) { client, _ in
      for query in [
        "generation=-1", "generation=x", "wait=x", "wait=601", "wait=-1", "at-least=-2", "all=1", "x=1",
        "wait=1&wait=2",
      ] {
        let response = try await client.send("GET", "/v1/convergence?\(query)")
        #expect(response.status == 400, "\(query)")
      }
      for query in [
        "", "subset=v1", "address=10.0.0.1:80&service=a.b", "service=a.b&port=70000", "address=10.0.0.1:80&wait=1h",
      ] {
        let response = try await client.send("GET", "/v1/safe-to-terminate?\(query)")
        #expect(response.status == 400, "\(query)")
      }
      let isAsked = source.state.withLock { !$0.convergenceRequests.isEmpty || !$0.terminationRequests.isEmpty }
      #expect(!isAsked)
      // What the source says of it.
      #expect(try await client.send("GET", "/v1/convergence?scope=none").error().message == "scope: no such")
      #expect(try await client.send("GET", "/v1/safe-to-terminate?service=a.b").status == 404)
      #expect(try await client.send("POST", "/v1/convergence").status == 405)
    }
  }

  @Test func terminationArrivesAsItWasAsked() async throws {
    let source = FakeSource()
    let report = TerminationReport(
      safe: false, served: ["outbound|80|v1|reviews.shop.svc.cluster.local"],
      proxies: [.init(nodeID: "a", remoteAddress: "[::1]:5", resources: [], disconnectedSince: nil)], total: 4)
    source.state.withLock { $0.termination = report }
    let requests = [
      TerminationRequest(.endpoint("[::1]:8080"), wait: .seconds(30)),
      TerminationRequest(.subset("v1", service: "reviews.shop", port: 80)),
      TerminationRequest(.subset("", service: "reviews.shop", port: nil)),
    ]
    try await withServer(source) { client, _ in
      for request in requests {
        let answer = try await client.termination(request)
        #expect(answer == report)
      }
    }
    #expect(source.state.withLock { $0.terminationRequests } == requests)
  }
}
