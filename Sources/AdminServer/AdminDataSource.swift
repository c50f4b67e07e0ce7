public import TrafficModel

/// What the admin API shows. Every answer is a snapshot; the calls may come at any time, from any thread, and together.
public protocol AdminDataSource: Sendable {
  /// Whether every source has been read once, so that proxies are served; false again while draining.
  var isSynced: Bool { get }
  /// Why `isSynced` is false.
  var notReadyReason: String { get }

  /// Brings up to date whatever a scrape of the metrics is to read; called before each.
  func prepareMetrics() async

  func proxies() async -> [ProxyReport]
  func problems() async -> [Problem]
  /// The last changes, the newest first.
  func changes() async -> ChangeList
  /// Where a generation is live; returns when it is everywhere, or after the time to wait. A thrown `AdminError` as below.
  func convergence(_ request: ConvergenceRequest) async throws -> ConvergenceReport
  /// Where a generation is live, now and after each change, until it is live everywhere. Who is slow gets the newest.
  func convergences(_ request: ConvergenceRequest) async throws -> AsyncThrowingStream<ConvergenceReport, any Error>
  /// Whether something can be terminated; returns when it can, or after the time to wait. A thrown `AdminError` as below.
  func termination(_ request: TerminationRequest) async throws -> TerminationReport
  /// The resources that match, as they are served. A thrown `AdminError` becomes its HTTP status; anything else is a 500.
  func resources(_ query: ResourceQuery) async throws -> [ResourceReport]
  /// Whoever runs the releases; nil if nobody does, and then there is nothing under `/v1/releases` and `/v1/ledger`.
  var releases: (any ReleaseDataSource)? { get }
}

extension AdminDataSource {
  public func prepareMetrics() async {}

  public func changes() async -> ChangeList { ChangeList(kept: 0, changes: []) }

  public func convergence(_ request: ConvergenceRequest) async throws -> ConvergenceReport {
    throw AdminError(.notFound, "there are no proxies")
  }

  public func convergences(
    _ request: ConvergenceRequest
  ) async throws -> AsyncThrowingStream<ConvergenceReport, any Error> {
    throw AdminError(.notFound, "there are no proxies")
  }

  public func termination(_ request: TerminationRequest) async throws -> TerminationReport {
    throw AdminError(.notFound, "there are no proxies")
  }

  public var releases: (any ReleaseDataSource)? { nil }

  public var notReadyReason: String { "the sources have not been read yet" }
}

/// An error of the admin server, its client, or a request to it.
public struct AdminError: Error, Sendable, CustomStringConvertible {
  public struct Code: Sendable, Hashable {
    enum Value {
      case badRequest, unauthorized, forbidden, notFound, methodNotAllowed, contentTooLarge, unsupportedMediaType,
        tooManyWatchers, bind, badToken, unreachable, unavailable, timeout, badResponse
    }
    var value: Value

    /// The request makes no sense: 400.
    public static let badRequest = Code(value: .badRequest)
    /// A write without the token that it needs: 401.
    public static let unauthorized = Code(value: .unauthorized)
    /// The request comes from a page of somebody else, or was sent to a name that is not this server's: 403.
    public static let forbidden = Code(value: .forbidden)
    /// What was asked for does not exist: 404.
    public static let notFound = Code(value: .notFound)
    /// The path exists, but takes other methods: 405.
    public static let methodNotAllowed = Code(value: .methodNotAllowed)
    /// The request's body is larger than any that makes sense: 413.
    public static let contentTooLarge = Code(value: .contentTooLarge)
    /// The request's body is not JSON by its own word: 415.
    public static let unsupportedMediaType = Code(value: .unsupportedMediaType)
    /// So many watch or wait already that others would find no connection: 503.
    public static let tooManyWatchers = Code(value: .tooManyWatchers)
    /// The file of the token that writes need has none. Affects the process.
    public static let badToken = Code(value: .badToken)
    /// The server cannot listen on its address. Affects the process.
    public static let bind = Code(value: .bind)
    /// The client finds nothing that listens.
    public static let unreachable = Code(value: .unreachable)
    /// The server that the client asks has no answer now: it goes down, has closed the connection before it had answered, or as many
    /// wait there as may.
    public static let unavailable = Code(value: .unavailable)
    /// The client's time is up.
    public static let timeout = Code(value: .timeout)
    /// The answer is not what the admin API gives.
    public static let badResponse = Code(value: .badResponse)
  }

  public var code: Code
  public var message: String
  public var cause: (any Error)?

  public init(_ code: Code, _ message: String, cause: (any Error)? = nil) {
    self.code = code
    self.message = message
    self.cause = cause
  }

  public var description: String { message }
}
