internal import HTTP2Transport
internal import NIOCore

/// What the calls of one accepted connection may make the server hold and do together. Confined to the connection's event loop.
///
/// - Parts of messages: a connection may have two messages of the largest size on their way (a proxy without ADS names its
///   clusters and its endpoints at once), and when all connections together hold too much, those that hold most go first
///   (``PartHolders``).
/// - Time: a call's first message must begin soon, and a message that has begun must end, so that nobody fills the server with
///   calls and parts that are never used. Looked at now and then, and only while there is something to wait for.
/// - Large messages: they are paid for by their bytes, whichever call they come on. What is overdrawn, the connection waits.
final class ConnectionCalls {
  /// Messages above this size wait their turn apart from small ones, and are paid for.
  static let largeMessage = 64 << 10
  /// Bytes of a message that earn it a second more: a slow line is no offence.
  static let bytesPerSecond = 256 << 10

  let eventLoop: any EventLoop
  let network: [UInt8]?
  let conduct: ClientConduct
  private let server: GRPCServerCore
  private let timers: LoopTimers
  private let now: () -> NIODeadline
  /// Bytes of parts of messages that are charged.
  private(set) var heldBytes = 0
  /// Among the server's connections.
  var place: ConnectionHolders.Place?
  /// Calls whose client is known, and how many of these have done nothing wrong.
  private var knownCalls = 0
  private var blamelessCalls = 0
  /// There is a client here that is not to suffer from what others of this connection do.
  var hasBlameless: Bool { blamelessCalls > 0 }
  /// Among those that are served last.
  var isCountedAsDistrusted = false
  /// The client has opened a stream, whatever came of it.
  var hasOpenedStream = false

  init(
    server: GRPCServerCore, eventLoop: any EventLoop, peer: SocketAddress?, timers: LoopTimers,
    now: (() -> NIODeadline)? = nil
  ) {
    self.server = server
    self.eventLoop = eventLoop
    self.timers = timers
    self.now = now ?? { eventLoop.now }
    network = peer?.clientNetwork
    conduct = ClientConduct(server: server, eventLoop: eventLoop, peer: peer)
    largeBudget = Double(Self.burst(server.configuration))
  }

  // MARK: Clients

  /// The application knows of a call whose client it is, or that call has ended.
  func noteKnown(_ change: Int, isBlameless: Bool) {
    let before = knownCalls
    knownCalls += change
    if isBlameless { blamelessCalls += change }
    guard let place, (before > 0) != (knownCalls > 0) else { return }
    let displaced = server.connectionHolders.set(
      place, isKnown: knownCalls > 0, limit: server.configuration.maxConnections)
    if let displaced { displaced.eventLoop.execute { displaced.value.makeRoom() } }
  }

  /// A known client's call has done something that it should not for the first time.
  func noteBlame() { blamelessCalls -= 1 }

  // MARK: Memory

  private var maxHeldBytes: Int { server.configuration.maxMessageSize * 2 + (1 << 20) }

  /// - Parameter makesRoom: others that hold more are to go, if there is no room.
  func charge(_ count: Int, makesRoom: Bool) -> Bool {
    guard heldBytes + count <= maxHeldBytes else { return false }
    let memory = server.configuration.memory
    if !memory.charge(count, for: .parts) {
      guard makesRoom, !memory.isFull, server.partHolders.makeRoom(for: self, asking: count) else { return false }
      // There will be room in a moment.
      memory.chargeAnyway(count, for: .parts)
    }
    heldBytes += count
    server.partHolders.note(self, heldBytes)
    return true
  }

  func release(_ count: Int) {
    server.configuration.memory.release(count, for: .parts)
    heldBytes -= count
    server.partHolders.note(self, heldBytes)
  }

  /// Makes room for others: ends the calls that hold parts of messages.
  func endUnfinished() {
    for call in due.values.map(\.call) where call.isHoldingParts { call.refuseForMemory() }
  }

  // MARK: Time

  private enum Awaited {
    case firstMessage
    case restOfMessage
  }

  private struct Due {
    let call: GRPCCall
    var awaited: Awaited
    var since: NIODeadline
  }

  private var due: [ObjectIdentifier: Due] = [:]
  private var nextLook: LoopTimers.Timer?
  private var review: LoopTimers.Timer?
  /// Calls that were ended for being late since the last whole message.
  private var lateCalls = 0
  /// So many late calls in a row, and the connection is of no use to anybody.
  private static let maxLateCalls = 2

