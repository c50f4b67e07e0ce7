internal import XDSSnapshot

/// A response of clusters that the client answers neither with an ACK nor with a NACK, and what is taken back of it.
///
/// An Envoy that finds a cluster bad only when it builds the load balancer (a ring hash whose minimum is above its maximum)
/// keeps it among those that warm, for ever, and as long as any cluster warms it sends nothing about clusters: no ACK, no
/// NACK, and after a reconnect no subscription. It ends when the cluster is removed, or replaced by one that is good.
///
/// Which one it is cannot be asked, so it is found out: what is suspect is withdrawn in groups, half by half, until the
/// client speaks again. Its words then are those of a refusal, or else the quarantine tries again what was withdrawn, a half
/// at a time. What a client holds from before is not withdrawn: it is given its old content again.
struct Withdrawal: Sendable {
  /// The response that is not answered.
  var original: TypeSession.InFlight
  /// What has been withdrawn of it, in this order.
  private(set) var withdrawn: [[Resource]] = []
  /// What is next.
  private(set) var remaining: [[Resource]]

  init(of original: TypeSession.InFlight, groups: [[Resource]]) {
    self.original = original
    remaining = groups
  }

  /// Takes the next group; there is one.
  mutating func advance() -> [Resource] {
    let group = remaining.removeFirst()
    withdrawn.append(group)
    return group
  }

  /// Suspects in the order in which they are withdrawn, halved, for of several at once not all can be to blame.
  ///
  /// - Parameters:
  ///   - silent: new clusters whose endpoints the client has not asked for. Envoy asks for those of each cluster that it has
  ///     taken before it answers, and for those of a cluster that it could not build never.
  ///   - others: clusters that may be to blame if it is none of those.
  static func groups(silent: [Resource], others: [Resource]) -> [[Resource]] {
    [silent, others].flatMap { suspects -> [[Resource]] in
      let half = (suspects.count + 1) / 2
      return [Array(suspects[..<half]), Array(suspects[half...])]
    }.filter { !$0.isEmpty }
  }
}

/// How long a client may be silent about its clusters after it has answered all else.
///
/// Time comes in with `ProxySession.pump(at:)`, and is what the caller's clock says.
struct Patience: Sendable {
  /// From the last answer that was needed to the first withdrawal, and from one withdrawal to the next.
  var normal: Duration = .seconds(5)
  /// Where the response has clusters whose warming the server does not see: those without endpoints of their own resolve
  /// names, or wait for an assignment that the state of the world cannot say is missing (15 s in Envoy,
  /// `initial_fetch_timeout`).
  var long: Duration { normal * 6 }
  private static let limit: Duration = .seconds(600)

  /// The client has answered after all: it is slow, and was wronged.
  mutating func grow() { normal = min(normal * 4, Self.limit) }
}
