internal import Foundation
internal import Hummingbird
internal import NIOCore
internal import ReleaseControl
internal import TrafficModel

/// `/v1/releases` and `/v1/ledger`: releases are started, moved and watched.
struct ReleaseRoutes: Sendable {
  typealias Context = AdminRoutes.Context

  var releases: any ReleaseDataSource
  var watching: Watching
  var waiting: Places

  static let index = """
      POST /v1/releases                  starts a release: {"service": "reviews.shop", "from": "v1", "to": "v2", "steps": [5, 100]}
      GET /v1/releases[?service=&state=] all releases
      GET /v1/releases/{id}              one of them
      POST /v1/releases/{id}/set-weight  {"weight": 20}
      POST /v1/releases/{id}/approve     {"step": 0}, as the status says that it is at, or If-Match
      POST /v1/releases/{id}/promote, pause, resume, rollback, abort, retire
                                         moves it; a body may say {"actor": "…", "reason": "…"}
      GET /v1/releases/{id}/live[?generation=&scope=&wait=]
                                         where it is live as it is served now; waits until it is everywhere, up to wait=5s
      GET /v1/releases/{id}/history      what was done to it; Accept: application/x-ndjson gives lines
      GET /v1/releases/{id}/watch        the release whenever it changes; Accept: text/event-stream, or JSON lines
      GET /v1/ledger[?after=&limit=&release=]
                                         what was done to all of them
      GET /v1/ledger/verify[?mark=]      whether the ledger is as it was written; mark is one that was answered before
      POST /v1/proxies/forget            {"node": "…"}: a proxy that has disconnected is not waited for any longer

    """

  private static let moves: [(path: String, action: ReleaseAction)] = [
    ("promote", .promote), ("pause", .pause), ("resume", .resume), ("rollback", .rollback), ("abort", .abort),
    ("retire", .retire),
  ]

  static let paths =
    [
      AdminPath("/v1/releases", "GET", "HEAD", "POST"), AdminPath("/v1/releases/{id}"),
      AdminPath("/v1/releases/{id}/live"), AdminPath("/v1/releases/{id}/history"),
      AdminPath("/v1/releases/{id}/watch"), AdminPath("/v1/ledger"), AdminPath("/v1/ledger/verify"),
      AdminPath("/v1/releases/{id}/set-weight", "POST"), AdminPath("/v1/releases/{id}/approve", "POST"),
      AdminPath("/v1/proxies/forget", "POST"),
    ] + moves.map { AdminPath("/v1/releases/{id}/\($0.path)", "POST") }

  /// Who does something and why; in every write's body.
  private struct Intent: Decodable {
    var actor: String?
    var reason: String?
  }

  private struct NewWeight: Decodable { var weight: Weight }
  private struct ApprovedStep: Decodable { var step: Int? }
  private struct Proxy: Decodable { var node: String }

  func add(to router: Router<Context>) {
    router.post("/v1/releases") { request, _ in
      try checkQuery(of: request)
      let body = try await JSONBody(of: request, schema: "NewRelease")
      if request.headers[.ifMatch] != nil {
        throw AdminError(.badRequest, "If-Match: a release that is to be started has no revision yet")
      }
      let status = try await releases.start(body.decoded(as: ReleaseSpec.self), releaseRequest(request, body))
      var response = try answer(status, status: .created)
      response.headers[.location] = "/v1/releases/\(status.id)"
      return response
    }
    router.post("/v1/releases/:id/set-weight") { request, context in
      try checkQuery(of: request)
      let body = try await JSONBody(of: request, schema: "WeightChange")
      let weight = try body.decoded(as: NewWeight.self).weight
      return try moved(
        try await releases.perform(.setWeight(weight), on: id(context), releaseRequest(request, body)))
    }
    router.post("/v1/releases/:id/approve") { request, context in
      try checkQuery(of: request)
      let body = try await JSONBody(of: request, schema: "Approval", isOptional: true)
      var approval = try releaseRequest(request, body)
      approval.step = try body.decoded(as: ApprovedStep.self).step
      return try moved(try await releases.perform(.approve, on: id(context), approval))
    }
    router.post("/v1/proxies/forget") { request, _ in
      try checkQuery(of: request)
      let body = try await JSONBody(of: request, schema: "ProxyToForget")
      let intent = try body.decoded(as: Intent.self)
      return try json(
        try await releases.forgetProxy(
          body.decoded(as: Proxy.self).node,
          ReleaseRequest(actor: intent.actor ?? "", reason: intent.reason ?? "")))
    }
    for (path, action) in Self.moves {
      router.post("/v1/releases/:id/\(path)") { request, context in
        try checkQuery(of: request)
        let body = try await JSONBody(of: request, schema: "Intent", isOptional: true)
        return try moved(try await releases.perform(action, on: id(context), releaseRequest(request, body)))
      }
    }
    addReading(to: router)
  }

