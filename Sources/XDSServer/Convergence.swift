public import XDSSnapshot

/// What is asked: is a generation live on some proxies?
///
/// A proxy is live at a generation when it has accepted all that the generation, or a newer one, has for it, and every cluster
/// of it, or named by its routes and listeners, is warm there: accepted, and its endpoints too. That is proven by what the proxy has
/// acknowledged, never by time. What it subscribes to counts; a client that takes clusters by name asks for them after the
/// route, and what it has not asked for does not count.
public struct ConvergenceQuery: Sendable {
  /// As a publication numbers them. A number that is not published yet is waited for.
  public var generation: UInt64
  public var scope: ProxyScope
  /// Which clusters it is about, by name; nil for all. With it, what a proxy lacks of other clusters, and of routes that name
  /// none of these, does not count: one proxy that has refused something else long ago is no reason to stop a release.
  public var concerns: (@Sendable (String) -> Bool)?
  /// With fewer live proxies the answer is no. By default one: what nobody has is live nowhere. Who had shown it before it left
  /// counts.
  public var atLeast: Int
  /// Whether proxies that were connected lately and are not now count as not live, unless they had proven it before: they may
  /// still run, with what they have.
  public var countsDisconnected: Bool

  public init(
    generation: UInt64, scope: ProxyScope = .all, concerns: (@Sendable (String) -> Bool)? = nil, atLeast: Int = 1,
    countsDisconnected: Bool = true
  ) {
    self.generation = generation
    self.scope = scope
    self.concerns = concerns
    self.atLeast = atLeast
    self.countsDisconnected = countsDisconnected
  }
}

/// Where a generation is live, and where it is not.
public struct Convergence: Sendable {
  public var generation: UInt64
  /// Whether it is live on all proxies in scope, and on as many as were asked for.
  public var isLive: Bool
  /// Streams in scope, and proxies that were connected lately. Two streams of one node count twice: both must be live.
  public var total: Int
  public var live: Int
  /// Those that are not live, by node id; also those that are, if they were asked for.
  public var proxies: [ProxyConvergence]

  public init(generation: UInt64, isLive: Bool, total: Int, live: Int, proxies: [ProxyConvergence]) {
    self.generation = generation
    self.isLive = isLive
    self.total = total
    self.live = live
    self.proxies = proxies
  }
}

/// One stream, asked about a generation.
public struct ProxyConvergence: Sendable {
  public enum State: String, Sendable, Hashable, CaseIterable {
    /// Something is not sent yet: `obstacles` says why.
    case pending
    /// All of it is sent, and something is not answered.
    case sent
    /// All is accepted, and not all of it can be used yet.
    case acknowledged
    case live
    /// The proxy refuses something of it.
    case refused
    /// It is not connected, and had not proven it when it was last.
    case disconnected
  }

  public var nodeID: String
  public var proxyClass: ProxyClass
  public var variant: XDSProtocol
  /// Nil on an aggregated stream, else the one type that the stream is for.
  public var onlyType: ResourceType?
  public var remoteAddress: String
  public var state: State
  /// The newest generation that it has accepted in all that it has asked for; 0 for none.
  public var confirmedGeneration: UInt64
  /// Why it is not live: at most 64 reasons.
  public var obstacles: [ConvergenceObstacle]
  public var refusals: [RefusedResource]
  /// Since when it is not connected; nil if it is.
  public var disconnectedFor: Duration?

  public init(
    nodeID: String, proxyClass: ProxyClass, variant: XDSProtocol, onlyType: ResourceType? = nil, remoteAddress: String,
    state: State, confirmedGeneration: UInt64, obstacles: [ConvergenceObstacle] = [], refusals: [RefusedResource] = [],
    disconnectedFor: Duration? = nil
  ) {
    self.nodeID = nodeID
    self.proxyClass = proxyClass
    self.variant = variant
    self.onlyType = onlyType
    self.remoteAddress = remoteAddress
    self.state = state
    self.confirmedGeneration = confirmedGeneration
    self.obstacles = obstacles
    self.refusals = refusals
    self.disconnectedFor = disconnectedFor
  }
}

/// A reason why a generation is not live on a proxy.
public enum ConvergenceObstacle: Sendable, Hashable {
  /// It has not been sent anything of its class yet.
  case unconfigured
  /// It needs the type and has not asked for it: its routes name clusters; or it has come back, and may follow routes of before.
  case unasked(ResourceType)
  /// What it is to have of the type is not sent, or a request of it is not answered.
  case unsent(ResourceType)
  /// A response that was sent is not answered.
  case unanswered(ResourceType, generation: UInt64)
  /// Something of the type is held back, so that nothing breaks there.
  case held(ResourceType, HeldItem)
  /// It has accepted a cluster, of the generation or named by its routes, and not its endpoints.
  case cold(cluster: String)
  /// The process before this one knew it, and it has not come back yet: it may still run, with what it had.
  case unseen
}

/// A resource that a proxy refuses, and keeps as it was before.
public struct RefusedResource: Sendable, Hashable {
  public var type: ResourceType
  public var resource: String
  /// The parts of it (virtual hosts) that differ from what the proxy has, at most 16: one of them is to blame.
  public var parts: [String]
  /// The proxy's own words.
  public var reason: String
  /// The generation of the response that it refused.
  public var generation: UInt64

  public init(type: ResourceType, resource: String, parts: [String], reason: String, generation: UInt64) {
    self.type = type
    self.resource = resource
    self.parts = parts
    self.reason = reason
    self.generation = generation
  }
}
