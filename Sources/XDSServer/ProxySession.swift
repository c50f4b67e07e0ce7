internal import EnvoyAPI
internal import XDSSnapshot

/// One xDS stream as a pure state machine: requests and generations in, responses out; no bytes, no socket, no clock.
///
/// State of the world and delta share everything but the reading of a request and the fullness of a response. What a
/// stream must be sent is always the difference between what its client has accepted (`TypeSession.acked`) and what it is
/// to hold (`ProxySession+Targets.swift`, where make before break lives); nothing else is remembered of the past.
struct ProxySession: Sendable {
  /// The types that a stream can ask for.
  enum Scope: Sendable, Hashable {
    /// An aggregated stream: all types, ordered among each other.
    case aggregated
    /// A stream of one type's own service; nothing is known of the client's other types.
    case only(ResourceType)

    /// Nil for all types.
    init(onlyType: ResourceType?) { self = onlyType.map { .only($0) } ?? .aggregated }

    /// Nil on an aggregated stream.
    var onlyType: ResourceType? {
      if case .only(let type) = self { type } else { nil }
    }
  }

  /// What a request was, beside its subscription.
  enum Receipt: Sendable, Hashable {
    /// The first request of its type, or one that changes the subscription only.
    case subscription
    case ack
    case nack
    /// Answers a response that is not the last: ignored (state of the world), or heeded for its subscription only (delta).
    case stale
  }

  struct Response: Sendable {
    var nonce: Nonce
    var plan: ResponsePlan
    /// Clusters that it takes back because the client is silent.
    var suspects: [String] = []
  }

  let variant: XDSProtocol
  let scope: Scope
  let proxyClass: ProxyClass
  let shared: SharedResponses
  let delivery: VirtualHostDelivery
  /// The newest generation that has this proxy's class.
  private(set) var generation: Generation?
  /// By `ResourceType.rawValue`.
  private(set) var types: [TypeSession]
  /// The types to look at when the session is pumped. Of all others the client holds what it is to hold, nothing is on its way
  /// or held back, and so they need no look until something of theirs changes.
  private(set) var attention = TypeSet.all
  /// The newest generation of which the client has confirmed to hold all, by `ResourceType.rawValue`.
  private var convergedGenerations = InlineArray<6, UInt64>(repeating: 0)
  /// The newest generation of which it has confirmed to hold all but what was held back then (`TypeSession.unproven`).
  private var answeredGenerations = InlineArray<6, UInt64>(repeating: 0)
  private var responses: UInt64 = 0
  /// The order of the newest response that the client has answered: all before it is read.
  private(set) var lastAnswered: UInt64 = 0
  @Rare var watch: Watch?
  @Rare var withdrawal: Withdrawal?
  /// The types of which the client has come with something, that is kept.
  var claimants = TypeSet()
  /// How long the client may be silent about its clusters.
  var patience = Patience()
  /// The client has come back with what an earlier stream gave it.
  var hasReturned = false
  /// Routes and listeners that the client has not asked for on this stream may be in use. Envoy asks for them with or right
  /// after its first clusters and endpoints, before it has read a second answer: once it has accepted clusters or
  /// endpoints of two generations without asking for a type, it does not use the type.
  var mayFollowUnseen = false
  /// The client has accepted clusters or endpoints of two generations.
  private(set) var hasStarted = false
  /// The generation that the client accepted first on this stream, in clusters or endpoints.
  private var firstAccepted: UInt64?
  /// The client came with clusters that this process cannot tell, so any cluster may be one of them.
  var arrivedUnknown = false
  /// The client gets its virtual hosts one by one (`ProxySession+Form`).
  var takesHostByHost = false
  /// The client can take the endpoints of large assignments one by one (`ProxySession+LoneEndpoints`).
  let takesLoneEndpoints: Bool
  /// The assignments that it gets whole all the same.
  var wholeAssignments = NameSet.empty { didSet { attention.insert(.endpoint) } }
  /// The clusters that the client came with and has had ever since.
  var arrived = ResourceTable()
  /// The endpoints that it asked for first: those of the clusters that it really has.
  var arrivedNames = NameSet.empty
  /// The clusters that are warm: accepted, and their endpoints too. A route may name these.
  var warm = ResourceTable() { didSet { attention.formUnion(Self.clustersAndEndpoints) } }
  /// Clusters that the client has, and whose endpoints it had asked for and gave up before they came: they are not warm until it
  /// has asked for them again, or has done without the cluster.
  var givenUp: Set<String> = []
  /// Clusters that a route or listener of the client's may name though they are not there: refused ones for which it did not wait,
  /// because the one before is known to the client alone, and those that a client came without. While something names one
  /// that is not warm, nothing is live there.
  var unbacked: Set<String> = []
  /// What was found to stay of what is gone, where that is much (`ProxySession+Targets`).
  var kept: [ResourceType: (grounds: ContentHash, target: SharedResponses.Target)] = [:]
  /// Nothing has happened since `pump` had nothing to say and left everything as it was.
  private var isIdle = false
  /// The clusters as they were when endpoints were last sent: what has changed since needs its endpoints again.
  var endpointsAsOf = ResourceTable() { didSet { attention.insert(.endpoint) } }

