public import Foundation

/// What `GET /v1/convergence` is asked.
public struct ConvergenceRequest: Sendable, Hashable {
  /// Nil for the newest.
  public var generation: UInt64?
  /// `all`, `node:ID`, `nodes:PATTERN`, `namespace:NAME`, or `class:KIND/NAMESPACE/HOST:PORT`.
  public var scope: String
  /// The service that it is about, as in `reviews.shop`; nil for everything.
  public var service: String?
  /// With fewer live proxies the answer is no: by default with none.
  public var atLeast: Int
  /// How long the answer may wait until it is yes.
  public var wait: Duration
  /// Whether proxies where it is live are listed too.
  public var listsLive: Bool

  public init(
    generation: UInt64? = nil, scope: String = "all", service: String? = nil, atLeast: Int = 1, wait: Duration = .zero,
    listsLive: Bool = false
  ) {
    self.generation = generation
    self.scope = scope
    self.service = service
    self.atLeast = atLeast
    self.wait = wait
    self.listsLive = listsLive
  }
}

/// Where a generation is live, and where it is not.
public struct ConvergenceReport: Codable, Sendable, Hashable {
  public var generation: UInt64
  /// The newest that is served.
  public var newestGeneration: UInt64
  public var scope: String
  public var live: Bool
  /// Streams in scope, and proxies that were connected lately.
  public var total: Int
  public var liveCount: Int
  /// Those where it is not live; all if that was asked for.
  public var proxies: [Proxy]

  public init(
    generation: UInt64, newestGeneration: UInt64, scope: String, live: Bool, total: Int, liveCount: Int,
    proxies: [Proxy]
  ) {
    self.generation = generation
    self.newestGeneration = newestGeneration
    self.scope = scope
    self.live = live
    self.total = total
    self.liveCount = liveCount
    self.proxies = proxies
  }

  public struct Proxy: Codable, Sendable, Hashable {
    public var nodeID: String
    public var namespace: String
    public var `protocol`: ProxyReport.StreamProtocol
    /// Of a stream of one type.
    public var type: ResourceKind?
    public var remoteAddress: String
    /// `pending`, `sent`, `acknowledged`, `live`, `refused` or `disconnected`.
    public var state: String
    /// The newest generation that it has accepted in all that it has asked for.
    public var confirmedGeneration: UInt64
    /// Why it is not live, in words.
    public var reasons: [String]
    public var refusals: [Refusal]
    public var disconnectedSince: Date?

    public init(
      nodeID: String, namespace: String, protocol: ProxyReport.StreamProtocol, type: ResourceKind?,
      remoteAddress: String, state: String, confirmedGeneration: UInt64, reasons: [String], refusals: [Refusal],
      disconnectedSince: Date?
    ) {
      self.nodeID = nodeID
      self.namespace = namespace
      self.protocol = `protocol`
      self.type = type
      self.remoteAddress = remoteAddress
      self.state = state
      self.confirmedGeneration = confirmedGeneration
      self.reasons = reasons
      self.refusals = refusals
      self.disconnectedSince = disconnectedSince
    }
  }

  /// A resource that the proxy refuses.
  public struct Refusal: Codable, Sendable, Hashable {
    public var type: ResourceKind
    public var resource: String
    /// Its virtual hosts that differ from what the proxy has: one of them is to blame.
    public var parts: [String]
    /// The proxy's own words.
    public var reason: String
    /// The generation of the response that it refused.
    public var generation: UInt64
    /// What the resource was made of.
    public var objects: [Object]

    public init(
      type: ResourceKind, resource: String, parts: [String], reason: String, generation: UInt64, objects: [Object]
    ) {
      self.type = type
      self.resource = resource
      self.parts = parts
      self.reason = reason
      self.generation = generation
      self.objects = objects
    }
  }

  /// An object, and where it is written.
  public struct Object: Codable, Sendable, Hashable {
    public var kind: String
    /// `NAMESPACE/NAME`.
    public var name: String
    /// As in `shop/reviews.yaml:12`.
    public var place: String

    public init(kind: String, name: String, place: String) {
      self.kind = kind
      self.name = name
      self.place = place
    }
  }
}

extension ConvergenceReport.Proxy {
  /// Why it is not live there: what it lacks, and what it refuses, in its own words and with the objects that caused it.
  public var explanation: [String] {
    reasons
      + refusals.map { refusal in
        let parts = refusal.parts.isEmpty ? "" : " (\(refusal.parts.joined(separator: ", ")))"
        let objects = refusal.objects.map { "\($0.kind) \($0.name) in \($0.place)" }.joined(separator: ", ")
        return "NACK \(refusal.type.rawValue) \(refusal.resource)\(parts): \(refusal.reason)"
          + (objects.isEmpty ? "" : "; made of \(objects)")
      }
  }
}
