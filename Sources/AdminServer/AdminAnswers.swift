internal import Hummingbird
internal import Logging
internal import NIOCore
internal import ReleaseControl

func json(_ value: some Encodable, status: HTTPResponse.Status = .ok) throws -> Response {
  var response = text("", contentType: "application/json")
  response.status = status
  response.body = ResponseBody(byteBuffer: ByteBuffer(bytes: try AdminJSON.encode(value)))
  return response
}

func text(_ text: String, contentType: String) -> Response {
  Response(
    status: .ok,
    // Every answer is the state of a moment.
    headers: [.contentType: contentType, .cacheControl: "no-store"],
    body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
}

/// A path and the methods that it takes; `{…}` stands for any one part.
struct AdminPath: Sendable {
  var template: String
  var methods: [String]

  init(_ template: String, _ methods: String...) {
    self.template = template
    self.methods = methods.isEmpty ? ["GET", "HEAD"] : methods
  }

  func matches(_ parts: [Substring]) -> Bool {
    let own = template.split(separator: "/")
    return own.count == parts.count && zip(own, parts).allSatisfy { $0 == $1 || $0.hasPrefix("{") }
  }
}

/// Turns every error into JSON, and the router's "not found" into 405 where the path exists.
struct JSONErrors: RouterMiddleware {
  typealias Context = AdminRoutes.Context

  var paths: [AdminPath]
  var connections: AdminConnections

  func handle(
    _ request: Request, context: Context, next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    var response = try await answer(request, context, next)
    // Who has to come again must not keep a connection from others until then.
    if response.status == .serviceUnavailable || connections.isCrowded { response.headers[.connection] = "close" }
    return response
  }

  private func answer(
    _ request: Request, _ context: Context, _ next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    do {
      return try await next(request, context)
    } catch let error as AdminError where error.code.answer != nil {
      return try answer(error)
    } catch let error as ReleaseError {
      // Without a condition of the request's, none has failed: somebody else was faster.
      let isConflict = error.code == .stale && request.headers[.ifMatch] == nil
      return try json(ErrorReport(error), status: isConflict ? .conflict : error.code.status)
    } catch let error as HTTPError where error.status == .notFound {
      return try nothingThere(request)
    } catch is CancellationError {
      throw CancellationError()
    } catch {
      context.logger.error(
        "An admin request failed", metadata: ["path": "\(request.uri.path)", "error": "\(error)"])
      return try json(
        ErrorReport(code: "internal", message: "the request failed; the log says why"), status: .internalServerError)
    }
  }

  private func answer(_ error: AdminError) throws -> Response {
    guard let (status, code) = error.code.answer else { throw error }
    var response = try json(ErrorReport(code: code, message: error.message), status: status)
    if status == .unauthorized { response.headers[.wwwAuthenticate] = "Bearer" }
    return response
  }

  private func nothingThere(_ request: Request) throws -> Response {
    let parts = request.uri.path.split(separator: "/")
    let path = "/" + parts.joined(separator: "/")
    guard let found = paths.first(where: { $0.matches(parts) }) else {
      return try json(
        ErrorReport(code: "not_found", message: "\(path) does not exist; GET / lists what does"), status: .notFound)
    }
    var response = try json(
      ErrorReport(
        code: "method_not_allowed",
        message: "\(path) takes \(found.methods.joined(separator: " and ")), not \(request.method.rawValue)"),
      status: .methodNotAllowed)
    response.headers[.allow] = found.methods.joined(separator: ", ")
    return response
  }
}

extension AdminError.Code {
  /// Nil for what is no answer to a request.
  fileprivate var answer: (status: HTTPResponse.Status, code: String)? {
    switch value {
    case .badRequest: (.badRequest, "bad_request")
    case .unauthorized: (.unauthorized, "unauthorized")
    case .forbidden: (.forbidden, "forbidden")
    case .notFound: (.notFound, "not_found")
    case .contentTooLarge: (.contentTooLarge, "content_too_large")
    case .unsupportedMediaType: (.unsupportedMediaType, "unsupported_media_type")
    case .tooManyWatchers: (.serviceUnavailable, "too_many_watchers")
    case .methodNotAllowed, .bind, .badToken, .unreachable, .unavailable, .timeout, .badResponse: nil
    }
  }
}

extension ReleaseError.Code {
  var status: HTTPResponse.Status {
    switch self {
    case .invalid, .keyReused: .unprocessableContent
    case .unknownRelease, .unknownService, .unknownGeneration, .unknownProxy: .notFound
    case .notAllowed, .alreadyReleased, .notEnoughCapacity, .notLive: .conflict
    case .stale: .preconditionFailed
    case .notDurable: HTTPResponse.Status(code: 507, reasonPhrase: "Insufficient Storage")
    case .unauthorized: .unauthorized
    case .unavailable: .serviceUnavailable
    }
  }
}
