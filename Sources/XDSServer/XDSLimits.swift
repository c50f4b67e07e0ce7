/// What one xDS stream may ask for, and all of them together.
public struct XDSLimits: Sendable, Hashable {
  /// Names of one type that a stream may subscribe to; a stream that asks for more ends with RESOURCE_EXHAUSTED.
  public var maximumSubscription: Int
  /// Requests a second that a stream may make beside the answers to what it was sent. Beyond that its requests wait: nothing is
  /// lost, and flow control makes the client wait too. A request counts for one more with every 16 kB.
  public var requestsPerSecond: Int
  /// Requests that a stream may make at once before its rate counts.
  public var requestBurst: Int
  /// Classes of proxies (kind, namespace, listen address) that may be connected at once: each has listeners and routes of its
  /// own. A stream that would bring one more ends with RESOURCE_EXHAUSTED.
  public var maximumClasses: Int

  /// Bytes of names that the streams from one address may subscribe to or claim to have, bytes of responses that they may leave
  /// unanswered, and bytes of streams (6 kB each): of each so many, what several of them have once. Beyond that the stream that asks for more ends with RESOURCE_EXHAUSTED.
  public var maximumClientMemory: Int

  /// New classes that clients of one address may have brought at once when nearly all are in use, so that one does not use them up:
  /// half of all.
  public var maximumClassesOfAddress: Int { max(1, maximumClasses / 2) }
  /// Classes that are there for anybody: nine tenths. An address with hundreds of namespaces behind it is no offender.
  var freeClasses: Int { maximumClasses - (maximumClasses + 9) / 10 }
  /// Bytes of a resource name in a request; a stream that names a longer one ends with INVALID_ARGUMENT. An Envoy's names are
  /// texts such as `outbound|80|v2|reviews.shop.svc.cluster.local`; the longest that Kubernetes' names can make has some 400.
  public static let maximumNameLength = 4096

  public init(
    maximumSubscription: Int = 250_000, requestsPerSecond: Int = 100, requestBurst: Int = 500,
    maximumClasses: Int = 1000, maximumClientMemory: Int = 128 << 20
  ) {
    self.maximumSubscription = maximumSubscription
    self.requestsPerSecond = requestsPerSecond
    self.requestBurst = requestBurst
    self.maximumClasses = maximumClasses
    self.maximumClientMemory = maximumClientMemory
  }
}

/// A limit that ends a stream with RESOURCE_EXHAUSTED.
public enum XDSLimit: String, Sendable, Hashable, CaseIterable {
  case subscription
  case classes
  case bufferMemory = "buffer_memory"
  case clientMemory = "client_memory"
}
