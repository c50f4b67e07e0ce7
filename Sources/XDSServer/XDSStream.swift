internal import EnvoyAPI
internal import GRPCTransport
internal import HTTP2Transport
internal import Logging
internal import NIOCore
internal import Telemetry
internal import XDSSnapshot

/// One xDS stream: reads requests, keeps the session, writes what the session says. Confined to its event loop.
final class XDSStream: GRPCCallHandler {
  /// Who is at the other end, as far as it is kept: metadata is read once and let go.
  private struct Peer {
    var id: String
    var cluster: String
    var userAgent: String
    var proxyClass: ProxyClass
    /// Bytes of each text; it is the client's own.
    static let limit = 256
  }

  let variant: XDSProtocol
  let scope: ProxySession.Scope
  let call: GRPCCall
  let server: XDSServer
  private let loop: LoopStreams
  private let openedAt = NIODeadline.now()
  /// On the clock that the session goes by.
  private let startedAt: Duration
  private var peer: Peer?
  var session: ProxySession?
  private var holdings: StreamHoldings
  private var budget: RequestBudget
  private var resumption: LoopTimers.Timer?
  /// Its client has asked for too much, so what is new is sent after others have it; while its connection is not trusted.
  private var isServedLater = false
  /// The types of which claims have been charged.
  private var settledClaimants = TypeSet()
  private var isNewsWaiting = false
  /// Its client has not read what it was sent.
  private var isBlocked = false
  /// When each type's last refusal came.
  private var refusedAt: [ResourceType: NIODeadline] = [:]
  /// The session is on another thread, and this is the one of before (`XDSStream+Elsewhere`).
  var isAway = false
  /// The stream has been ended, or has closed.
  private(set) var isOver = false
  /// How many wait for something that this stream has not confirmed.
  var watchers = 0
  /// The streams of its class on its loop, as long as it is one of them, and where it is there.
  var members: LoopStreams.Members?
  var place = 0
  /// The client is one that is remembered.
  private var isKnown = false
  /// Its client was the first of its class.
  private var broughtClass = false
  private var hasLeft = false
  private static let briefTime = TimeAmount.seconds(1)
  /// What of the client is remembered when it has left, once the session is gone.
  private var parting: Departures.Parting?
  /// When the session is to be pumped though nothing happens.
  private var wakeUp: (at: Duration, alarm: StreamAlarm)?

  init(_ call: GRPCCall, variant: XDSProtocol, scope: ProxySession.Scope, server: XDSServer, loop: LoopStreams) {
    self.call = call
    self.variant = variant
    self.scope = scope
    self.server = server
    self.loop = loop
    startedAt = server.clock.now
    holdings = StreamHoldings(
      memory: server.shared.memory, share: server.clientShares.share(of: call.clientNetwork))
    budget = RequestBudget(perSecond: server.limits.requestsPerSecond, burst: server.limits.requestBurst)
    loop.add(self)
  }

  // MARK: GRPCCallHandler

  func received(message: ByteBuffer) {
    let request = heard(message)
    // Handled elsewhere: what is left is done when it is back.
    if isAway { return }
    // Answers come in about the order in which their streams were told.
    if request.isAnswer { members?.fetch(after: place) }
    charge(request, byteCount: message.readableBytes)
    finish(request)
  }

  /// What is left to do after a request, once it is charged for.
  private func finish(_ request: HeardRequest) {
    noteHolder()
    pump(publishedAt: nil)
    settleClaims()
    if !request.isAnswer { loop.asked(self) }
  }

  /// Whoever has taken something, or come with something, is known from then on.
  private func noteHolder() {
    guard !isKnown, session?.holdsSomething ?? false, let identity else { return }
    isKnown = true
    server.departures.took(identity)
  }

  /// Reads a request into the session.
  private func heard(_ message: ByteBuffer) -> HeardRequest {
    if !settledClaimants.isEmpty, session?.hasManyClaims ?? false, let thread {
      hear(message, on: thread)
      return HeardRequest()
    }
    let thread = thread(forRequestOf: message.readableBytes)
    switch message.withUnsafeReadableBytes({ scan($0, goesElsewhere: thread != nil) }) {
    case .request(let request): return request
    case .nothing:
      if let thread {
        hear(message, on: thread)
        return HeardRequest()
      }
    case .tooLong:
      refuseName()
      return HeardRequest()
    case .lean(let rest): return heard(ByteBuffer(bytes: rest))
    }
    let decoded = Self.decode(message, variant, maximumNames: server.limits.maximumSubscription)
    guard let type = type(of: decoded), let heard = session?.heard(decoded, for: type) else { return HeardRequest() }
    settle(heard, type)
    return heard
  }

