public import EnvoyAPI
public import GRPCTransport
public import Logging
public import NIOCore
internal import Synchronization
internal import Telemetry
public import XDSSnapshot

/// The xDS server: state of the world and delta, over ADS and over the services of single types.
///
/// Give `accept` to a `GRPCServer`, and every new state of the world to `publish`. Nothing is answered before the first
/// one. Streams live on their event loops; a publication hops to each loop once, and of several in a row a loop sees the
/// last.
public final class XDSServer: Sendable {
  struct Loop: Sendable {
    var eventLoop: any EventLoop
    var streams: NIOLoopBound<LoopStreams>
    var presence: LoopPresence
  }

  private struct State {
    var latest: (generation: Generation, publishedAt: NIODeadline)?
    var loops: [ObjectIdentifier: Loop] = [:]
    /// Loops that are about to look at `latest`.
    var hopping: Set<ObjectIdentifier> = []
    var unknownTypes: Set<String> = []
    var watches: [ConvergenceWatch] = []

    var loopsWithProxies: [ObjectIdentifier] { loops.filter { $0.value.presence.hasProxies }.map(\.key) }
  }

  let logger: Logger
  let classify: @Sendable (NodeIdentity) -> ProxyClass
  let shared: SharedResponses
  /// How long pushes and their ACKs take.
  public let latencies: XDSLatencies
  /// Of refused responses: a client decides how many it refuses, and what its reasons say.
  let refusalLog = LogBudget()
  let limits: XDSLimits
  let clientShares: ClientShares
  let largeRequests: @Sendable (any EventLoop, _ isDistrusted: Bool) -> (any EventLoop)?
  let patience: Patience
  let delivery: VirtualHostDelivery
  let takesLoneEndpoints: @Sendable (NodeIdentity) -> Bool
  let departures: Departures
  let clock: any StreamClock
  private let onNewClass: @Sendable (ProxyClass) -> Void
  private let onClassGone: @Sendable (ProxyClass) -> Void
  private let state = Mutex(State())
  /// How many streams each class has. A lock of its own, so that the callbacks come in order and may publish.
  private let classes = Mutex(ClassesInUse())

  /// - Parameters:
  ///   - latencies: what records how long pushes and their ACKs take.
  ///   - limits: what streams may ask for.
  ///   - memory: what subscriptions and responses are charged to. A stream that needs more than there is room for is ended
  ///     with RESOURCE_EXHAUSTED.
  ///   - patience: how long a proxy that has answered everything else may be silent about its clusters before those that
  ///     came last are taken back, half by half: an Envoy that fails to build a cluster never speaks of clusters again
  ///     while it has it. Six times as long where a cluster that came with them has no endpoints of its own.
  ///   - delivery: which proxies, of those that can, get virtual hosts one by one.
  ///   - takesLoneEndpoints: whether a proxy can take endpoints one by one where they are served so (LEDS).
  ///   - departureMemory: how long a proxy that has disconnected counts as one that may still run with what it had. There is
  ///     room for as many as were connected at once, and 1,024 more; the network that has most of these loses its first for another.
  ///   - largeRequests: for the event loop of a stream, and whether its client is distrusted, the one on whose thread large requests
  ///     are decoded and answered, so that they do not hold up others; nil: its own.
  ///   - classify: the class of a proxy; called on the proxy's event loop with the node of its first request.
  ///   - onNewClass: the first stream of a class is here and waits for a generation that has the class. Called on an event
  ///     loop: must not block. Calls of this and of `onClassGone` never overlap and come in order.
  ///   - onClassGone: the last stream of a class has closed.
  ///   - onKnownProxy: a proxy has taken something; or (nil) one that had is forgotten after it has left. What was told and not
  ///     taken back is what `restore` wants after a restart. Called with a lock held, in order: must not block.
  public convenience init(
    logger: Logger, latencies: XDSLatencies = XDSLatencies(), limits: XDSLimits = XDSLimits(),
    memory: BufferAccount = BufferAccount(), patience: Duration = .seconds(5),
    delivery: VirtualHostDelivery = .always,
    takesLoneEndpoints: @escaping @Sendable (NodeIdentity) -> Bool = { _ in false },
    departureMemory: Duration = .seconds(300),
    largeRequests: @escaping @Sendable (any EventLoop, _ isDistrusted: Bool) -> (any EventLoop)? = { _, _ in nil },
    classify: @escaping @Sendable (NodeIdentity) -> ProxyClass,
    onNewClass: @escaping @Sendable (ProxyClass) -> Void = { _ in },
    onClassGone: @escaping @Sendable (ProxyClass) -> Void = { _ in },
    onKnownProxy: @escaping @Sendable (KnownProxy.Key, KnownProxy?) -> Void = { _, _ in }
  ) {
    self.init(
      logger: logger, latencies: latencies, limits: limits, memory: memory, patience: patience, delivery: delivery,
      takesLoneEndpoints: takesLoneEndpoints, departureMemory: departureMemory,
      largeRequests: largeRequests, clock: EventLoopClock(), classify: classify, onNewClass: onNewClass,
      onClassGone: onClassGone, onKnownProxy: onKnownProxy)
  }

