internal import HTTP2Transport
internal import Logging
internal import NIOCore
internal import Synchronization
internal import Telemetry

/// What a server's connections share: configuration, counts, and the list of who is connected.
final class GRPCServerCore: Sendable {
  struct State {
    var acceptors: [Acceptor] = []
    var connections: [ObjectIdentifier: NIOLoopBound<HTTP2Connection>] = [:]
    var channels: [ObjectIdentifier: any Channel] = [:]
    var turns: [ObjectIdentifier: (turns: NIOLoopBound<LoopTurns>, waiting: WaitingInput)] = [:]
    var isShuttingDown = false
  }

  let configuration: GRPCServerConfiguration
  let logger: Logger
  let accept: @Sendable (GRPCCall) -> (any GRPCCallHandler)?
  let crowdIsOver: (@Sendable () -> Void)?
  let state = Mutex(State())
  let counts = GRPCServerCounts()
  let lowPriorityLoops: Set<ObjectIdentifier>
  let offenders = Offenders()
  let partHolders = PartHolders()
  let largeTurns = LargeTurns()
  let connectionHolders = ConnectionHolders()
  let connectionCount = Atomic<Int>(0)
  /// Refused connections that linger for their client to read why. They are few, so that they are no burden themselves.
  let lingeringCount = Atomic<Int>(0)
  private static let maxLingering = 128
  private let farewells: [GRPCConnectionRefusal: ByteBuffer]
  private let refusalLog = LogBudget(burst: 1, perSecond: 0.1)
  let acceptedConnectionCount = Atomic<Int>(0)
  let distrustedConnectionCount = Atomic<Int>(0)
  let callCount = Atomic<Int>(0)
  let acceptedCallCount = Atomic<Int>(0)

  init(
    configuration: GRPCServerConfiguration, logger: Logger, lowPriorityGroup: (any EventLoopGroup)? = nil,
    crowdIsOver: (@Sendable () -> Void)? = nil,
    accept: @Sendable @escaping (GRPCCall) -> (any GRPCCallHandler)?
  ) {
    lowPriorityLoops = Set(lowPriorityGroup?.makeIterator().map { ObjectIdentifier($0) } ?? [])
    self.configuration = configuration
    self.logger = logger
    self.accept = accept
    self.crowdIsOver = crowdIsOver
    farewells = [
      .connections: RefusedConnection.farewell("too many connections (limit \(configuration.maxConnections))"),
      .memory: RefusedConnection.farewell("out of memory for clients (limit \(configuration.memory.limit) bytes)"),
    ]
  }

  // MARK: Admission

  enum Trust: Sendable {
    case trusted
    /// From an address where a rule was just broken.
    case distrusted
  }

  enum Admission: Sendable {
    case admitted(Trust)
    case refused(GRPCConnectionRefusal)
  }

  /// Counts an accepted connection in, unless it is one too many.
  func admit(from peer: SocketAddress?) -> Admission {
    guard !configuration.memory.isFull else { return .refused(.memory) }
    switch connectionHolders.admit(peer?.clientNetwork, limit: configuration.maxConnections) {
    case .refused: return .refused(.connections)
    case .instead(let other): other.eventLoop.execute { other.value.makeRoom() }
    case .admitted: break
    }
    connectionCount.add(1, ordering: .relaxed)
    return .admitted(offenders.contains(peer, at: .now()) ? .distrusted : .trusted)
  }

  /// Sets up an admitted connection's channel, on its event loop.
  ///
  /// - Parameters:
  ///   - sharesTurns: the connection shares its loop's time with others. Not for channels in memory, whose clock stands still.
  ///   - socket: of the channel, if it is one.
  ///   - prepare: adds handlers before HTTP/2, such as TLS.
  func initialize(
    _ channel: any Channel, peer: SocketAddress?, isDistrusted: Bool, sharesTurns: Bool = true, socket: CInt? = nil,
    prepare: ((any Channel) throws -> Void)? = nil
  ) throws {
    do {
      try prepare?(channel)
      let (turns, waiting) = sharesTurns ? turns(of: channel.eventLoop) : (nil, nil)
      // One busy connection gets one buffer a turn, so that its neighbours on the loop wait for no more than that.
      try channel.syncOptions?.setOption(
        .recvAllocator, value: ReceiveSizing(minimum: 512, maximum: 32 << 10, waiting: waiting))
      let user = GRPCServerConnection(server: self, channel: channel, peer: peer, turns: turns)
      let connection = try HTTP2Connection(
        role: .server, configuration: configuration.connection, delegate: user, turns: turns,
        timers: user.timers, socket: prepare == nil ? socket : nil)
      if isDistrusted { connection.distrust() }
      try channel.pipeline.syncOperations.addHandler(connection)
      if !connection.isClosed {
        user.calls.conduct.connection = connection
        if isDistrusted { serveLast(connection, user.calls, peer) }
      }
      // From here on the connection's end is told, so what is counted in here is counted out.
      opened(connection, channel, user.calls)
      turns?.giveWay()
    } catch {
      connectionCount.subtract(1, ordering: .relaxed)
      connectionHolders.withdraw(peer?.clientNetwork)
      throw error
    }
  }

