public import XDSSnapshot

/// A proxy that has taken something from a server, as it is kept across a restart: until it has come back, or is let go, it may
/// still run with what it had.
public struct KnownProxy: Sendable, Hashable {
  public var nodeID: String
  public var proxyClass: ProxyClass
  public var variant: XDSProtocol
  /// Nil on an aggregated stream, else the one type that the stream is for.
  public var onlyType: ResourceType?
  public var remoteAddress: String

  public init(
    nodeID: String, proxyClass: ProxyClass, variant: XDSProtocol, onlyType: ResourceType?, remoteAddress: String
  ) {
    self.nodeID = nodeID
    self.proxyClass = proxyClass
    self.variant = variant
    self.onlyType = onlyType
    self.remoteAddress = remoteAddress
  }

  init(_ identity: ProxyIdentity) {
    self.init(
      nodeID: identity.nodeID, proxyClass: identity.proxyClass, variant: identity.variant,
      onlyType: identity.scope.onlyType, remoteAddress: identity.remoteAddress)
  }

  /// Whether it is known so already: each connection comes from another port.
  func isSame(as other: KnownProxy) -> Bool {
    func host(_ proxy: KnownProxy) -> Substring {
      proxy.remoteAddress[..<(proxy.remoteAddress.lastIndex(of: ":") ?? proxy.remoteAddress.endIndex)]
    }
    return key == other.key && proxyClass == other.proxyClass && variant == other.variant && host(self) == host(other)
  }

  var identity: ProxyIdentity {
    ProxyIdentity(
      nodeID: nodeID, proxyClass: proxyClass, variant: variant, scope: .init(onlyType: onlyType),
      remoteAddress: remoteAddress)
  }

  /// Two streams of one node are two, if they are for different types.
  public struct Key: Hashable, Sendable {
    public var nodeID: String
    public var onlyType: ResourceType?
  }

  public var key: Key { Key(nodeID: nodeID, onlyType: onlyType) }
}

extension KnownProxy.Key {
  init(_ key: ProxyIdentity.Key) {
    self.init(nodeID: key.nodeID, onlyType: key.scope.onlyType)
  }

  fileprivate var identity: ProxyIdentity.Key {
    ProxyIdentity.Key(nodeID: nodeID, scope: .init(onlyType: onlyType))
  }
}

extension XDSServer {
  /// Takes the proxies that the process before this one knew (`onKnownProxy`) as having left a moment ago: a change is live, and
  /// something safe to terminate, when they have come back, or are let go. Call it before anybody connects.
  public func restore(_ proxies: [KnownProxy]) { departures.restore(proxies, at: .now()) }

  /// Says that nobody has kept which proxies there were before this process, if any: for as long as proxies are remembered that
  /// have left, nothing is safe to terminate. Call it before anybody connects.
  public func expectStrangers() { departures.expectStrangers(at: .now()) }

  /// Says of proxies that whoever runs them has ended them (or, if not `isEnding`, that this was not so): those that have left are
  /// let go, and those that are still here will not be waited for when they have left. O(keys).
  public func setEnding(_ isEnding: Bool, _ proxies: Set<KnownProxy.Key>) {
    if !proxies.isEmpty { departures.setEnding(isEnding, proxies.lazy.map(\.identity)) }
  }

  /// Whether a proxy of this node id is remembered that has disconnected. O(all that are remembered).
  public func hasLeft(_ nodeID: String) -> Bool { departures.all.contains { $0.identity.nodeID == nodeID } }

  /// Takes proxies that have disconnected to be gone for good: nobody waits for them any longer. One that comes back all the same
  /// is a proxy like any other.
  ///
  /// - Returns: those that are let go. Proxies that are connected are not touched.
  @discardableResult
  public func letGo(where isGone: (KnownProxy) -> Bool) -> [KnownProxy] {
    departures.letGo { isGone(KnownProxy($0.identity)) }.map { KnownProxy($0.identity) }
  }
}
