internal import Hummingbird
internal import Logging
internal import NIOCore
internal import Telemetry
internal import TrafficModel

/// Paths to answers. Everything is read-only: GET and HEAD.
struct AdminRoutes {
  typealias Context = BasicRequestContext

  var source: any AdminDataSource
  var metrics: MetricsRegistry

  private static let index = """
    Weir admin
      GET /ready                         200 once every source has been read, else 503
      GET /live                          200 while the process answers
      GET /metrics                       Prometheus text format
      GET /v1/proxies                    connected proxies: versions, lag, NACKs
      GET /v1/resources[?type=&name=&namespace=]
                                         what is served; type is cluster, endpoint, listener, route, virtual_host,
                                         lb_endpoint or a type URL
      GET /v1/problems                   what is wrong with the input
      GET /v1/changes                    the last changes: which edits came in, what ran and why, what came of it
      GET /v1/convergence[?generation=&scope=&service=&at-least=&wait=&all=]
                                         where a generation (default: the newest) is live; waits until it is, up to wait=5s.
                                         scope is all, node:ID, nodes:PATTERN, namespace:NAME or
                                         class:sidecar/NAMESPACE/HOST:PORT; service=reviews.shop asks about that alone;
                                         all=true lists every proxy
      GET /v1/safe-to-terminate?address=IP:PORT[&wait=]
      GET /v1/safe-to-terminate?service=NAME.NAMESPACE&subset=NAME[&port=][&wait=]
                                         whether any proxy can still pick it; waits until none can

    """

  func router() -> Router<Context> {
    let router = Router(context: Context.self, options: .autoGenerateHeadEndpoints)
    let paths = [
      "/", "/ready", "/live", "/metrics", "/v1/proxies", "/v1/resources", "/v1/problems", "/v1/changes",
      "/v1/convergence", "/v1/safe-to-terminate",
    ]
    router.add(middleware: JSONErrors(paths: paths))
    router.get("/") { request, _ in
      try checkQuery(of: request)
      return text(Self.index, contentType: "text/plain; charset=utf-8")
    }
    router.get("/live") { _, _ in try json(["live": true]) }
    router.get("/ready") { [source] _, _ in
      guard source.isSynced else {
        return try json(ErrorReport(code: "not_ready", message: source.notReadyReason), status: .serviceUnavailable)
      }
      return try json(["ready": true])
    }
    router.get("/metrics") { [metrics, source] _, _ in
      await source.prepareMetrics()
      return text(metrics.prometheusText(), contentType: MetricsRegistry.prometheusContentType)
    }
    router.get("/v1/proxies") { [source] request, _ in
      try checkQuery(of: request)
      return try json(ProxyList(proxies: await source.proxies()))
    }
    router.get("/v1/problems") { [source] request, _ in
      try checkQuery(of: request)
      return try json(ProblemList(problems: await source.problems().map(ProblemReport.init)))
    }
    router.get("/v1/changes") { [source] request, _ in
      try checkQuery(of: request)
      return try json(await source.changes())
    }
    router.get("/v1/convergence") { [source] request, _ in
      let query = try convergenceRequest(of: request)
      return try json(try await source.convergence(query))
    }
    router.get("/v1/safe-to-terminate") { [source] request, _ in
      let query = try terminationRequest(of: request)
      return try json(try await source.termination(query))
    }
    router.get("/v1/resources") { [source] request, _ in
      let query = try resourceQuery(of: request)
      return try json(ResourceList(resources: try await source.resources(query)))
    }
    return router
  }
}

private func resourceQuery(of request: Request) throws -> ResourceQuery {
  try checkQuery(of: request, allowed: ["type", "name", "namespace"])
  let parameters = request.uri.queryParameters
  var query = ResourceQuery(
    name: parameters["name"].map(String.init), namespace: parameters["namespace"].map(String.init))
  if let type = parameters["type"] {
    guard let kind = ResourceKind(text: String(type)) else {
      let known = ResourceKind.allCases.map(\.rawValue).joined(separator: ", ")
      throw AdminError(.badRequest, "type: \"\(type)\" is unknown; known are \(known), and their type URLs")
    }
    query.type = kind
  }
  return query
}

private func convergenceRequest(of request: Request) throws -> ConvergenceRequest {
  try checkQuery(of: request, allowed: ["generation", "scope", "service", "at-least", "wait", "all"])
  var query = ConvergenceRequest(listsLive: false)
  let parameters = request.uri.queryParameters
  if let text = parameters["generation"] { query.generation = try number(text, "generation") }
  if let text = parameters["scope"] { query.scope = String(text) }
  query.service = parameters["service"].map(String.init)
  if let text = parameters["at-least"] { query.atLeast = try number(text, "at-least") }
  query.wait = try wait(of: request)
  if let text = parameters["all"] {
    guard let all = Bool(String(text)) else { throw AdminError(.badRequest, "all: true or false, not \"\(text)\"") }
    query.listsLive = all
  }
  return query
}