  /// Whether a refused client is told why: if it can read that without a handshake and few others are being told. If so, its
  /// place among these is taken, until the channel that is given to ``refuse(_:_:)`` is closed.
  func mayLinger(isPlain: Bool) -> Bool {
    guard isPlain else { return false }
    guard lingeringCount.add(1, ordering: .relaxed).newValue <= Self.maxLingering else {
      lingeringCount.subtract(1, ordering: .relaxed)
      return false
    }
    return true
  }

  /// Tells the client why, and closes the channel.
  func refuse(_ channel: any Channel, _ refusal: GRPCConnectionRefusal) throws {
    channel.closeFuture.whenComplete { _ in self.lingeringCount.subtract(1, ordering: .relaxed) }
    guard let farewell = farewells[refusal] else { throw GRPCStatus(.resourceExhausted, "connection refused") }
    try channel.pipeline.syncOperations.addHandler(RefusedConnection(farewell: farewell))
  }

  /// Counts a connection that was turned away, and says so in the log, once in a while.
  func connectionRefused(_ refusal: GRPCConnectionRefusal) {
    counts.refusedConnections.add(refusal)
    guard let keptBack = refusalLog.take() else { return }
    logger.warning(
      "connections refused", metadata: ["limit": "\(refusal.rawValue)", "since-last-time": "\(keptBack + 1)"])
  }

  // MARK: Connections

  /// Bytes that connections of one loop may have read and not handled, before each of them reads less at a time.
  private static let waitingBytes = 16 << 20

  private func turns(of eventLoop: any EventLoop) -> (LoopTurns, WaitingInput) {
    let shared = state.withLock { state in
      let key = ObjectIdentifier(eventLoop)
      if let known = state.turns[key] { return known }
      let waiting = WaitingInput(budget: min(Self.waitingBytes, configuration.memory.limit / 32))
      let memory = configuration.memory
      let turns = LoopTurns(
        eventLoop: eventLoop, large: largeTurns, isServedLast: lowPriorityLoops.contains(key),
        onWaiting: { connections, bytes in
          waiting.note(connections)
          memory.chargeAnyway(bytes)
        },
        inputShare: { waiting.share })
      let new = (turns: NIOLoopBound(turns, eventLoop: eventLoop), waiting: waiting)
      state.turns[key] = new
      return new
    }
    return (shared.turns.value, shared.waiting)
  }

  private func opened(_ connection: HTTP2Connection, _ channel: any Channel, _ calls: ConnectionCalls) {
    let key = ObjectIdentifier(channel)
    let bound = NIOLoopBound(connection, eventLoop: channel.eventLoop)
    calls.place = connectionHolders.add(calls.network, bound)
    let isShuttingDown = state.withLock { state in
      state.connections[key] = bound
      state.channels[key] = channel
      return state.isShuttingDown
    }
    acceptedConnectionCount.add(1, ordering: .relaxed)
    // Not now: the channel is not registered yet, and must not be closed before that.
    if isShuttingDown { bound.eventLoop.execute { bound.value.drain() } }
  }

  /// A connection stays on its loop. One that came from a suspect address, and has behaved ever since, is sent away in an
  /// orderly way when its address is trusted again: its client comes back at once, to a loop of the usual kind.
  private func serveLast(_ connection: HTTP2Connection, _ calls: ConnectionCalls, _ peer: SocketAddress?) {
    distrustedConnectionCount.add(1, ordering: .relaxed)
    calls.isCountedAsDistrusted = true
    calls.drainOnReturnToTrust(of: connection, every: configuration.distrustedTime) { [offenders] in
      !offenders.contains(peer, at: .now())
    }
  }

  /// - Parameters:
  ///   - isOfUse: the client has opened a stream. One that has not, because it came and went, showed no certificate, speaks something
  ///     else or nothing after a handshake, has cost a connection all the same.
  ///   - hasSpoken: it has said something that is HTTP/2.
  func connectionClosed(
    _ channel: any Channel, _ calls: ConnectionCalls, from peer: SocketAddress?, isOfUse: Bool, hasSpoken: Bool,
    _ error: HTTP2ConnectionError
  ) {
    let key = ObjectIdentifier(channel)
    state.withLock { state in
      state.connections[key] = nil
      state.connections.giveRoomBack()
      state.channels[key] = nil
      state.channels.giveRoomBack()
    }
    // First these, which are some of those.
    if calls.isCountedAsDistrusted { distrustedConnectionCount.subtract(1, ordering: .relaxed) }
    connectionCount.subtract(1, ordering: .relaxed)
    if let place = calls.place { connectionHolders.remove(place) }
    let offence = Self.offence(error.code, isOfUse: isOfUse, hasSpoken: hasSpoken)
    if let offence { offenders.note(peer, offence, at: .now()) }
    counts.closedConnections.add(error.code)
    logger.debug("connection closed", metadata: ["reason": "\(error)"])
  }

  private static func offence(_ code: HTTP2ConnectionError.Code, isOfUse: Bool, hasSpoken: Bool) -> Offence? {
    switch code {
    case .flood: .grave
    case .displaced: nil
    case .protocolViolation: hasSpoken ? .grave : .odd
    default: isOfUse ? nil : .odd
    }
  }

  func callOpened() {
    callCount.add(1, ordering: .relaxed)
    acceptedCallCount.add(1, ordering: .relaxed)
  }

  func callClosed() {
    callCount.subtract(1, ordering: .relaxed)
  }
}