  private func addReading(to router: Router<Context>) {
    router.get("/v1/releases") { request, _ in
      try checkQuery(of: request, allowed: ["service", "state"])
      return try json(ReleaseList(releases: try matching(request, await releases.list())))
    }
    router.get("/v1/releases/:id") { request, context in
      try checkQuery(of: request)
      return try answer(try await releases.status(of: id(context)))
    }
    router.get("/v1/releases/:id/live") { request, context in
      try checkQuery(of: request, allowed: ["generation", "scope", "wait"])
      let parameters = request.uri.queryParameters
      var query = ReleaseLiveRequest(wait: try wait(of: request))
      if let text = parameters["generation"] { query.generation = try number(text, "generation") }
      if let text = parameters["scope"] { query.scope = String(text) }
      let id = try id(context)
      return try json(
        try await waiting.run(request, waiting: query.wait) { [query] in try await releases.live(query, of: id) })
    }
    router.get("/v1/releases/:id/history") { request, context in
      try checkQuery(of: request)
      return try entries(try await releases.history(of: id(context)), for: request)
    }
    router.get("/v1/releases/:id/watch") { request, context in
      try checkQuery(of: request)
      return try await watching.response(
        to: request, context, releases.watch(id(context)), event: "release", id: { $0.revision })
    }
    router.get("/v1/ledger") { request, _ in
      try checkQuery(of: request, allowed: ["after", "limit", "release"])
      let parameters = request.uri.queryParameters
      let after: Int64 = try parameters["after"].map { try number($0, "after") } ?? 0
      let limit: Int = try parameters["limit"].map { try number($0, "limit") } ?? 1000
      guard (1...10_000).contains(limit) else { throw AdminError(.badRequest, "limit: from 1 to 10000, not \(limit)") }
      let lines = try await releases.ledger(
        after: UInt64(after), limit: limit, of: parameters["release"].map(String.init))
      return try entries(lines, for: request)
    }
    router.get("/v1/ledger/verify") { request, _ in
      try checkQuery(of: request, allowed: ["mark"])
      return try json(try await releases.verify(against: request.uri.queryParameters["mark"].map(String.init)))
    }
  }

  private func id(_ context: Context) throws -> String {
    let id = try context.parameters.require("id")
    return id.removingPercentEncoding ?? id
  }

  private func matching(_ request: Request, _ all: [ReleaseStatus]) throws -> [ReleaseStatus] {
    let parameters = request.uri.queryParameters
    var found = all
    if let service = parameters["service"]?.lowercased() {
      found.removeAll { $0.service != service && !$0.service.hasPrefix(service + ".") }
    }
    if let text = parameters["state"] {
      guard let state = ReleaseState(rawValue: String(text)) else {
        let known = ReleaseState.allCases.map(\.rawValue).joined(separator: ", ")
        throw AdminError(.badRequest, "state: \"\(text)\" is unknown; known are \(known)")
      }
      found.removeAll { $0.state != state }
    }
    return found
  }

  private func moved(_ status: ReleaseStatus) throws -> Response {
    try answer(status, status: status.notDurable == nil ? .ok : .accepted)
  }

  /// With the revision as its tag, which `If-Match` takes. It is of what was done to the release: what is counted of it, as
  /// ready endpoints, changes without it.
  private func answer(_ status: ReleaseStatus, status code: HTTPResponse.Status = .ok) throws -> Response {
    var response = try json(status, status: code)
    response.headers[.eTag] = "\"\(status.revision)\""
    return response
  }

  private func entries(_ lines: [LedgerLine], for request: Request) throws -> Response {
    guard request.headers[.accept]?.contains("ndjson") == true else { return try json(LedgerPage(entries: lines)) }
    var bytes = ByteBuffer()
    for line in lines { bytes.writeBytes(try AdminJSON.encode(line)) }
    var response = text("", contentType: "application/x-ndjson")
    response.body = ResponseBody(byteBuffer: bytes)
    return response
  }

  private func releaseRequest(_ request: Request, _ body: JSONBody) throws -> ReleaseRequest {
    let intent = try body.decoded(as: Intent.self)
    return ReleaseRequest(
      actor: intent.actor ?? "", reason: intent.reason ?? "", idempotencyKey: try idempotencyKey(of: request),
      ifRevision: try revision(of: request))
  }

  /// `Idempotency-Key: abc`, or `"abc"`, as the draft standard writes it.
  private func idempotencyKey(of request: Request) throws -> String? {
    guard let value = request.headers.value(of: "idempotency-key") else { return nil }
    let isQuoted = value.count >= 2 && value.hasPrefix("\"") && value.hasSuffix("\"")
    let key = isQuoted ? String(value.dropFirst().dropLast()) : value
    // Without quotes, a blank or a quote would be read otherwise by others.
    let plain = isQuoted || !key.utf8.contains { $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\"") }
    guard plain, !key.isEmpty, key.utf8.count <= 255, key.utf8.allSatisfy({ $0 >= 0x20 && $0 < 0x7f }) else {
      throw AdminError(.badRequest, "Idempotency-Key: 1 to 255 printable characters of ASCII are needed")
    }
    return key
  }

  /// `"3"`, as `ETag` gives it. What is no revision's tag is none that the release has: 0 never is.
  private func revision(of request: Request) throws -> UInt64? {
    guard let value = request.headers[.ifMatch], value != "*" else { return nil }
    guard !value.contains(",") else { throw AdminError(.badRequest, "If-Match: one tag is taken, not several") }
    guard value.count >= 3, value.hasPrefix("\""), value.hasSuffix("\"") else { return 0 }
    return UInt64(value.dropFirst().dropLast()) ?? 0
  }
}