  /// - Parameter clock: what patience is measured by.
  init(
    logger: Logger, latencies: XDSLatencies, limits: XDSLimits, memory: BufferAccount, patience: Duration,
    delivery: VirtualHostDelivery, takesLoneEndpoints: @escaping @Sendable (NodeIdentity) -> Bool,
    departureMemory: Duration,
    largeRequests: @escaping @Sendable (any EventLoop, _ isDistrusted: Bool) -> (any EventLoop)? = { _, _ in nil },
    clock: any StreamClock, classify: @escaping @Sendable (NodeIdentity) -> ProxyClass,
    onNewClass: @escaping @Sendable (ProxyClass) -> Void, onClassGone: @escaping @Sendable (ProxyClass) -> Void,
    onKnownProxy: @escaping @Sendable (KnownProxy.Key, KnownProxy?) -> Void = { _, _ in }
  ) {
    self.clock = clock
    self.logger = logger
    self.latencies = latencies
    self.limits = limits
    clientShares = ClientShares(limit: limits.maximumClientMemory)
    self.patience = Patience(normal: patience)
    self.delivery = delivery
    self.takesLoneEndpoints = takesLoneEndpoints
    self.classify = classify
    self.largeRequests = largeRequests
    departures = Departures(memory: TimeAmount(departureMemory)) { onKnownProxy(KnownProxy.Key($0), $1) }
    self.onNewClass = onNewClass
    self.onClassGone = onClassGone
    shared = SharedResponses(memory: memory) { type, name in
      let bytes =
        type == .route
        ? RouteConfiguration.encodedHeader(name: name) : ClusterLoadAssignment.encodedHeader(clusterName: name)
      return Resource(name: name, bytes: bytes)
    }
  }

  /// Takes a call if its method is one of xDS (nil otherwise). On the call's event loop.
  public func accept(_ call: GRPCCall) -> (any GRPCCallHandler)? {
    guard let (variant, scope) = Self.services[call.method] else { return nil }
    return XDSStream(call, variant: variant, scope: scope, server: self, loop: streams(of: call))
  }

  /// Serves a new state of the world. From any thread; O(event loops) here, and O(streams) spread over their loops. A
  /// generation older than the last one is ignored.
  public func publish(_ generation: Generation) {
    let now = NIODeadline.now()
    tellWatches(of: generation)
    let (isNews, hops) = state.withLock { state in
      if let latest = state.latest, latest.generation.number >= generation.number {
        return (false, [Loop]())
      }
      // A class that comes or goes is no reason to forget what the others share.
      let isNews = state.latest.map { !generation.isSameButForClasses(as: $0.generation) } ?? true
      state.latest = (generation, now)
      return (isNews, state.loops.filter { state.hopping.insert($0.key).inserted }.map(\.value))
    }
    let forgotten = isNews ? shared.age() : nil
    for hop in hops { hop.eventLoop.execute { self.deliver(hop.streams) } }
    // Not before: nobody is to wait for it.
    _ = consume forgotten
  }

  /// Learns what clients may hold from before this process started, without serving it: in the state of the world a client
  /// that comes back tells no more than the version of all that it holds. With that known, a cluster that is gone since
  /// then outlives the route that still names it; else requests fail until the route
  /// follows.
  ///
  /// Call it before the first `publish`, with what the last process served; again for classes compiled later, before they
  /// are published. From any thread; O(listeners and routes of all classes). The last 1,024 tables and 8,192 listeners and
  /// routes are kept.
  public func remember(_ generation: Generation) { shared.remember(generation) }

  /// Forgets differences, tables and encoded responses that no stream has needed since the call before the last: while nothing
  /// changes, no publication does that. To be called every few seconds, from any thread; what is needed after all is made anew.
  public func forgetUnused() {
    _ = shared.age()
    departures.forget(at: .now())
  }

  /// Lets go of what is kept for kinds of proxies that have gone, so that memory can be given back. O(streams) spread over their
  /// loops: to be called when many have gone, and some seconds later.
  public func letGo() async {
    for answer in allLoops.compactMap({ $0.letGo() }) { try? await answer.get() }
  }

  private func deliver(_ streams: NIOLoopBound<LoopStreams>) {
    let latest = state.withLock { state in
      state.hopping.remove(ObjectIdentifier(streams.eventLoop))
      return state.latest
    }
    guard let latest else { return }
    streams.value.deliver(latest.generation, publishedAt: latest.publishedAt)
    streams.value.visit(streams.eventLoop)
  }

  /// The newest generation that was published.
  public var generation: Generation? { state.withLock { $0.latest?.generation } }

