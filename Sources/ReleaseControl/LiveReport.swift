/// Where a change is live, and where not.
public struct LiveReport: Sendable, Hashable, Codable {
  /// The generation that it is about.
  public var generation: UInt64
  /// Whether it is live on all proxies in scope.
  public var isLive: Bool
  public var scope: String
  /// Proxies in scope.
  public var total: Int
  public var live: Int
  /// Those where it is not live, by node id.
  public var laggards: [Laggard]
  /// Why it is not live whatever proxies hold: a guard rail serves something else than was set, or no route is left. Nil if it is
  /// served as set.
  public var reason: String?
  /// The later generation that serves the release instead: what was changed with this one has been changed again, and is live nowhere
  /// for good. Nil while it counts.
  public var supersededBy: UInt64?

  public struct Laggard: Sendable, Hashable, Codable {
    public var node: String
    public var address: String
    /// `pending`, `sent`, `acknowledged`, `refused`, `disconnected`.
    public var state: String
    /// Why it is not live, or the proxy's own words where it refuses something.
    public var reasons: [String]

    public init(node: String, address: String, state: String, reasons: [String]) {
      self.node = node
      self.address = address
      self.state = state
      self.reasons = reasons
    }
  }

  public init(
    generation: UInt64, isLive: Bool, scope: String, total: Int, live: Int, laggards: [Laggard], reason: String? = nil,
    supersededBy: UInt64? = nil
  ) {
    self.generation = generation
    self.isLive = isLive
    self.scope = scope
    self.total = total
    self.live = live
    self.laggards = laggards
    self.reason = reason
    self.supersededBy = supersededBy
  }
}

extension LiveReport {
  /// `generation 12 is not live: 2 of 3 proxies`
  public var headline: String {
    if let supersededBy {
      return "generation \(generation) is superseded: generation \(supersededBy) serves the release now"
    }
    return Self.headline(generation: generation, isLive: isLive, live: live, total: total, scope: scope)
  }

  public static func headline(generation: UInt64, isLive: Bool, live: Int, total: Int, scope: String) -> String {
    if !isLive, total == 0 { return "generation \(generation) is not live: \(nobody(in: scope))" }
    return "generation \(generation) is \(isLive ? "live" : "not live"): \(live) of \(total) "
      + "\(total == 1 ? "proxy" : "proxies")"
  }

  /// That there is no proxy that a change could be live on.
  public static func nobody(in scope: String) -> String {
    scope == "all" ? "no proxy is connected" : "no proxy of \(scope) is connected"
  }
}

extension LiveReport: CustomStringConvertible {
  /// `generation 12 is not live: 2 of 3 proxies; sidecar-3: sent (route: the response of generation 12 is not answered)`
  public var description: String {
    ([headline] + (reason.map { [$0] } ?? [])
      + laggards.map {
        "\($0.node): \($0.state)" + ($0.reasons.isEmpty ? "" : " (\($0.reasons.joined(separator: "; ")))")
      }).joined(separator: "; ")
  }
}

/// That a change is made and not live in time: on which proxies not, and why.
public struct NotLive: Error, Sendable, Hashable, CustomStringConvertible {
  public var report: LiveReport
  public init(_ report: LiveReport) { self.report = report }
  public var description: String { "\(report)" }
}
