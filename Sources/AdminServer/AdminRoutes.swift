internal import Hummingbird
internal import Logging
internal import NIOCore
internal import Telemetry
internal import TrafficModel

/// A request, and the connection that it came on.
struct AdminContext: RequestContext {
  var coreContext: CoreRequestContextStorage
  let channel: any Channel

  init(source: ApplicationRequestContextSource) {
    coreContext = .init(source: source)
    channel = source.channel
  }
}

/// Paths to answers. Everything but releases is read-only: GET and HEAD.
struct AdminRoutes {
  typealias Context = AdminContext

  var source: any AdminDataSource
  var metrics: MetricsRegistry
  var access: AdminAccess
  var watching = Watching()
  /// Of long polls.
  var waiting = Places(128)
  var connections = AdminConnections()

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
                                         all=true lists every proxy; Accept: text/event-stream, or application/x-ndjson,
                                         gives each change until it is live
      GET /v1/safe-to-terminate?address=IP:PORT[&wait=]
      GET /v1/safe-to-terminate?service=NAME.NAMESPACE&subset=NAME[&port=][&wait=]
                                         whether any proxy can still pick it; waits until none can
      GET /openapi.json                  all of this for programs: OpenAPI 3.1

    """

  static let paths = [
    "/", "/ready", "/live", "/metrics", "/openapi.json", "/v1/proxies", "/v1/resources", "/v1/problems", "/v1/changes",
    "/v1/convergence", "/v1/safe-to-terminate",
  ].map { AdminPath($0) }

  func router() -> Router<Context> {
    let router = Router(context: Context.self, options: .autoGenerateHeadEndpoints)
    var paths = Self.paths
    if source.releases != nil { paths += ReleaseRoutes.paths }
    router.add(middleware: JSONErrors(paths: paths, connections: connections))
    router.add(middleware: access)
    if let releases = source.releases {
      ReleaseRoutes(releases: releases, watching: watching, waiting: waiting).add(to: router)
    }
    router.get("/openapi.json") { request, _ in
      try checkQuery(of: request)
      return text(OpenAPIDocument.text, contentType: "application/json")
    }
    router.get("/") { [source] request, _ in
      try checkQuery(of: request)
      return text(
        Self.index + (source.releases == nil ? "" : ReleaseRoutes.index), contentType: "text/plain; charset=utf-8")
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
    router.get("/v1/convergence") { [source, waiting, watching] request, context in
      let query = try convergenceRequest(of: request)
      if Watching.isAsked(for: request) {
        return try await watching.response(
          to: request, context, source.convergences(query), event: "convergence", id: { $0.newestGeneration })
      }
      return try json(try await waiting.run(request, waiting: query.wait) { try await source.convergence(query) })
    }
    router.get("/v1/safe-to-terminate") { [source, waiting] request, _ in
      let query = try terminationRequest(of: request)
      return try json(try await waiting.run(request, waiting: query.wait) { try await source.termination(query) })
    }
    router.get("/v1/resources") { [source] request, _ in
      let query = try resourceQuery(of: request)
      return try json(ResourceList(resources: try await source.resources(query)))
    }
    return router
  }
}
