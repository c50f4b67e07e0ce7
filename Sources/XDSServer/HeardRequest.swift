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
  /// It answers nothing, and the client's subscriptions are what they were.
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
    heard(for: type) { $0.received(request, for: type) }
  }

  /// Takes a state-of-the-world request whose list of names is known.
  mutating func heard(_ request: DiscoveryRequest, names: NameSet, for type: ResourceType) -> HeardRequest {
    heard(for: type) { $0.received(request, names: names, for: type) }
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
    heard.isVain = before == self[type].subscription.identity && !heard.isAnswer
    if before != nil, request.resourceNamesSubscribe.contains("*") { heard.retold = table(type)?.count ?? 0 }
    return heard
  }
}

extension DeltaDiscoveryRequest {
  /// It changes no subscription.
  var isAnswer: Bool {
    resourceNamesSubscribe.isEmpty && resourceNamesUnsubscribe.isEmpty && initialResourceVersions.isEmpty
  }
}
