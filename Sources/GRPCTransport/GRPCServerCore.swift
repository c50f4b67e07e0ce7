internal import HTTP2Transport
internal import Logging
internal import NIOCore
internal import Synchronization

/// What a server's connections share: configuration, counts, and the list of who is connected.
final class GRPCServerCore: Sendable {
  struct State {
    /// With the file of a Unix socket.
    var listeners: [(any Channel, UnixSocketFile?)] = []
    var connections: [ObjectIdentifier: NIOLoopBound<HTTP2Connection>] = [:]
    var channels: [ObjectIdentifier: any Channel] = [:]
    var isShuttingDown = false
  }

  let configuration: GRPCServerConfiguration
  let logger: Logger
  let accept: @Sendable (GRPCCall) -> (any GRPCCallHandler)?
  let state = Mutex(State())
  let connectionCount = Atomic<Int>(0)
  let acceptedConnectionCount = Atomic<Int>(0)
  let callCount = Atomic<Int>(0)
  let acceptedCallCount = Atomic<Int>(0)

  init(
    configuration: GRPCServerConfiguration, logger: Logger,
    accept: @Sendable @escaping (GRPCCall) -> (any GRPCCallHandler)?
  ) {
    self.configuration = configuration
    self.logger = logger
    self.accept = accept
  }

  /// Sets up an accepted channel, on its event loop.
  func initialize(_ channel: any Channel) throws {
    let user = GRPCServerConnection(server: self, channel: channel)
    let connection = try HTTP2Connection(role: .server, configuration: configuration.connection, delegate: user)
    try channel.pipeline.syncOperations.addHandler(connection)
    // From here on the connection's end is told, so what is counted in here is counted out.
    let key = ObjectIdentifier(channel)
    let bound = NIOLoopBound(connection, eventLoop: channel.eventLoop)
    let isShuttingDown = state.withLock { state in
      state.connections[key] = bound
      state.channels[key] = channel
      return state.isShuttingDown
    }
    connectionCount.add(1, ordering: .relaxed)
    acceptedConnectionCount.add(1, ordering: .relaxed)
    if isShuttingDown { connection.drain() }
  }

  func connectionClosed(_ channel: any Channel, _ error: HTTP2ConnectionError) {
    let key = ObjectIdentifier(channel)
    state.withLock { state in
      state.connections[key] = nil
      state.channels[key] = nil
    }
    connectionCount.subtract(1, ordering: .relaxed)
    logger.debug("connection closed", metadata: ["reason": "\(error)"])
  }

  func callOpened() {
    callCount.add(1, ordering: .relaxed)
    acceptedCallCount.add(1, ordering: .relaxed)
  }

  func callClosed() {
    callCount.subtract(1, ordering: .relaxed)
  }
}
