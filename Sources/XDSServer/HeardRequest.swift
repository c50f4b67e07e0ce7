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

extension HeardRequest {
  /// A state-of-the-world request.
  /// - Parameters:
  ///   - before: the subscription as it was.
  ///   - after: as it is.
  ///   - resources: all that a wildcard covers.
  init(
    _ receipt: ProxySession.Receipt?, from before: Subscription.Identity?, to after: Subscription?, of resources: Int
  ) {
    self.receipt = receipt
    let isUnchanged = before == after?.identity
    isAnswer = isUnchanged && (receipt == .ack || receipt == .nack)
    if isAnswer { repeatedBytes = after?.names.byteCount ?? 0 }
    if let before, let after, after.isWildcard, !before.isWildcard { retold = resources }
  }
}

extension DeltaDiscoveryRequest {
  /// It changes no subscription.
  var isAnswer: Bool {
    resourceNamesSubscribe.isEmpty && resourceNamesUnsubscribe.isEmpty && initialResourceVersions.isEmpty
  }
}