private func terminationRequest(of request: Request) throws -> TerminationRequest {
  try checkQuery(of: request, allowed: ["address", "service", "subset", "port", "wait"])
  let parameters = request.uri.queryParameters
  let wait = try wait(of: request)
  if let address = parameters["address"] {
    guard parameters["service"] == nil, parameters["subset"] == nil, parameters["port"] == nil else {
      throw AdminError(.badRequest, "address: not together with service, subset or port")
    }
    return TerminationRequest(.endpoint(String(address)), wait: wait)
  }
  guard let service = parameters["service"] else {
    throw AdminError(.badRequest, "address (IP:PORT) or service (NAME.NAMESPACE) is missing")
  }
  let port: UInt16? = try parameters["port"].map { try number($0, "port") }
  return TerminationRequest(
    .subset(parameters["subset"].map(String.init) ?? "", service: String(service), port: port), wait: wait)
}

private func number<Number: FixedWidthInteger>(_ text: Substring, _ name: String) throws -> Number {
  guard let number = Number(text), number >= 0 else {
    throw AdminError(.badRequest, "\(name): \"\(text)\" is no number that it can be")
  }
  return number
}

/// `5`, `5s` or `500ms`; at most ten minutes.
private func wait(of request: Request) throws -> Duration {
  guard let text = request.uri.queryParameters["wait"] else { return .zero }
  let (digits, unit) =
    text.hasSuffix("ms") ? (text.dropLast(2), 0.001) : text.hasSuffix("s") ? (text.dropLast(), 1) : (text, 1)
  guard let value = Double(digits), (0...600).contains(value * unit) else {
    throw AdminError(.badRequest, "wait: a time such as 5s or 500ms, at most 600s, not \"\(text)\"")
  }
  return .seconds(value * unit)
}

/// Bytes of a query, percent signs and all.
private let longestQuery = 4096

/// A misspelt or repeated parameter is an error: an answer to another question would look right.
private func checkQuery(of request: Request, allowed: [String] = []) throws {
  // A text with many combining marks takes long to compare.
  guard request.uri.query?.utf8.count ?? 0 <= longestQuery else {
    throw AdminError(.badRequest, "the query has more than \(longestQuery) bytes")
  }
  var seen: Set<Substring> = []
  for (key, _) in request.uri.queryParameters where !key.isEmpty {
    guard allowed.contains(String(key)) else {
      throw AdminError(.badRequest, "\(key): unknown parameter")
    }
    guard seen.insert(key).inserted else { throw AdminError(.badRequest, "\(key): given twice") }
  }
}

private func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
  var response = text("", contentType: "application/json")
  response.status = status
  response.body = ResponseBody(byteBuffer: ByteBuffer(bytes: try AdminJSON.encode(value)))
  return response
}

private func text(_ text: String, contentType: String) -> Response {
  Response(
    status: .ok,
    // Every answer is the state of a moment.
    headers: [.contentType: contentType, .cacheControl: "no-store"],
    body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
}

/// Turns every error into JSON, and the router's "not found" into 405 where the path exists.
private struct JSONErrors: RouterMiddleware {
  typealias Context = AdminRoutes.Context

  var paths: [String]

  func handle(
    _ request: Request, context: Context, next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    do {
      return try await next(request, context)
    } catch let error as AdminError where error.code == .badRequest {
      return try json(ErrorReport(code: "bad_request", message: error.message), status: .badRequest)
    } catch let error as AdminError where error.code == .notFound {
      return try json(ErrorReport(code: "not_found", message: error.message), status: .notFound)
    } catch let error as HTTPError where error.status == .notFound {
      let path = "/" + request.uri.path.split(separator: "/").joined(separator: "/")
      guard paths.contains(path) else {
        return try json(
          ErrorReport(code: "not_found", message: "\(path) does not exist; GET / lists what does"), status: .notFound)
      }
      var response = try json(
        ErrorReport(code: "method_not_allowed", message: "\(path) takes GET and HEAD, not \(request.method.rawValue)"),
        status: .methodNotAllowed)
      response.headers[.allow] = "GET, HEAD"
      return response
    } catch is CancellationError {
      throw CancellationError()
    } catch {
      context.logger.error(
        "An admin request failed", metadata: ["path": "\(request.uri.path)", "error": "\(error)"])
      return try json(
        ErrorReport(code: "internal", message: "the request failed; the log says why"), status: .internalServerError)
    }
  }
}
