import Foundation
import ReleaseControl
import Testing
import TrafficModel

@testable import AdminServer

/// The document says what the server does.
@Suite struct OpenAPITests {
  private let document = OpenAPIDocument.document

  @Test func itIsServedAsItIs() async throws {
    let response = try await withServer { client, _ in try await client.send("GET", "/openapi.json") }
    #expect(response.status == 200)
    #expect(response.headers["content-type"] == "application/json")
    #expect(try AdminJSON.decode(JSONValue.self, from: response.body) == document)
    #expect(document.object?["openapi"] == "3.1.0")
  }

  @Test func itHasEveryPathAndItsMethods() throws {
    let paths = try #require(document.object?["paths"]?.object)
    let others: Set = ["/", "/metrics", "/openapi.json"]
    let served = (AdminRoutes.paths + ReleaseRoutes.paths).filter { !others.contains($0.template) }
    #expect(Set(paths.keys) == Set(served.map(\.template)))
    for path in served {
      let methods = Set((paths[path.template]?.object ?? [:]).keys).subtracting(["parameters"])
      #expect(methods == Set(path.methods.map { $0.lowercased() }).subtracting(["head"]), "\(path.template)")
    }
    let operations = paths.values.flatMap { $0.object?.values.compactMap { $0.object?["operationId"]?.string } ?? [] }
    #expect(Set(operations).count == operations.count && operations.count > 20)
  }

  @Test func everyReferenceLeadsSomewhere() throws {
    var count = 0
    func walk(_ value: JSONValue) {
      if let members = value.object {
        if let reference = members["$ref"]?.string {
          count += 1
          let target = reference.split(separator: "/").dropFirst().reduce(Optional(document)) {
            $0?.object?[String($1)]
          }
          #expect(target != nil, "\(reference)")
        }
        for member in members.values { walk(member) }
      }
      for item in value.array ?? [] { walk(item) }
    }
    walk(document)
    #expect(count > 100)
  }

  /// What the server does not look at would be promised and not kept.
  @Test func bodiesAreDescribedInWordsThatAreChecked() throws {
    var seen: Set<String> = []
    func walk(_ schema: JSONValue, _ path: String) {
      guard let members = schema.object else { return }
      for (keyword, value) in members {
        #expect(
          JSONSchemas.keywords.contains(keyword) || JSONSchemas.annotations.contains(keyword), "\(path): \(keyword)")
        switch keyword {
        case "$ref":
          let name = String(value.string?.split(separator: "/").last ?? "")
          if seen.insert(name).inserted, let target = OpenAPIDocument.schemas.named[name] { walk(target, name) }
        case "properties": for (name, part) in value.object ?? [:] { walk(part, path + "." + name) }
        case "items", "additionalProperties": walk(value, path + "." + keyword)
        case "oneOf": for part in value.array ?? [] { walk(part, path) }
        case "pattern": #expect(throws: Never.self, "\(path)") { try Regex(value.string ?? "(") }
        default: break
        }
      }
      if members["properties"] != nil { #expect(members["additionalProperties"] == .bool(false), "\(path)") }
    }
    for name in ["NewRelease", "WeightChange", "Approval", "Intent"] { walk(["$ref": .string("#/" + name)], name) }
    #expect(seen.count > 10)
  }

  @Test func whatASpecEncodesToIsWhatABodyMayBe() throws {
    let rule = RequestRule(
      headers: ["x": .exact("a"), "y": .prefix("a")], cookies: ["c": .regex("a.*")], queryParameters: ["q": .present])
    for spec in [
      ReleaseSpec.canary(
        of: "a.b", port: 80, from: "v1", to: "v2",
        steps: [0.05, ReleaseStep(50, pause: .for(.milliseconds(1500))), 100],
        rules: [rule], warm: .seconds(5), stickiness: .cookie(name: "c", ttlSeconds: 5),
        guardRails: GuardRails(minimumReady: 2, capacity: 50, onShortfall: .hold, onEmpty: .fail)),
      .blueGreen(of: "a.b", from: "v1", to: "v2", preview: [rule], previewHost: "preview.a.b"),
      .rules([rule], of: "a.b", from: "v1", to: "v2"),
      .mirrorFirst(of: "a.b", from: "v1", to: "v2", share: 10, steps: [5], stickiness: .header("x-user")),
    ] {
      let value = try AdminJSON.decode(JSONValue.self, from: Array(try ReleaseJSON.encode(spec)))
      #expect(OpenAPIDocument.schemas.problem(in: value, as: "NewRelease") == nil)
      // Every field that a spec has is in the document, and none is there that it does not read.
      #expect(Set(value.object?.keys ?? [:].keys).subtracting(newReleaseFields) == [])
    }
  }

