/// A request that a client may send again because it has not heard the answer. It is then answered as it was the first
/// time, and not carried out again.
public struct IdempotentRequest: Sendable, Hashable {
  /// Chosen by the client; one key stands for one request.
  public var key: String
  public var requester: String
  /// Of all that the request asks for.
  public var digest: [UInt8]

  public init(key: String, requester: String, digest: [UInt8]) {
    self.key = key
    self.requester = requester
    self.digest = digest
  }

  /// Whether the kept request is this one.
  ///
  /// - Throws: `ReleaseStoreError` with code `keyReused`, which says nothing of the other request.
  func check(kept requester: String, _ digest: [UInt8]) throws(ReleaseStoreError) {
    guard requester == self.requester, digest == self.digest else {
      throw ReleaseStoreError(
        .keyReused, "the idempotency key \(key) stands for another request: a new request needs a key of its own")
    }
  }
}

/// A request that was carried out, and what was answered.
public struct KeptAnswer: Sendable, Hashable {
  public var request: IdempotentRequest
  public var result: [UInt8]
  /// When it was carried out; it is kept until the caller forgets those of before some time.
  public var at: Timestamp

  public init(request: IdempotentRequest, result: [UInt8], at: Timestamp) {
    self.request = request
    self.result = result
    self.at = at
  }
}