  /// Every open stream whose client has said who it is, by node id. Visits every stream.
  public func proxies() async -> [ProxyStatus] {
    await gather { $0.statuses() }.flatMap { $0 }.sorted { $0.nodeID < $1.nodeID }
  }

  /// The counts of all loops. O(loops). Those of a loop that is served after all others may be a moment old.
  public func metrics() async -> XDSMetrics {
    var sum = await gatherCounts()
    sum.encodings = shared.encodings
    sum.classes = classes.withLock { $0.count }
    sum.largestClient = clientShares.largest
    sum.generation = generation?.number ?? 0
    return sum
  }

  // MARK: Who waits

  private func tellWatches(of generation: Generation) {
    let (watches, loops) = state.withLock { state in
      state.watches.isEmpty ? ([], []) : (state.watches, state.loopsWithProxies)
    }
    for watch in watches where watch.published(generation, loops: loops) { departures.visit(watch) }
  }

  /// From now on all streams are asked, until `remove`.
  func add(_ watch: ConvergenceWatch) {
    departures.add(watch)
    let (latest, loops) = state.withLock { state in
      state.watches.append(watch)
      return (state.latest?.generation, state.loopsWithProxies)
    }
    if let latest, watch.published(latest, loops: loops) { departures.visit(watch) }
    onEachLoop { streams in
      streams.value.add(watch)
      streams.value.visit(streams.eventLoop)
    }
  }

  func remove(_ watch: ConvergenceWatch) {
    departures.remove(watch)
    state.withLock { $0.watches.removeAll { $0 === watch } }
    onEachLoop { $0.value.remove(watch) }
  }

  private func onEachLoop(_ body: @escaping @Sendable (NIOLoopBound<LoopStreams>) -> Void) {
    for loop in state.withLock({ Array($0.loops.values) }) {
      let streams = loop.streams
      loop.eventLoop.execute { body(streams) }
    }
  }

  var allLoops: [Loop] { state.withLock { Array($0.loops.values) } }

  // MARK: For streams

  private func streams(of call: GRPCCall) -> LoopStreams {
    let eventLoop = call.eventLoop
    let (streams, latest) = state.withLock { state in
      let key = ObjectIdentifier(eventLoop)
      if let known = state.loops[key] { return (known.streams, state.latest) }
      let presence = LoopPresence(isServedLast: call.isServedLast)
      let streams = NIOLoopBound(LoopStreams(presence), eventLoop: eventLoop)
      for watch in state.watches { streams.value.add(watch) }
      state.loops[key] = Loop(eventLoop: eventLoop, streams: streams, presence: presence)
      return (streams, state.latest)
    }
    if streams.value.generation == nil, let latest {
      streams.value.deliver(latest.generation, publishedAt: latest.publishedAt)
    }
    return streams.value
  }

  /// A stream of a class has opened.
  func joined(_ proxyClass: ProxyClass, from network: [UInt8]?) -> ClassesInUse.Joining {
    classes.withLock { classes in
      let joining = classes.joined(proxyClass, from: network, limits)
      if case .new = joining { onNewClass(proxyClass) }
      return joining
    }
  }

  func left(_ proxyClass: ProxyClass) {
    classes.withLock { classes in
      if classes.left(proxyClass) { onClassGone(proxyClass) }
    }
  }

  /// Logs a type that is not served once.
  func noteUnknownType(_ url: String) {
    let url = url.cut(to: 256)
    let isNew = state.withLock { $0.unknownTypes.count < 64 && $0.unknownTypes.insert(url).inserted }
    if isNew { logger.notice("request for a type that is not served", metadata: ["type": "\(url)"]) }
  }

  private static let services: [String: (XDSProtocol, ProxySession.Scope)] = [
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/StreamAggregatedResources": (.stateOfTheWorld, .aggregated),
    "/envoy.service.discovery.v3.AggregatedDiscoveryService/DeltaAggregatedResources": (.delta, .aggregated),
    "/envoy.service.cluster.v3.ClusterDiscoveryService/StreamClusters": (.stateOfTheWorld, .only(.cluster)),
    "/envoy.service.cluster.v3.ClusterDiscoveryService/DeltaClusters": (.delta, .only(.cluster)),
    "/envoy.service.endpoint.v3.EndpointDiscoveryService/StreamEndpoints": (.stateOfTheWorld, .only(.endpoint)),
    "/envoy.service.endpoint.v3.EndpointDiscoveryService/DeltaEndpoints": (.delta, .only(.endpoint)),
    "/envoy.service.listener.v3.ListenerDiscoveryService/StreamListeners": (.stateOfTheWorld, .only(.listener)),
    "/envoy.service.listener.v3.ListenerDiscoveryService/DeltaListeners": (.delta, .only(.listener)),
    "/envoy.service.route.v3.RouteDiscoveryService/StreamRoutes": (.stateOfTheWorld, .only(.route)),
    "/envoy.service.route.v3.RouteDiscoveryService/DeltaRoutes": (.delta, .only(.route)),
  ]
}