  /// Counts what was heard, and holds the stream to what it may subscribe to.
  func settle(_ heard: HeardRequest, _ type: ResourceType) {
    _ = note(heard.receipt, type)
    guard let names = session?[type].subscription.names else { return }
    if names.identity.count > server.limits.maximumSubscription { refuseSubscription(type) }
    settleNames(names, type)
  }

  /// Ends the stream if there was no room for the names of a type that it subscribes to now. O(1).
  func settleNames(_ names: NameSet, _ type: ResourceType) {
    guard session != nil, let limit = holdings.hold(names, type) else { return }
    refuseForMemory(limit)
  }

  /// Ends the stream if there was no room for what its client says that it has. O(1).
  func settleClaims() {
    guard let claimants = session?.claimants, !(claimants.isEmpty && settledClaimants.isEmpty) else { return }
    let settled = settledClaimants
    settledClaimants = claimants
    for type in ResourceType.allCases where claimants.contains(type) || settled.contains(type) {
      guard let (held, own) = session.map({ ($0[type].keptClaims, $0[type].claimBytes) }) else { return }
      let former = holdings.claims(type).map { Parcel($0) }
      let limit = holdings.hold(held, own: own, type)
      if let former { discard(former, on: thread) }
      if let limit { return refuseForMemory(limit) }
    }
  }

  /// Takes a request out of the stream's budget; if that is overdrawn, no further one is read for a while. That is enough for a
  /// client that starts: it may well have so much to ask, and others are behind its address. One that goes on comes after others,
  /// and one that never ends offends.
  private func charge(_ request: HeardRequest, byteCount: Int) {
    let cost = request.cost(byteCount: byteCount)
    guard cost > 0, session != nil, let wait = budget.spend(cost, now: { call.eventLoop.now }) else { return }
    loop.metrics.throttledRequests += 1
    if request.isVain { call.note(.wasteful) }
    if budget.becomesOffence() { call.distrust() }
    if request.isVain || budget.overdraft > RequestBudget.patience { serveLater() }
    call.pauseReading()
    // Cancelled when the call closes.
    resumption = call.schedule(in: wait) { [self] in
      resumption = nil
      call.resumeReading()
    }
  }

  /// What the client asks for, and what is new for it, comes after what others ask for, for a while.
  func serveLater() {
    isServedLater = true
    call.deprioritize()
  }

  /// What is left to do after a request that was handled elsewhere.
  func resumeReading(after request: HeardRequest, byteCount: Int) {
    charge(request, byteCount: byteCount)
    finish(request)
    if resumption == nil { call.resumeReading() }
  }

  func receivedEnd() {
    call.finish(.ok)
    noteDeparture()
    leave(.ok)
  }

  /// The client wants no more, or has gone. One that goes at once had no use for what it was sent.
  private func noteDeparture() {
    guard isIdentified, !hasLeft else { return }
    hasLeft = true
    if NIODeadline.now() < openedAt + Self.briefTime { call.note(broughtClass ? .costly : .wasteful) }
  }

  func writabilityChanged(isWritable: Bool) {
    if isWritable { pump(publishedAt: nil) }
  }

  func closed(_ reason: GRPCCloseReason) {
    if !reason.isOfThisEnd { noteDeparture() }
    leave(reason.status)
  }

  /// Nothing is kept of the stream from here on. It may go on for a while in the transport: what its client was sent and does not
  /// read is still there, with the status behind it.
  private func leave(_ status: GRPCStatus) {
    letGo()
    if let identity { server.departures.closed(identity, parting, at: .now()) }
    loop.remove(self, of: peer?.proxyClass)
    resumption?.cancel()
    resumption = nil
    guard let peer else { return }
    self.peer = nil
    server.left(peer.proxyClass)
    server.logger.debug("xDS stream closed", metadata: ["node": "\(peer.id)", "reason": "\(status)"])
  }

