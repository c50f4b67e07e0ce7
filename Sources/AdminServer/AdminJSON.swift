internal import Foundation
public import ReleaseControl

/// The JSON of the admin API: that of releases, with a line feed at its end. Equal values give equal bytes.
public enum AdminJSON {
  public static func encode(_ value: some Encodable, pretty: Bool = false) throws -> [UInt8] {
    [UInt8](try ReleaseJSON.encode(value, pretty: pretty)) + [UInt8(ascii: "\n")]
  }

  public static func decode<Value: Decodable>(_: Value.Type, from bytes: [UInt8]) throws -> Value {
    try ReleaseJSON.decode(Value.self, from: Data(bytes))
  }
}

/// `{"proxies": […]}`
public struct ProxyList: Codable, Sendable, Hashable {
  public var proxies: [ProxyReport]
  public init(proxies: [ProxyReport]) { self.proxies = proxies }
}

/// `{"resources": […]}`
public struct ResourceList: Codable, Sendable, Hashable {
  public var resources: [ResourceReport]
  public init(resources: [ResourceReport]) { self.resources = resources }
}

/// `{"errors": 1, "problems": […], "warnings": 0}`
public struct ProblemList: Codable, Sendable, Hashable {
  public var errors: Int
  public var warnings: Int
  public var problems: [ProblemReport]

  public init(problems: [ProblemReport]) {
    self.problems = problems
    errors = problems.count { $0.severity == .error }
    warnings = problems.count - errors
  }
}

/// `{"error": {"code": "not_found", "message": "…"}}`
public struct ErrorReport: Codable, Sendable, Hashable {
  public struct Body: Codable, Sendable, Hashable {
    /// Stable, for programs: `bad_request`, `unauthorized`, `forbidden`, `not_found`, `method_not_allowed`,
    /// `content_too_large`, `unsupported_media_type`, `too_many_watchers`, `not_ready`, `internal`; of a release, the name of a
    /// `ReleaseError.Code`.
    public var code: String
    public var message: String
    /// The release that it is about.
    public var release: String?
    /// What that release takes now.
    public var allowedNow: [ReleaseEvent.Kind]?
  }
  public var error: Body

  public init(code: String, message: String) { error = Body(code: code, message: message) }

  public init(_ error: ReleaseError) {
    self.error = Body(
      code: error.code.rawValue, message: error.message, release: error.release,
      allowedNow: error.release == nil ? nil : error.allowedNow)
  }
}

/// `{"releases": […]}`
public struct ReleaseList: Codable, Sendable, Hashable {
  public var releases: [ReleaseStatus]
  public init(releases: [ReleaseStatus]) { self.releases = releases }
}

/// `{"entries": […]}`
public struct LedgerPage: Codable, Sendable, Hashable {
  public var entries: [LedgerLine]
  public init(entries: [LedgerLine]) { self.entries = entries }
}