  /// A call has opened, and its first message is awaited.
  func opened(_ call: GRPCCall) { wait(for: .firstMessage, of: call) }

  /// The call has closed, or its input is of no interest any more.
  func ended(_ call: GRPCCall) { due[ObjectIdentifier(call)] = nil }

  /// A whole message has come, and nothing of another.
  func isWhole(_ call: GRPCCall) {
    lateCalls = 0
    due[ObjectIdentifier(call)] = nil
  }

  /// A message has begun.
  func began(_ call: GRPCCall) { wait(for: .restOfMessage, of: call) }

  private func wait(for awaited: Awaited, of call: GRPCCall) {
    due[ObjectIdentifier(call)] = Due(call: call, awaited: awaited, since: now())
    look()
  }

  private func limit(_ awaited: Awaited) -> TimeAmount? {
    switch awaited {
    case .firstMessage: server.configuration.firstMessageTimeout
    case .restOfMessage: server.configuration.messageTimeout
    }
  }

  /// Looks for late calls in a quarter of the shortest time, as long as there are calls that may become late.
  private func look() {
    guard nextLook == nil else { return }
    let limits = [limit(.firstMessage), limit(.restOfMessage)].compactMap { $0 }
    guard let shortest = limits.min() else { return }
    nextLook = timers.schedule(in: .nanoseconds(shortest.nanoseconds / 4)) { [self] in
      nextLook = nil
      endLateCalls()
      if !due.isEmpty { look() }
    }
  }

  /// Drains the connection once it has behaved and its address is trusted.
  func drainOnReturnToTrust(
    of connection: HTTP2Connection, every interval: TimeAmount, isTrusted: @escaping () -> Bool
  ) {
    review = timers.schedule(in: interval) { [self] in
      if !connection.isDistrusted, isTrusted() { return connection.drain() }
      drainOnReturnToTrust(of: connection, every: interval, isTrusted: isTrusted)
    }
  }

  /// The connection has closed, and its calls before it.
  func close() {
    nextLook?.cancel()
    review?.cancel()
    (nextLook, review) = (nil, nil)
  }

  private func endLateCalls() {
    let time = now()
    var connection: HTTP2Connection?
    for (id, entry) in due {
      guard let limit = limit(entry.awaited) else { continue }
      if entry.call.isHeldUp {
        // It is this end that makes it wait.
        due[id]?.since = time
        continue
      }
      let earned = TimeAmount.nanoseconds(
        Int64(entry.call.waitingBytes) * 1_000_000_000 / Int64(Self.bytesPerSecond))
      guard time - entry.since > limit + earned else { continue }
      due[id] = nil
      lateCalls += 1
      connection = entry.call.stream?.connection
      switch entry.awaited {
      case .firstMessage:
        entry.call.end(
          .firstMessage, GRPCStatus(.deadlineExceeded, "no request came within \(limit.seconds) s of the call"))
      case .restOfMessage:
        entry.call.end(
          .messageTime, GRPCStatus(.deadlineExceeded, "a request of which only a part came within \(limit.seconds) s"))
      }
    }
    guard lateCalls >= Self.maxLateCalls, !hasBlameless, let connection else { return }
    lateCalls = 0
    connection.drain()
  }

  // MARK: Large messages

  private var largeBudget: Double
  private var refilledAt: NIODeadline?

  private static func burst(_ configuration: GRPCServerConfiguration) -> Int { configuration.maxMessageSize * 2 }

  /// Takes a large message out of the connection's budget. It may be overdrawn, and the next one waits until it is even.
  func spend(_ byteCount: Int) { largeBudget -= Double(byteCount) }

  /// How long the connection's next large message is to wait.
  func waitForLarge() -> TimeAmount? {
    let configuration = server.configuration
    let time = now()
    if let refilledAt {
      largeBudget = min(
        Double(Self.burst(configuration)),
        largeBudget + Double((time - refilledAt).nanoseconds) / 1e9 * Double(configuration.largeBytesPerSecond))
    }
    refilledAt = time
    guard largeBudget < 0 else { return nil }
    return .nanoseconds(Int64(-largeBudget / Double(configuration.largeBytesPerSecond) * 1e9) + 1)
  }
}

extension TimeAmount {
  fileprivate var seconds: Int64 { max(1, nanoseconds / 1_000_000_000) }
}