  private var newReleaseFields: Set<String> {
    Set(OpenAPIDocument.schemas.named["NewRelease"]?.object?["properties"]?.object?.keys.map { $0 } ?? [])
  }

  /// Every field of an answer is in the document, too.
  @Test func answersAreAsItSays() async throws {
    let source = FakeSource(releases: FakeReleases())
    let at = Date(timeIntervalSince1970: 1_700_000_000)
    source.state.withLock { state in
      state.convergence = ConvergenceReport(
        generation: 1, newestGeneration: 2, scope: "all", live: false, total: 2, liveCount: 1,
        proxies: [
          .init(
            nodeID: "a", namespace: "shop", protocol: .sotw, type: .route, remoteAddress: "1", state: "refused",
            confirmedGeneration: 0, reasons: ["r"],
            refusals: [
              .init(
                type: .route, resource: "o", parts: ["p"], reason: "no", generation: 1,
                objects: [.init(kind: "VirtualService", name: "shop/a", place: "a.yaml:1")])
            ], disconnectedSince: at)
        ])
      state.termination = TerminationReport(
        safe: false, served: ["c"],
        proxies: [.init(nodeID: "a", remoteAddress: "1", resources: ["c"], disconnectedSince: at)], total: 1)
      state.proxies = [
        ProxyReport(
          nodeID: "a", namespace: "shop", kind: "sidecar", protocol: .delta, remoteAddress: "1", connectedSince: at,
          types: [
            TypeReport(
              type: .route, subscribed: 1, wildcard: false, heldVersion: "a", sentVersion: "b", inFlight: true, lag: 2,
              heldBack: [.init(name: "o", reason: "r")], lastNack: .init(reason: "no", resources: ["o"], at: at))
          ])
      ]
      state.problems = [
        Problem(
          .error, at: SourceLocation(file: "a.yaml", position: 1, line: 2),
          object: ObjectKey(.virtualService, NamespacedName(namespace: "shop", name: "a")), field: "spec", "wrong")
      ]
      state.changes = ChangeList(
        kept: 1,
        changes: [
          ChangeReport(
            at: at, generation: 1,
            steps: [.init(kind: .ran, unit: "u", changed: true, because: 0, object: "o", place: "p")],
            changed: [.init(type: .route, name: "n", step: 0)], omittedSteps: 0)
        ])
      state.resources = [
        ResourceReport(
          type: .listener, name: "n", version: "v",
          proxyClass: .init(kind: "sidecar", namespace: "shop", listen: "127.0.0.1:1"), body: ["a": [1, nil]])
      ]
    }
    try await withServer(source) { client, _ in
      for (method, path, schema) in [
        ("GET", "/v1/releases", "ReleaseList"), ("GET", "/v1/releases/reviews.shop-1", "ReleaseStatus"),
        ("POST", "/v1/releases/a/promote", "ReleaseStatus"), ("GET", "/v1/releases/a/live", "LiveReport"),
        ("GET", "/v1/releases/a/history", "LedgerPage"), ("GET", "/v1/ledger", "LedgerPage"),
        ("GET", "/v1/ledger/verify", "LedgerVerdict"), ("GET", "/v1/convergence", "ConvergenceReport"),
        ("GET", "/v1/safe-to-terminate?address=1.1.1.1:1", "TerminationReport"), ("GET", "/v1/proxies", "ProxyList"),
        ("GET", "/v1/problems", "ProblemList"), ("GET", "/v1/changes", "ChangeList"),
        ("GET", "/v1/resources", "ResourceList"), ("GET", "/ready", "Ready"), ("GET", "/live", "Alive"),
        ("GET", "/v1/releases/x", "Error"), ("GET", "/v1/nothing", "Error"),
      ] {
        let response = try await client.send(method, path)
        let value = try AdminJSON.decode(JSONValue.self, from: response.body)
        #expect(closedSchemas.problem(in: value, as: schema) == nil, "\(path)")
      }
    }
  }

  /// As documented, but that a field that is not there is an error.
  private var closedSchemas: JSONSchemas {
    func closed(_ schema: JSONValue) -> JSONValue {
      if let items = schema.array { return .array(items.map(closed)) }
      guard var members = schema.object else { return schema }
      for (name, value) in members { members[name] = closed(value) }
      if members["properties"]?.object?.isEmpty == false, members["additionalProperties"] == nil,
        members["type"] == "object"
      {
        members["additionalProperties"] = .bool(false)
      }
      return .object(members)
    }
    return JSONSchemas(named: OpenAPIDocument.schemas.named.mapValues(closed))
  }
}