  // MARK: From the server

  /// What a push to this stream will look at, and mostly what its answer will.
  var places: MemoryPlaces {
    var places = MemoryPlaces()
    places.add(Unmanaged.passUnretained(self).toOpaque(), 1024)
    holdings.forEachPlace { places.add($0, $1) }
    session?.forEachPlace { places.add($0, $1) }
    call.forEachPlace { places.add($0, $1) }
    return places
  }

  /// - Parameter news: what has changed for the stream's class, and since which generation.
  func published(_ generation: Generation, news: (types: TypeSet, since: Generation)?, at publishedAt: NIODeadline) {
    // A session that is away is told when it comes back, and one whose client has not read what it has when that is read.
    if isAway || isBlocked || isNewsWaiting { return }
    if isServedLater {
      isNewsWaiting = call.afterOthers { [self] in
        isNewsWaiting = false
        pump(publishedAt: publishedAt)
      }
      isServedLater = isNewsWaiting
      if isNewsWaiting { return }
    }
    if session?.published(generation, news: news) ?? false { pump(publishedAt: publishedAt) }
  }

  /// Takes note of a newer generation that says the same to this proxy, of which it was not told therefore.
  func catchUp() {
    guard let newest = loop.generation, session?.generation?.number != newest.number else { return }
    session?.published(newest)
  }

  // MARK: Questions

  func isIn(_ scope: ProxyScope) -> Bool {
    peer.map { scope.contains(nodeID: $0.id, proxyClass: $0.proxyClass) } ?? false
  }

  func meets(_ goal: any ProxyGoal) -> Bool {
    catchUp()
    return session.map { goal.isMet(by: $0) } ?? false
  }

  func holdings(_ goal: TerminationGoal) -> Holdings {
    catchUp()
    return session.map { goal.holdings(of: $0) } ?? .unknown
  }

  var identity: ProxyIdentity? {
    peer.map {
      ProxyIdentity(
        nodeID: $0.id, proxyClass: $0.proxyClass, variant: variant, scope: scope,
        remoteAddress: call.remoteAddress?.hostPort ?? "")
    }
  }

  /// Nil if it is live and that is not listed.
  func convergence(_ goal: LiveGoal?, listsLive: Bool) -> ProxyConvergence? {
    catchUp()
    if !listsLive, let goal, session?.isLive(goal) ?? false { return nil }
    return identity.map { ProxyConvergence($0, session, goal) }
  }

  func status() -> ProxyStatus? {
    catchUp()
    guard let peer, let session else { return nil }
    let now = NIODeadline.now()
    return ProxyStatus(
      nodeID: peer.id, nodeCluster: peer.cluster, userAgent: peer.userAgent, proxyClass: peer.proxyClass,
      variant: variant, onlyType: scope.onlyType, remoteAddress: call.remoteAddress?.hostPort ?? "",
      connectedFor: .nanoseconds((now - openedAt).nanoseconds),
      types: session.status(
        flightAge: { .nanoseconds((now - holdings.sentAt($0)).nanoseconds) },
        refusalAge: { .nanoseconds((now - (refusedAt[$0] ?? now)).nanoseconds) }))
  }

  // MARK: Requests

  var isIdentified: Bool { peer != nil }

  /// Takes the node of the first request; later ones are allowed to carry it again, and it means nothing then.
  func identify(_ node: NodeIdentity?) -> Bool {
    if peer != nil { return true }
    guard let node else {
      refuse("the first request of a stream must carry a node")
      return false
    }
    var proxyClass = server.classify(node)
    // The table of routes and its hosts come in an order that only one stream for both has.
    if variant != .delta || scope != .aggregated {
      proxyClass.takesVirtualHosts = false
      proxyClass.fetchesClusters = false
    }
    if let limit = holdings.open() {
      refuseForMemory(limit)
      return false
    }
    switch server.joined(proxyClass, from: call.clientNetwork) {
    case .known: break
    case .new: broughtClass = true
    case .refused(let reason):
      refuse(.classes, reason)
      return false
    }
    let userAgent = [node.userAgentName, node.userAgentVersion].filter { !$0.isEmpty }.joined(separator: " ")
    peer = Peer(
      id: node.id.cut(to: Peer.limit), cluster: node.cluster.cut(to: Peer.limit),
      userAgent: userAgent.cut(to: Peer.limit), proxyClass: proxyClass)
    var session = ProxySession(
      variant: variant, scope: scope, proxyClass: proxyClass, shared: server.shared, patience: server.patience,
      delivery: server.delivery, takesLoneEndpoints: server.takesLoneEndpoints(node))
    if let generation = loop.generation { session.published(generation) }
    self.session = session
    call.clientIsKnown()
    loop.identified(self, as: proxyClass)
    if let identity { server.departures.opened(identity) }
    server.logger.debug("xDS stream opened", metadata: ["node": "\(peer?.id ?? "")", "protocol": "\(variant)"])
    return true
  }

