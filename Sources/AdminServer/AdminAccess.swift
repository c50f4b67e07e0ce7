internal import Hummingbird
internal import NIOCore

/// Who may do what.
///
/// A page that somebody looks at in a browser on this machine can send requests to loopback. It is kept from writing by its
/// `Origin`, which browsers add to every such request and pages cannot change; and a page that has its own name resolved to
/// loopback (DNS rebinding) is kept from reading too, by the `Host`.
struct AdminAccess: RouterMiddleware {
  typealias Context = AdminRoutes.Context

  /// Whether only this machine reaches the server, so that it goes by the names of loopback and by no other.
  var isLoopback: Bool
  /// What writes need.
  var token: BearerToken?

  func handle(
    _ request: Request, context: Context, next: (Request, Context) async throws -> Response
  ) async throws -> Response {
    if isLoopback, let host = request.head.authority, !Self.isLoopback(Self.name(ofHost: host)) {
      throw AdminError(
        .forbidden, "this server listens on loopback, and \(host) is none of its names: localhost, 127.0.0.1, [::1]")
    }
    if request.method != .get, request.method != .head { try await checkWrite(request) }
    return try await next(request, context)
  }

  private func checkWrite(_ request: Request) async throws {
    if let origin = request.headers[.origin], origin != "http://\(request.head.authority ?? "")" {
      throw AdminError(.forbidden, "pages of \(origin) may not write here")
    }
    if let site = request.headers.value(of: "sec-fetch-site"), site != "same-origin", site != "none" {
      throw AdminError(.forbidden, "pages of another site may not write here")
    }
    guard let token else { return }
    guard let given = request.headers[.authorization], given.lowercased().hasPrefix("bearer ") else {
      throw AdminError(.unauthorized, "writes need the token of --admin-token-file, as \"Authorization: Bearer TOKEN\"")
    }
    guard await token.matches(String(given.dropFirst("bearer ".count))) else {
      throw AdminError(.unauthorized, "this is not the token of --admin-token-file")
    }
  }

  /// Whether a host is this machine, seen from itself, by name or as an address.
  static func isLoopback(_ host: String) -> Bool {
    let host = host.lowercased()
    if host == "localhost" || host.hasSuffix(".localhost") { return true }
    guard let address = try? SocketAddress(ipAddress: host, port: 0) else { return false }
    return switch address {
    case .v4: host.hasPrefix("127.")
    case .v6: host == "::1"
    case .unixDomainSocket: false
    }
  }

  /// `127.0.0.1` of `127.0.0.1:15014`, `::1` of `[::1]:15014`.
  private static func name(ofHost host: String) -> String {
    if host.hasPrefix("["), let end = host.firstIndex(of: "]") {
      return String(host[host.index(after: host.startIndex)..<end])
    }
    return String(host.prefix { $0 != ":" })
  }
}

extension HTTPFields {
  /// - Parameter name: in lower case.
  func value(of name: String) -> String? { first { $0.name.canonicalName == name }?.value }
}
