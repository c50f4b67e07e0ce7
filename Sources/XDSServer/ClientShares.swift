internal import Synchronization

/// What the streams from one address make the process hold: the names that they subscribe to, or say that they have in another
/// version than what is served, the responses that they have not answered, and the streams themselves.
///
/// Each set of names, of claims and each message counts once, however many of the address's streams have it; and it counts for each
/// address that has it, so nobody pays for what others keep. Names, responses and streams have as much room each: who subscribes
/// to too much is refused, and those beside it go on being told.
final class ClientShare: Sendable {
  /// What has fewer bytes does not count: a stream has at most six of these, which is no more than it takes itself.
  static let negligible = 2 << 10

  private struct Holdings {
    /// How many streams have an object.
    var counts: [ObjectIdentifier: Int] = [:]
    var byteCount = 0

    mutating func hold(_ id: ObjectIdentifier, _ byteCount: Int, limit: Int) -> Bool {
      if let count = counts[id] {
        counts[id] = count + 1
        return true
      }
      // The last one may be larger than what is left: a single response may be larger than any limit.
      guard self.byteCount < limit else { return false }
      counts[id] = 1
      self.byteCount += byteCount
      return true
    }

    mutating func hold(_ byteCount: Int, limit: Int) -> Bool {
      guard self.byteCount < limit else { return false }
      self.byteCount += byteCount
      return true
    }

    mutating func release(_ id: ObjectIdentifier, _ byteCount: Int) {
      guard let count = counts[id] else { return }
      if count > 1 {
        counts[id] = count - 1
      } else {
        counts[id] = nil
        self.byteCount -= byteCount
      }
    }
  }

  private struct State {
    var names = Holdings()
    var messages = Holdings()
    var streams = Holdings()

    subscript(own: Own) -> Holdings {
      get { own == .claims ? names : streams }
      set { if own == .claims { names = newValue } else { streams = newValue } }
    }
  }

  private let limit: Int
  private let state = Mutex(State())

  /// - Parameter limit: bytes of names and claims, bytes of responses, and bytes of streams.
  init(limit: Int) { self.limit = limit }

  /// Bytes of streams.
  var streamBytes: Int { state.withLock { $0.streams.byteCount } }

  /// Bytes of names and claims, and of responses.
  var byteCounts: (names: Int, messages: Int) { state.withLock { ($0.names.byteCount, $0.messages.byteCount) } }

  /// A stream subscribes to these names from now on. False if there is no room for them: then they are not held. O(1).
  func hold(_ names: NameSet) -> Bool { hold(names, names.byteCount, in: \.names) }

  func release(_ names: NameSet) { release(names, names.byteCount, in: \.names) }

  /// A client came with these, and may have them still. False if there is no room for them: then they are not held. O(1).
  func hold(_ claims: HeldClaims) -> Bool { hold(claims, claims.byteCount, in: \.names) }

  func release(_ claims: HeldClaims) { release(claims, claims.byteCount, in: \.names) }

  /// A stream is sent this message, and has not answered it. False if there is no room for it: then it is not held. O(1).
  func hold(_ message: EncodedMessage) -> Bool { hold(message, message.buffer.readableBytes, in: \.messages) }

  func release(_ message: EncodedMessage) { release(message, message.buffer.readableBytes, in: \.messages) }

  private func hold(_ object: AnyObject, _ byteCount: Int, in kind: WritableKeyPath<State, Holdings>) -> Bool {
    byteCount < Self.negligible
      || state.withLock { $0[keyPath: kind].hold(ObjectIdentifier(object), byteCount, limit: limit) }
  }

  private func release(_ object: AnyObject, _ byteCount: Int, in kind: WritableKeyPath<State, Holdings>) {
    guard byteCount >= Self.negligible else { return }
    state.withLock { $0[keyPath: kind].release(ObjectIdentifier(object), byteCount) }
  }

  /// What one stream alone has.
  enum Own {
    case claims
    case stream
  }

  /// So many bytes that one stream alone has. False if there is no room for them: then they are not held. O(1).
  func hold(_ byteCount: Int, _ own: Own) -> Bool {
    state.withLock { $0[own].hold(byteCount, limit: limit) }
  }

  func release(_ byteCount: Int, _ own: Own) { state.withLock { $0[own].byteCount -= byteCount } }
}

/// The shares of all addresses that have streams.
final class ClientShares: Sendable {
  private let limit: Int
  private let pool = WeakPool<[UInt8], ClientShare>()

  init(limit: Int) { self.limit = limit }

  /// The share of an address (`GRPCCall.clientNetwork`). All clients of Unix sockets have one together.
  func share(of network: [UInt8]?) -> ClientShare { pool.object(network ?? []) { ClientShare(limit: limit) } }

  /// Addresses that are remembered.
  var count: Int { pool.count }

  /// Bytes held by the address that holds most of one kind. O(addresses).
  var largest: Int {
    pool.objects.reduce(0) { max($0, $1.byteCounts.names, $1.byteCounts.messages, $1.streamBytes) }
  }
}