  func type(of url: String) -> ResourceType? {
    var type: ResourceType?
    switch scope {
    case .aggregated: type = ResourceType(typeURL: url)
    case .only(let only): type = url.isEmpty || url == only.typeURL ? only : nil
    }
    if type == .loneEndpoint, !(session?.takesLoneEndpoints ?? false) { type = nil }
    // Silence leaves a client that had them one by one what it has.
    if type == .virtualHost, !(peer?.proxyClass.takesVirtualHosts ?? false) { type = nil }
    if type == nil {
      loop.metrics.unknownTypeRequests += 1
      server.noteUnknownType(url)
    }
    return type
  }

  func note(_ receipt: ProxySession.Receipt?, _ type: ResourceType) -> ProxySession.Receipt? {
    guard let receipt else { return nil }
    loop.counts[type.rawValue].requests += 1
    switch receipt {
    case .subscription: break
    case .stale: loop.counts[type.rawValue].stale += 1
    case .ack:
      loop.counts[type.rawValue].acks += 1
      holdings.hold(nil, type)
      server.latencies.ack.record(elapsed: NIODeadline.now() - holdings.sentAt(type))
    case .nack:
      holdings.hold(nil, type)
      refusedAt[type] = .now()
      loop.counts[type.rawValue].nacks += 1
      guard let keptBack = server.refusalLog.take() else { break }
      let rejection = session?[type].rejection
      server.logger.warning(
        "proxy refused a response",
        metadata: [
          "node": "\(peer?.id ?? "")", "type": "\(type)", "lines-kept-back": "\(keptBack)",
          "resources": "\(rejection?.resources.prefix(10) ?? [])", "reason": "\(rejection?.message ?? "")",
        ])
    }
    return receipt
  }

  // MARK: Refusals

  func refuseUnreadable(_ reason: String) { refuse("the request cannot be read: \(reason)") }

  func refuseName() { refuse("a resource name has at most \(XDSLimits.maximumNameLength) bytes") }

  func refuseNames() { refuse(.subscription, "more than \(server.limits.maximumSubscription) names in one request") }

  private func refuse(_ message: String) {
    loop.metrics.invalidRequests += 1
    call.finish(GRPCStatus(.invalidArgument, message))
    letGo()
  }

  private func refuse(_ limit: XDSLimit, _ message: String) {
    loop.metrics.limitedStreams[limit, default: 0] += 1
    // What others have used up is not this client's fault.
    call.finish(GRPCStatus(.resourceExhausted, message), isBlamed: limit == .subscription)
    letGo()
  }

  func refuseSubscription(_ type: ResourceType) {
    refuse(
      .subscription,
      "more than \(server.limits.maximumSubscription) names of type \(type.typeURL) are subscribed to")
  }

  private func refuseForMemory(_ limit: XDSLimit = .bufferMemory) {
    // A status would wait behind what the client has not read, and that is to be let go of now.
    let isStuck = call.bufferedBytes > 0
    let whom = limit == .clientMemory ? "this client's address" : "its clients"
    refuse(limit, "the server holds as much for \(whom) as it may")
    if isStuck { call.reset() }
  }

