import GRPCTransport
import HTTP2Transport
import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing
import XDSServer
import XDSSnapshot

/// An xDS server under attack, on one event loop with a bystander who must notice nothing.
final class Siege: Sendable {
  let grpc: GRPCServer
  let xds: XDSServer
  let port: Int
  private let bystander: Bystander
  private let ledger: ConnectionLedger

  private init(
    grpc: GRPCServer, xds: XDSServer, port: Int, bystander: Bystander, ledger: ConnectionLedger
  ) {
    self.grpc = grpc
    self.xds = xds
    self.port = port
    self.bystander = bystander
    self.ledger = ledger
  }

  /// Runs an attack while the bystander takes updates. Afterwards the bystander still does; and connections, calls, streams
  /// and the memory of the attackers' connections are gone.
  static func run(
    _ configuration: GRPCServerConfiguration = .init(), _ attack: @Sendable @escaping (Siege) async throws -> Void
  ) async throws {
    let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    let ledger = ConnectionLedger()
    var logger = Logger(label: "siege") { _ in CloseReasons(ledger: ledger) }
    logger.logLevel = .debug
    let xds = XDSServer(logger: logger, classify: { _ in Bystander.proxyClass })
    var configuration = configuration
    configuration.prepareChannel = { ledger.follow($0) }
    let grpc = GRPCServer(group: group, configuration: configuration, logger: logger) { xds.accept($0) }
    let address = try await grpc.bind(to: .tcp(host: "127.0.0.1", port: 0))
    let port = address.port ?? 0
    do {
      let bystander = try await Bystander.open(port: port, xds: xds)
      let siege = Siege(grpc: grpc, xds: xds, port: port, bystander: bystander, ledger: ledger)
      try await siege.besiege(attack)
    } catch {
      await grpc.shutdown(gracePeriod: .zero)
      try await group.shutdownGracefully()
      throw error
    }
    await grpc.shutdown(gracePeriod: .zero)
    try await group.shutdownGracefully()
  }

  private func besiege(_ attack: @Sendable @escaping (Siege) async throws -> Void) async throws {
    try await bystander.update()
    try await withThrowingTaskGroup(of: Void.self) { group in
      let isOver = Atomic(false)
      group.addTask { [self] in
        repeat {
          try await bystander.update()
          try await Task.sleep(for: .milliseconds(5))
        } while !isOver.load(ordering: .relaxed)
      }
      do { try await attack(self) } catch {
        isOver.store(true, ordering: .relaxed)
        throw error
      }
      isOver.store(true, ordering: .relaxed)
      try await group.waitForAll()
    }
    try await bystander.update()
    try await eventually("only the bystander is left") {
      let streams = await xds.metrics().streams.values.reduce(0, +)
      return grpc.connectionCount == 1 && grpc.callCount == 1 && streams == 1
    }
    try await eventually("the attackers' connections are freed") { ledger.livingConnections == 1 }
    try await bystander.update()
    #expect(bystander.updates >= 4)
  }

  // MARK: Attackers

  /// A connection that has said nothing yet.
  func connect(receiveBuffer: Int? = nil) async throws -> RawConnection {
    try await RawConnection.open(port: port, receiveBuffer: receiveBuffer)
  }

  /// A connection after its preface.
  func join(receiveBuffer: Int? = nil) async throws -> RawConnection {
    let connection = try await connect(receiveBuffer: receiveBuffer)
    try await connection.handshake()
    return connection
  }

  /// Waits until the server has closed a connection, and why. What it told the attacker may be lost to a TCP reset while
  /// the attacker still sends, so this is the server's own word.
  func expectClose(_ reason: String, sourceLocation: SourceLocation = #_sourceLocation) async throws {
    var actual: String?
    try await eventually("the server closed a connection") {
      actual = ledger.takeReason()
      return actual != nil
    }
    #expect(actual?.contains(reason) == true, "\(actual ?? "")", sourceLocation: sourceLocation)
  }
}

/// What became of the server's connections: the reasons of their ends, and which are still in memory.
final class ConnectionLedger: Sendable {
  /// Looked at from any thread, for nil alone; what it refers to is not used.
  private final class Reference: @unchecked Sendable {
    weak var connection: HTTP2Connection?
    init(_ connection: HTTP2Connection) { self.connection = connection }
  }

  private let state = Mutex((references: [Reference](), reasons: [String]()))

  func follow(_ channel: any Channel) {
    // The connection's handler is added after this returns.
    channel.eventLoop.execute {
      if let connection = try? channel.pipeline.syncOperations.handler(type: HTTP2Connection.self) {
        let reference = Reference(connection)
        self.state.withLock { $0.references.append(reference) }
      }
    }
  }

  var livingConnections: Int {
    state.withLock { state in
      state.references.removeAll { $0.connection == nil }
      return state.references.count
    }
  }

  func note(_ reason: String) { state.withLock { $0.reasons.append(reason) } }
  func takeReason() -> String? { state.withLock { $0.reasons.isEmpty ? nil : $0.reasons.removeFirst() } }
}

/// Hears the server's log for one thing: why a connection was closed.
private struct CloseReasons: LogHandler {
  let ledger: ConnectionLedger
  var logLevel = Logger.Level.debug
  var metadata: Logger.Metadata = [:]

  init(ledger: ConnectionLedger) { self.ledger = ledger }

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    guard "\(event.message)" == "connection closed", let reason = event.metadata?["reason"] else { return }
    ledger.note("\(reason)")
  }
}
