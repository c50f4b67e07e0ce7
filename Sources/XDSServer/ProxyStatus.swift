public import XDSSnapshot

/// One stream, as an operator sees it.
public struct ProxyStatus: Sendable {
  public var nodeID: String
  /// `Node.cluster`.
  public var nodeCluster: String
  /// The client's program and version.
  public var userAgent: String
  public var proxyClass: ProxyClass
  public var variant: XDSProtocol
  /// Nil on an aggregated stream, else the one type that the stream is for.
  public var onlyType: ResourceType?
  public var remoteAddress: String
  public var connectedFor: Duration
  public var types: [TypeStatus]

  /// The newest generation that the proxy has confirmed in every type that it asked for; nil before that.
  public var convergedGeneration: UInt64? {
    guard let oldest = types.map(\.convergedGeneration).min(), oldest > 0 else { return nil }
    return oldest
  }

  /// One type on a stream.
  public struct TypeStatus: Sendable {
    public var type: ResourceType
    public var isWildcard: Bool
    /// How many names are subscribed to.
    public var names: Int
    /// What the proxy has confirmed: the hash over the whole table, so that proxies which hold the same show the same. A
    /// state-of-the-world proxy that subscribes to a single name was told that resource's version.
    public var version: String
    /// The newest generation that the proxy has confirmed completely; 0 for none.
    public var convergedGeneration: UInt64
    /// The response that is not answered yet.
    public var inFlight: InFlight?
    /// What this proxy does not get yet, and why.
    public var held: [HeldItem]
    /// The last refusal; it stays after the proxy has accepted something newer.
    public var rejection: Rejection?
    /// Since the last refusal; zero if there was none.
    public var rejectionAge: Duration
    public var responses: UInt64
    public var resources: UInt64
    public var acks: UInt64
    public var nacks: UInt64
  }

  public struct InFlight: Sendable {
    public var nonce: String
    /// As `TypeStatus.version`, once the proxy confirms it.
    public var version: String
    public var generation: UInt64
    /// Since it was sent.
    public var age: Duration
  }
}

extension ProxySession {
  /// - Parameters:
  ///   - flightAge: how long a type's response has been in flight.
  ///   - refusalAge: how long ago a type's last refusal came.
  func status(
    flightAge: (ResourceType) -> Duration, refusalAge: (ResourceType) -> Duration
  ) -> [ProxyStatus.TypeStatus] {
    types.filter(\.isRequested).map { session in
      .init(
        type: session.type, isWildcard: session.subscription.isWildcard,
        names: session.subscription.names.identity.count, version: versionText(session.acked, session),
        convergedGeneration: converged(session.type),
        inFlight: session.inFlight.map {
          .init(
            nonce: $0.nonce.text, version: versionText($0.table, session), generation: $0.generation,
            age: flightAge(session.type))
        },
        held: session.held, rejection: session.rejection, rejectionAge: refusalAge(session.type),
        responses: session.counts.responses,
        resources: session.counts.resources, acks: session.counts.acks, nacks: session.counts.nacks)
    }
  }

  /// What the client was told of a table: `version_info` where that says something of the whole table, else its hash.
  private func versionText(_ table: ResourceTable, _ session: TypeSession) -> String {
    let names = session.subscription.names.names
    guard variant == .stateOfTheWorld, !session.subscription.isWildcard, names.count == 1, let name = names.first,
      let resource = table[name]
    else { return table.contentHash.text }
    return resource.version
  }
}