  /// Forgets what the client subscribed to and was sent: a client that does not read its status must not keep that alive.
  private func letGo() {
    isOver = true
    if let session { parting = session.parting }
    if session?.isLarge ?? false {
      // Its names and claims may be this stream's alone.
      let sessions = Parcel<ProxySession>(nil)
      sessions.exchange(with: &session)
      let thread = thread
      discard(Parcel(holdings.release()), on: thread)
      discard(sessions, on: thread)
    } else {
      session = nil
      _ = holdings.release()
    }
    schedule()
  }

  // MARK: Time

  var sinceOpened: Duration { server.clock.now - startedAt }

  /// Keeps one timer for the session's next deadline; most of the time there is none.
  private func schedule() {
    let deadline = session?.wakeUp
    guard deadline != wakeUp?.at else { return }
    wakeUp?.alarm.cancel()
    wakeUp = nil
    guard let deadline else { return }
    // Cancelled when the stream lets go of its session, so this keeps nothing alive longer (and a weak reference would make
    // every retain and release of the stream slow from then on).
    wakeUp = (deadline, server.clock.wake(at: startedAt + deadline, call) { [self] in wake() })
  }

  private func wake() {
    wakeUp = nil
    pump(publishedAt: nil)
  }

  private func noteWithdrawal(_ suspects: [String]) {
    loop.metrics.suspectsWithdrawn += UInt64(suspects.count)
    server.logger.warning(
      "clusters withdrawn: the proxy has answered everything but its clusters",
      metadata: ["node": "\(peer?.id ?? "")", "resources": "\(suspects.prefix(10))", "count": "\(suspects.count)"])
  }

  // MARK: Responses

  /// Writes what is due, if the client has read what it was sent before: of what it misses meanwhile, only the newest
  /// matters.
  private func pump(publishedAt: NIODeadline?) {
    defer { if watchers > 0 { loop.progressed(self) } }
    if isAway { return }
    catchUp()
    isBlocked = !call.isWritable
    guard !isBlocked, let responses = session?.pump(at: sinceOpened) else { return }
    settleClaims()
    guard session != nil else { return }
    schedule()
    if responses.isEmpty { return }
    for response in responses {
      let message = server.shared.framed(response.plan, response.nonce)
      guard write(response, message, publishedAt: publishedAt) else { return }
    }
    call.flush()
  }

  /// Writes a response, which is on its way when the call is flushed. If there is no room for it, ends the stream and returns false.
  ///
  /// - Parameter message: nil if there was no room for that.
  func write(_ response: ProxySession.Response, _ message: EncodedMessage?, publishedAt: NIODeadline?) -> Bool {
    if !response.suspects.isEmpty { noteWithdrawal(response.suspects) }
    let plan = response.plan
    guard let message else {
      refuseForMemory()
      return false
    }
    guard holdings.hold(message, plan.type) else {
      refuseForMemory(.clientMemory)
      return false
    }
    call.write(framed: message.buffer)
    let now = NIODeadline.now()
    holdings.noteSent(plan.type, at: now)
    if let publishedAt { server.latencies.push.record(elapsed: now - publishedAt) }
    loop.counts[plan.type.rawValue].sent(plan, byteCount: message.buffer.readableBytes)
    return true
  }
}

extension GRPCCloseReason {
  /// The client would have stayed.
  fileprivate var isOfThisEnd: Bool {
    switch self {
    case .finished(let status): status.code != .ok
    case .reset: true
    case .resetByPeer, .deadlineExceeded: false
    case .connectionLost(let error): [.closedLocally, .displaced, .idle, .sessionFailed].contains(error.code)
    }
  }
}

extension XDSMetrics.TypeCounts {
  fileprivate mutating func sent(_ plan: ResponsePlan, byteCount: Int) {
    pushes += 1
    resources += UInt64(plan.resources.count)
    removed += UInt64(plan.removed.count)
    bytes += UInt64(byteCount)
  }
}

extension Histogram {
  fileprivate func record(elapsed: TimeAmount) { record(nanoseconds: UInt64(max(0, elapsed.nanoseconds))) }
}

extension SocketAddress {
  /// `127.0.0.1:50000`, `[::1]:50000`, or a socket's path.
  fileprivate var hostPort: String {
    guard let ipAddress, let port else { return pathname ?? description }
    return ipAddress.contains(":") ? "[\(ipAddress)]:\(port)" : "\(ipAddress):\(port)"
  }
}
