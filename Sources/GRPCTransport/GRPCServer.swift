internal import HTTP2Transport
public import Logging
public import NIOCore
internal import NIOPosix
internal import Synchronization

/// A gRPC server over HTTP/2 (gRPC over HTTP2 protocol), on any number of addresses. Connections are spread over the
/// group's event loops; everything about one connection happens on one loop.
public final class GRPCServer: Sendable {
  private let group: any EventLoopGroup
  private let lowPriorityGroup: any EventLoopGroup
  let core: GRPCServerCore

  /// - Parameters:
  ///   - lowPriorityGroup: for connections from addresses where rules were just broken; its threads should have a lower
  ///     priority than all others. Nil: they share `group`.
  ///   - crowdIsOver: called on the thread that accepts connections when many have come, and then hardly anybody for a second.
  ///   - accept: decides about a new call, on the call's event loop. Nil answers UNIMPLEMENTED. The handler may keep the call
  ///     and use it from then on, but messages arrive only after `accept` has returned.
  public init(
    group: any EventLoopGroup, lowPriorityGroup: (any EventLoopGroup)? = nil,
    configuration: GRPCServerConfiguration = .init(), logger: Logger,
    crowdIsOver: (@Sendable () -> Void)? = nil,
    accept: @Sendable @escaping (GRPCCall) -> (any GRPCCallHandler)?
  ) {
    self.group = group
    self.lowPriorityGroup = lowPriorityGroup ?? group
    self.core = GRPCServerCore(
      configuration: configuration, logger: logger, lowPriorityGroup: lowPriorityGroup, crowdIsOver: crowdIsOver,
      accept: accept)
  }

  /// Starts to listen, and returns the address (with the port that the system chose for port 0). May be called for
  /// several addresses, each with a way of its own to prepare channels.
  /// - Parameters:
  ///   - unixMode: the permissions of a Unix socket's file; connecting takes the permission to write.
  ///   - prepareChannel: adds handlers before the HTTP/2 handler of each connection, such as TLS. Called on the
  ///     channel's event loop, before the channel is active.
  /// - Throws: the system's error when the address cannot be bound, ``UnixSocketError`` for a Unix socket, or when the
  ///   server is shutting down.
  public func bind(
    to address: ListenAddress, unixMode: UInt16 = 0o600,
    prepareChannel: (@Sendable (any Channel) throws -> Void)? = nil
  ) async throws -> SocketAddress {
    let socket = try ListeningSocket.listen(
      at: address, unixMode: unixMode, backlog: core.configuration.backlog)
    let acceptor = Acceptor(
      socket, core: core, group: group, lowPriorityGroup: lowPriorityGroup, prepare: prepareChannel)
    acceptor.start()
    let isShuttingDown = core.state.withLock { state in
      if !state.isShuttingDown { state.acceptors.append(acceptor) }
      return state.isShuttingDown
    }
    guard !isShuttingDown else {
      socket.file?.remove()
      await acceptor.stop()
      throw GRPCStatus(.unavailable, "the server is shutting down")
    }
    core.logger.info("listening", metadata: ["address": "\(socket.address)"])
    return socket.address
  }

  /// Serves a channel that somebody else has made, on its event loop: connections in memory, for fuzzing.
  package func serve(_ channel: any Channel) throws {
    switch core.admit(from: nil) {
    case .admitted: try core.initialize(channel, peer: channel.remoteAddress, isDistrusted: false, sharesTurns: false)
    case .refused(let refusal):
      core.connectionRefused(refusal)
      throw GRPCStatus(.resourceExhausted, "connection refused")
    }
  }

  /// Ends the server: stops listening, sends GOAWAY, tells every call (``GRPCCallHandler/shutdownRequested()``), waits
  /// for the calls to finish, and after the grace period closes what is left. Returns when every connection is closed.
  public func shutdown(gracePeriod: TimeAmount) async {
    let acceptors = core.state.withLock { state in
      state.isShuttingDown = true
      defer { state.acceptors = [] }
      return state.acceptors
    }
    for acceptor in acceptors {
      // The file first: whoever finds it finds a listener.
      acceptor.socket.file?.remove()
      await acceptor.stop()
    }
    let connections = core.state.withLock { Array($0.connections.values) }
    for connection in connections {
      connection.eventLoop.execute { connection.value.drain() }
    }
    await waitUntilClosed(atMost: gracePeriod)
    let remaining = core.state.withLock { Array($0.connections.values) }
    guard !remaining.isEmpty else { return }
    core.logger.notice("grace period over", metadata: ["connections": "\(remaining.count)"])
    for connection in remaining {
      connection.eventLoop.execute { connection.value.close() }
    }
    await waitUntilClosed(atMost: .seconds(10))
  }

  private func waitUntilClosed(atMost limit: TimeAmount) async {
    let channels = core.state.withLock { Array($0.channels.values) }
    guard !channels.isEmpty else { return }
    let loop = group.any()
    let done = loop.makePromise(of: Void.self)
    EventLoopFuture.andAllComplete(channels.map(\.closeFuture), on: loop).cascade(to: done)
    // The first of the two wins; completing a promise again has no effect.
    let timer = loop.scheduleTask(in: limit) { done.succeed() }
    try? await done.futureResult.get()
    timer.cancel()
  }

  /// Whether rules were lately broken from an address.
  package func distrusts(_ address: String) -> Bool {
    core.offenders.contains(try? SocketAddress(ipAddress: address, port: 0), at: .now())
  }

  // MARK: Counts, for metrics. Cheap, and exact only when nothing is changing.

  /// What was refused, closed and ended, and why.
  public var counts: GRPCServerCounts { core.counts }
  /// Refused connections that are still being told why.
  var lingeringConnectionCount: Int { core.lingeringCount.load(ordering: .relaxed) }
  public var connectionCount: Int { core.connectionCount.load(ordering: .relaxed) }
  /// Open connections from addresses where rules were broken, on loops of low priority.
  public var distrustedConnectionCount: Int { core.distrustedConnectionCount.load(ordering: .relaxed) }
  public var callCount: Int { core.callCount.load(ordering: .relaxed) }
  /// Totals since the start.
  public var acceptedConnectionCount: Int { core.acceptedConnectionCount.load(ordering: .relaxed) }
  public var acceptedCallCount: Int { core.acceptedCallCount.load(ordering: .relaxed) }
}