  private static let clustersAndEndpoints = TypeSet(.cluster).union(TypeSet(.endpoint))

  init(
    variant: XDSProtocol, scope: Scope = .aggregated, proxyClass: ProxyClass, shared: SharedResponses,
    patience: Patience = Patience(), delivery: VirtualHostDelivery = .always,
    takesLoneEndpoints: Bool = false
  ) {
    self.takesLoneEndpoints = takesLoneEndpoints && variant == .delta && scope == .aggregated
    self.patience = patience
    self.delivery = delivery
    self.variant = variant
    self.scope = scope
    self.proxyClass = proxyClass
    self.shared = shared
    types = ResourceType.allCases.map(TypeSession.init)
  }

  subscript(type: ResourceType) -> TypeSession {
    // Lent, not copied: a copy would retain some twenty objects.
    _read { yield types[type.rawValue] }
    _modify {
      attention.insert(type)
      // Clusters that change are a reason to send their endpoints.
      if type == .cluster { attention.insert(.endpoint) }
      yield &types[type.rawValue]
    }
  }

  /// Where the types that most pushes are of keep what they know.
  func forEachPlace(_ body: (_ address: UnsafeRawPointer, _ byteCount: Int) -> Void) {
    types.withUnsafeBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      let size = MemoryLayout<TypeSession>.stride
      body(base + ResourceType.endpoint.rawValue * size, size)
    }
  }

  /// The newest generation of which the client has confirmed to hold all of a type; 0 for none.
  func converged(_ type: ResourceType) -> UInt64 { convergedGenerations[type.rawValue] }

  /// The newest generation of which it has confirmed to hold all but what was held back then; 0 for none.
  func answered(_ type: ResourceType) -> UInt64 { answeredGenerations[type.rawValue] }

  /// The client holds all of a type in a generation, but for what is held back.
  private mutating func confirm(_ type: ResourceType, _ generation: UInt64, isComplete: Bool) {
    answeredGenerations[type.rawValue] = generation
    if isComplete {
      convergedGenerations[type.rawValue] = generation
      forgetClaims(type)
    } else if self[type].asksForMore {
      // What it had confirmed was all of what it had asked for then; and of what it has dropped since, it has less.
      convergedGenerations[type.rawValue] = 0
    }
    if self[type].holdsUntold && self[type].quarantine == nil { self[type].holdsUntold = false }
    if self[type].asksForMore && self[type].owed.isNothing { self[type].asksForMore = false }
    if !(self[type].unproven.isEmpty && self[type].held.isEmpty) { self[type].unproven = self[type].held }
  }

  /// The client holds what is served. Of what it came with nothing is kept any more, unless it is in one of these.
  private mutating func forgetClaims(_ type: ResourceType) {
    guard let claims = types[type.rawValue].heldClaims else { return }
    if type == .cluster {
      let accepted = types[type.rawValue].acked.contentHash
      guard claims.missingCount == 0, warm.contentHash == accepted,
        scope != .aggregated || endpointsAsOf.contentHash == accepted
      else { return }
    }
    self[type].heldClaims = nil
    claimants.remove(type)
  }

  /// All of a type that a proxy of this class can have; nil while that is not known.
  func table(_ type: ResourceType) -> ResourceTable? { generation?.table(type, for: proxyClass) }

  // MARK: Events

  /// A new state of the world. One that lacks this proxy's class is passed over: the next will have it.
  ///
  /// - Parameter news: what is known to have changed for this proxy's class, and since when.
  /// - Returns: whether anything is different for this proxy. If not, there is nothing to pump: what the proxy holds is
  ///   the new generation as much as it was the one before. O(1).
  @discardableResult
  mutating func published(_ generation: Generation, news: (types: TypeSet, since: Generation)? = nil) -> Bool {
    let current = self.generation
    if let current, current.number > generation.number { return false }
    guard let current else {
      guard generation.classes[proxyClass] != nil else { return false }
      self.generation = generation
      isIdle = false
      return true
    }
    let changed: TypeSet
    if let news, news.since === current {
      changed = news.types
    } else {
      guard generation.classes[proxyClass] != nil else { return false }
      changed = generation.changedTypes(since: current, for: proxyClass)
    }
    self.generation = generation
    attention.formUnion(changed)
    if !changed.isEmpty { isIdle = false }
    for index in convergedGenerations.indices where changed.rawValue & 1 << UInt8(index) == 0 {
      if convergedGenerations[index] == current.number { convergedGenerations[index] = generation.number }
      if answeredGenerations[index] == current.number { answeredGenerations[index] = generation.number }
    }
    return !changed.isEmpty
  }

  /// A state-of-the-world request.
  ///
  /// - Parameter names: the set of its names, if that is known; the request's own list is not looked at then.
  mutating func received(
    _ request: DiscoveryRequest, names: NameSet? = nil, for type: ResourceType
  ) -> Receipt {
    let isFirst = !self[type].isRequested
    if !isFirst && !request.responseNonce.isEmpty && request.responseNonce != self[type].lastNonce?.text {
      if !self[type].awaitsSubscription { isIdle = false }
      self[type].awaitsSubscription = true
      if let receipt = answersOriginal(request.responseNonce, request.errorDetail, type) { return receipt }
      self[type].counts.stale += 1
      return .stale
    }
    if self[type].awaitsSubscription || isFirst { isIdle = false }
    self[type].awaitsSubscription = false
    let change =
      if let names {
        self[type].subscription.replace(with: names, isFirst: isFirst, allowsLegacyWildcard: type.allowsLegacyWildcard)
      } else {
        self[type].subscription.replace(
          with: request.resourceNames, isFirst: isFirst, allowsLegacyWildcard: type.allowsLegacyWildcard,
          pool: shared.names)
      }
    apply(change, to: type)
    if isFirst {
      self[type].isRequested = true
      self[type].claims = .init(versionInfo: request.versionInfo)
      return .subscription
    }
    if !change.owed.isNothing { self[type].claims?.isAskedAnew = true }
    return settle(request.responseNonce, request.errorDetail, for: type)
  }

  /// A delta request. Whatever its nonce, its subscription changes count.
  mutating func received(_ request: DeltaDiscoveryRequest, for type: ResourceType) -> Receipt {
    let isFirst = !self[type].isRequested
    if isFirst { isIdle = false }
    let change = self[type].subscription.update(
      subscribing: request.resourceNamesSubscribe, unsubscribing: request.resourceNamesUnsubscribe, isFirst: isFirst,
      allowsLegacyWildcard: type.allowsLegacyWildcard, pool: shared.names)
    apply(change, to: type)
    if isFirst {
      self[type].isRequested = true
      self[type].claims = .init(versions: request.initialResourceVersions)
      if !request.initialResourceVersions.isEmpty { claimants.insert(type) }
      return .subscription
    }
    // Asked for anew before there was anything to compare the client's claims with.
    if self[type].claims != nil {
      for name in request.resourceNamesSubscribe { self[type].claims?.forget(name) }
      if self[type].claims?.comparison?.askedAnew.isEmpty == false { claimants.insert(type) }
    }
    if request.resourceNamesSubscribe.contains("*") { self[type].claims?.isAskedAnew = true }
    return settle(request.responseNonce, request.errorDetail, for: type)
  }

  /// The first delta request of a type, with its lists looked up already.
  mutating func receivedFirst(_ names: NameSet, _ comparison: ClaimComparison?, for type: ResourceType) -> Receipt {
    isIdle = false
    let change = self[type].subscription.begin(with: names, allowsLegacyWildcard: type.isFullState)
    self[type].apply(change)
    if type == .endpoint && names.identity.count > 0 { warmUp(after: .endpoint) }
    self[type].isRequested = true
    self[type].claims = .init(comparison: comparison)
    if comparison?.claims != nil { claimants.insert(type) }
    return .subscription
  }

  /// A delta request that does nothing but accept the response in flight. False if that is not what it answers: then it
  /// is a request like any other.
  mutating func acknowledged(_ nonce: Nonce, of type: ResourceType) -> Bool {
    guard self[type].inFlight?.nonce == nonce, type != .cluster || withdrawal == nil,
      let flight = self[type].inFlight.take()
    else { return false }
    isIdle = false
    lastAnswered = max(lastAnswered, flight.order)
    accept(flight, type)
    return true
  }

  private mutating func apply(_ change: Subscription.Change, to type: ResourceType) {
    if change.isNothing { return }
    isIdle = false
    self[type].apply(change)
    if type == .endpoint && !change.dropped.isEmpty { warmUp(dropping: change.dropped) }
    guard type == .cluster else { return }
    if var table = withdrawal?.original.table {
      if change.dropsUnnamed { table = table.restricted(to: self[.cluster].subscription.names) }
      for name in change.dropped { table.remove(name) }
      withdrawal?.original.table = table
    }
    if change.dropsUnnamed { warm = warm.restricted(to: self[.cluster].subscription.names) }
    for name in change.dropped { warm.remove(name) }
    // What it came with and does not want any more it does not have any more.
    if change.dropsUnnamed { arrived = arrived.restricted(to: self[.cluster].subscription.names) }
    for name in change.dropped { arrived.remove(name) }
    if !givenUp.isEmpty {
      givenUp.subtract(change.dropped)
      if change.dropsUnnamed { givenUp.formIntersection(self[.cluster].subscription.names.names) }
    }
  }

  /// The answer to a response before the last, if that is the one that suspects were withdrawn from.
  private mutating func answersOriginal(_ nonce: String, _ error: ErrorDetail?, _ type: ResourceType) -> Receipt? {
    guard type == .cluster, let withdrawal, withdrawal.original.nonce.text == nonce else { return nil }
    isIdle = false
    return settleOriginal(error)
  }

  /// Takes the answer to a response.
  private mutating func settle(_ nonce: String, _ error: ErrorDetail?, for type: ResourceType) -> Receipt {
    guard !nonce.isEmpty else { return .subscription }
    guard let flight = self[type].inFlight, flight.nonce.text == nonce else {
      if let receipt = answersOriginal(nonce, error, type) { return receipt }
      let isLast = self[type].lastNonce?.text == nonce
      if !isLast { self[type].counts.stale += 1 }
      // The answer to the last response, given again, changes nothing.
      return isLast ? .subscription : .stale
    }
    isIdle = false
    self[type].inFlight = nil
    lastAnswered = max(lastAnswered, flight.order)
    if type == .cluster, let withdrawal { return settleWithdrawal(flight, withdrawal, error) }
    guard let error else {
      accept(flight, type)
      return .ack
    }
    refuse(flight, error, type)
    return .nack
  }

  mutating func accept(_ flight: TypeSession.InFlight, _ type: ResourceType) {
    self[type].counts.acks += 1
    self[type].acked = flight.table
    // What is gone is told by its name where names are subscribed to; where everything is, only if the client is known to hold it.
    let holdsUnnamed = variant == .delta && self[type].subscription.isWildcard
    if type.namesClusters || holdsUnnamed {
      // Dropped and asked for again while this was on its way: the client may use it until it is answered anew.
      for resource in flight.plan.resources
      where flight.table[resource.name] == nil
        && (holdsUnnamed || self[type].subscription.names.contains(resource.name))
        && !flight.plan.stubs.contains(resource.name)
      {
        self[type].acked.set(resource)
      }
    }
    self[type].holdsUnknown = false
    if !unbacked.isEmpty {
      unbacked = unbacked.filter { name in
        warm[name] == nil && ResourceType.naming.contains { types[$0.rawValue].mayReference(name, in: nil) }
      }
    }
    if flight.isComplete || flight.lacksHeldOnly {
      confirm(type, flight.generation, isComplete: flight.isComplete)
    }
    if !self[type].claimed.isEmpty {
      self[type].claimed = self[type].claimed.filter { flight.table[$0]?.isClaim ?? false }
    }
    let isFullState = variant == .stateOfTheWorld && type.isFullState
    if flight.isWithdrawal {
      self[type].quarantine?.told(isFullState ? nil : flight.plan.names)
    } else {
      self[type].quarantine?.accepted(flight.plan, table: flight.table, isFullState: isFullState)
    }
    if self[type].quarantine?.isOver ?? false { self[type].quarantine = nil }
    if type == .cluster || type == .endpoint {
      if let firstAccepted, firstAccepted < flight.generation {
        mayFollowUnseen = false
        hasStarted = true
      }
      firstAccepted = firstAccepted ?? flight.generation
      warmUp(after: type)
    }
    if type == .loneEndpoint { warmUp(after: type) }
  }

  mutating func refuse(_ flight: TypeSession.InFlight, _ error: ErrorDetail, _ type: ResourceType) {
    self[type].counts.nacks += 1
    if variant == .stateOfTheWorld && type.isFullState { shared.noteRefusal(after: self[type].acked.contentHash) }
    let reason = RefusalText(error.message)
    var suspects: [String] = []
    if flight.plan.news.isEmpty {
      // Nothing but removals: there is no content to refuse, and sending them again would not help.
      self[type].acked = flight.table
      self[type].quarantine?.giveUp(on: flight.plan)
      if self[type].quarantine?.isOver ?? false { self[type].quarantine = nil }
    } else if self[type].holdsUnknown && type.isFullState {
      var quarantine = self[type].quarantine ?? Quarantine(refused: flight.table)
      suspects = quarantine.refuseFullState(flight.plan, table: flight.table, reason: reason)
      self[type].quarantine = quarantine
      // The refused content counts as held, so that it stays in the full state and is no reason to send it.
      self[type].acked = flight.table
      if type == .cluster { warmUp(after: type) }
    } else {
      var quarantine = self[type].quarantine ?? Quarantine(refused: flight.table)
      suspects = quarantine.refuse(flight.plan, table: flight.table, reason: reason)
      self[type].quarantine = quarantine
      // What of the refused clusters is sent again needs its endpoints again.
      if type == .cluster && endpointsAsOf.contentHash == flight.table.contentHash {
        endpointsAsOf = self[.cluster].acked
      }
    }
    self[type].rejection = Rejection(
      code: error.code, message: reason.text, resources: suspects, nonce: flight.nonce.text,
      generation: flight.generation)
    if type == .endpoint { warmUp(after: type) }
  }

  // MARK: Output

  /// What is to be sent now, in this order. The caller calls it after events while the stream can take more, and at
  /// `wakeUp`.
  ///
  /// - Parameter now: the time on a clock of the caller's that does not go back. Mostly nobody asks; where
  ///   somebody does, it may be asked for more than once.
  /// - Complexity: O(1) when nothing changed, or when another stream was in the same state before.
  mutating func pump(at now: @autoclosure () -> Duration = .zero) -> [Response] {
    guard let generation else { return [] }
    if isIdle && wakeUp.map({ now() < $0 }) ?? true { return [] }
    isIdle = true
    for type in ResourceType.allCases where attention.contains(type) && self[type].claims != nil {
      adopt(type, generation)
      isIdle = false
    }
    releaseWhole(generation)
    var responses: [Response] = []
    if let response = withdraw(at: now, generation) { responses.append(response) }
    for type in ResourceType.allCases where attention.contains(type) {
      if !self[type].isRequested {
        attention.remove(type)
      } else if self[type].inFlight == nil {
        if let response = next(type, generation) { responses.append(response) } else { rest(type) }
      }
    }
    watchClusters(at: now, generation)
    if !responses.isEmpty { isIdle = false }
    return responses
  }

  /// There was nothing to send of the type. If nothing else of it can be due before it changes, it is not looked at until then.
  private mutating func rest(_ type: ResourceType) {
    guard converged(type) == generation?.number, self[type].held.isEmpty, self[type].quarantine == nil,
      self[type].owed.isNothing, type != .loneEndpoint
    else { return }
    // More becomes warm when another look is taken.
    if Self.clustersAndEndpoints.contains(type) && warm.contentHash != self[.cluster].acked.contentHash { return }
    attention.remove(type)
  }

  private mutating func next(_ type: ResourceType, _ generation: Generation) -> Response? {
    while true {
      guard var table = target(type, generation) else { return nil }
      if type == .loneEndpoint && !self[type].owed.isNothing {
        self[type].owed = answerable(self[type].owed, generation)
      }
      var owed = self[type].owed
      var isComplete = self[type].held.isEmpty
      if self[type].quarantine != nil {
        let (restrained, suspended) = self[type].quarantine!.restrain(
          table, acked: self[type].acked, asked: owed)
        table = restrained
        var kept: [String] = []
        var told: [String] = []
        for name in self[type].quarantine!.doubtful.subtracting(suspended)
        where self[type].subscription.covers(name) {
          // The client may have taken a cluster from a response that it refused, and its routes may name it.
          if type == .cluster && scope == .aggregated && table[name] == nil && !mayTakeBack(name, generation) {
            kept.append(name)
          } else {
            told.append(name)
          }
        }
        owed.add(told)
        self[type].held += kept.sorted().map { HeldItem(resource: $0, reason: .inUse) }
        if !kept.isEmpty { isComplete = false }
        if !suspended.isEmpty {
          isComplete = false
          self[type].held += suspended.sorted().map { HeldItem(resource: $0, reason: .refused) }
        }
      }
      let refused = type == .cluster ? refusedToTell(table, generation) : []
      let isRenewed = type == .endpoint && self[.cluster].newestHash != endpointsAsOf.contentHash
      // Mostly nil: they are what they were when endpoints were last sent.
      let clusters = isRenewed ? self[.cluster].newest : nil
      if table.contentHash == self[type].acked.contentHash && owed.isNothing && clusters == nil {
        if settled(type, table, generation, isComplete) { return nil }
        continue
      }
      owed.add(refused)
      let plan = plan(
        type, from: self[type].acked, to: table, owed: owed, clusters: clusters,
        answersRequest: !self[type].owed.isNothing)
      self[type].owed = .nothing
      if let clusters { endpointsAsOf = clusters }
      if plan.isEmpty {
        if settled(type, table, generation, isComplete) { return nil }
        continue
      }
      if type == .cluster { renewRefused(plan) }
      let response = send(plan, table, generation, isComplete: isComplete)
      self[type].inFlight?.lacksHeldOnly = !isComplete
      return response
    }
  }

  /// A cluster that the client has refused leaves a trace in Envoy (`Withdrawal`), which goes when the next response of
  /// clusters removes it, or gives the accepted content once more. In the state of the world every response does.
  private func refusedToTell(_ table: ResourceTable, _ generation: Generation) -> [String] {
    let clusters = types[ResourceType.cluster.rawValue]
    guard variant == .delta, let quarantine = clusters.quarantine else { return [] }
    return quarantine.blocked.keys.filter { name in
      guard quarantine.doubtful.contains(name), clusters.subscription.covers(name) else { return false }
      if let old = clusters.acked[name] { return !old.isClaim && table[name]?.contentHash == old.contentHash }
      return table[name] == nil && mayTakeBack(name, generation, isHeldBack: true)
    }.sorted()
  }

  /// Accepted content that is sent again after a refusal warms again, and needs its endpoints again.
  private mutating func renewRefused(_ plan: ResponsePlan) {
    guard let doubtful = self[.cluster].quarantine?.doubtful, !doubtful.isEmpty, !self[.cluster].holdsUnknown else {
      return
    }
    for cluster in plan.resources where doubtful.contains(cluster.name) {
      if self[.cluster].acked[cluster.name]?.contentHash == cluster.contentHash { endpointsAsOf.remove(cluster.name) }
    }
  }

  mutating func send(
    _ plan: ResponsePlan, _ table: ResourceTable, _ generation: Generation, isComplete: Bool
  ) -> Response {
    let type = plan.type
    let nonce = self[type].lastNonce?.following(in: generation.number) ?? Nonce(generation: generation.number)
    self[type].lastNonce = nonce
    responses += 1
    self[type].inFlight = .init(
      nonce: nonce, table: table, plan: plan, generation: generation.number, isComplete: isComplete, order: responses)
    self[type].counts.responses += 1
    self[type].counts.resources += UInt64(plan.resources.count)
    self[type].counts.removed += UInt64(plan.removed.count)
    if type == .cluster {
      for name in plan.withdrawn {
        warm.remove(name)
        arrived.remove(name)
        if !givenUp.isEmpty { givenUp.remove(name) }
      }
    }
    if type == .route { oweVirtualHosts(plan, generation) }
    if type == .endpoint { oweCollections(plan) }
    return Response(nonce: nonce, plan: plan)
  }

  /// There is nothing to send: the client holds the table. False if another group of refused resources is to be tried.
  private mutating func settled(
    _ type: ResourceType, _ table: ResourceTable, _ generation: Generation, _ isComplete: Bool
  ) -> Bool {
    let before = (self[type].acked.contentHash, warm.contentHash)
    if before.0 != table.contentHash { self[type].acked = table }
    confirm(type, generation.number, isComplete: isComplete)
    if type == .endpoint || type == .cluster { warmUp(after: type) }
    // What was looked at before may look different now.
    if before != (table.contentHash, warm.contentHash) { isIdle = false }
    guard self[type].quarantine != nil else { return true }
    if self[type].quarantine!.groups.isEmpty {
      if self[type].quarantine!.isOver {
        self[type].quarantine = nil
        isIdle = false
      }
      return true
    }
    self[type].quarantine!.skipGroup()
    isIdle = false
    return false
  }
}
