internal import EnvoyAPI
internal import XDSSnapshot

/// What a request was, and what it is charged for.
struct HeardRequest {
  /// Nil: there was nothing in it for the session, or the stream was ended.
  var receipt: ProxySession.Receipt?
  /// It answers a response and does nothing else: no subscription is different after it. Such requests come no more often than
  /// responses go out, so they are free, but for their bytes. An answer that changes a subscription owes a response, whose answer
  /// may do so again, without end.
  var isAnswer = false
  /// It answers nothing, the client's subscriptions are what they were, and it asks for nothing that an honest client asks for
  /// again and again. No client is to be blamed for these: a list that crosses an answer, so that its nonce is stale, as long as it is
  /// another list than the one before (gRPC names its clusters one by one); and a few names anew (an Envoy that fetches hosts or
  /// clusters on demand does so each time somebody wants one that is not there).
  var isVain = false
  /// Bytes of a list that it gives once more, as state-of-the-world answers have to.
  var repeatedBytes = 0
  /// Resources that it asks to be told though they were told before.
  var retold = 0

  /// Of these many, each costs as much as a request: they are planned and encoded for one stream alone.
  static let costlyResources = 64

  /// In requests.
  func cost(byteCount: Int) -> Int {
    (isAnswer ? 0 : 1) + max(0, byteCount - repeatedBytes) / RequestBudget.costlyBytes + retold / Self.costlyResources
  }
}

extension ProxySession {
  /// Takes a request, and says what it was.
  mutating func heard(_ request: DiscoveryRequest, for type: ResourceType) -> HeardRequest {
    var heard = heard(for: type) { $0.received(request, for: type) }
    if heard.receipt == .stale { noteStale(NameSet.Identity(request.resourceNames), type, &heard) }
    return heard
  }

  /// Takes a state-of-the-world request whose list of names is known.
  mutating func heard(_ request: DiscoveryRequest, names: NameSet, for type: ResourceType) -> HeardRequest {
    var heard = heard(for: type) { $0.received(request, names: names, for: type) }
    if heard.receipt == .stale { noteStale(names.identity, type, &heard) }
    return heard
  }

  private mutating func noteStale(_ list: NameSet.Identity, _ type: ResourceType, _ heard: inout HeardRequest) {
    heard.isVain = list == self[type].staleList
    if !heard.isVain { self[type].staleList = list }
  }

  private mutating func heard(
    for type: ResourceType, _ receive: (inout ProxySession) -> Receipt?
  ) -> HeardRequest {
    let before = self[type].isRequested ? self[type].subscription.identity : nil
    var heard = HeardRequest(receipt: receive(&self))
    let after = self[type].subscription
    heard.isAnswer = before == after.identity && (heard.receipt == .ack || heard.receipt == .nack)
    heard.isVain = before == after.identity && !heard.isAnswer
    if heard.isAnswer { heard.repeatedBytes = after.names.byteCount }
    if let before, after.isWildcard, !before.isWildcard { heard.retold = table(type)?.count ?? 0 }
    return heard
  }

  /// Takes a request, and says what it was.
  mutating func heard(_ request: DeltaDiscoveryRequest, for type: ResourceType) -> HeardRequest {
    let before = self[type].isRequested ? self[type].subscription.identity : nil
    var heard = HeardRequest(receipt: received(request, for: type))
    heard.isAnswer = request.isAnswer && (heard.receipt == .ack || heard.receipt == .nack)
    heard.isVain = before == self[type].subscription.identity && !heard.isAnswer && !request.asksForFew
    if before != nil, request.resourceNamesSubscribe.contains("*") { heard.retold = table(type)?.count ?? 0 }
    return heard
  }
}

extension DeltaDiscoveryRequest {
  /// It changes no subscription.
  var isAnswer: Bool {
    resourceNamesSubscribe.isEmpty && resourceNamesUnsubscribe.isEmpty && initialResourceVersions.isEmpty
  }

  /// It asks for some names, and these cost no more than one request does.
  fileprivate var asksForFew: Bool {
    (1...HeardRequest.costlyResources).contains(resourceNamesSubscribe.count) && !resourceNamesSubscribe.contains("*")
  }
}
