internal import Hummingbird
internal import HummingbirdCore
public import Logging
internal import NIOCore
internal import NIOPosix
internal import ServiceLifecycle
public import Telemetry

/// The admin side of a control plane: health, metrics and status, and releases, over HTTP/1.1.
///
/// Reading needs no authentication, and writing a token if there is one: bind it to loopback, or to an address that only
/// operators reach. Pages in a browser cannot write; on loopback they cannot read either. It keeps at most 512 connections, of which
/// at most 192 watch or wait, and closes those that are idle for a minute.
public final class AdminHTTPServer: Sendable {
  /// Where it listens, as `HOST:PORT` (`[::1]:15014` for IPv6).
  public let address: String
  private let group: ServiceGroup
  private let running: Task<Void, any Error>

  private init(address: String, group: ServiceGroup, running: Task<Void, any Error>) {
    self.address = address
    self.group = group
    self.running = running
  }

  /// Binds and serves; returns once connections are accepted.
  ///
  /// - Parameters:
  ///   - host: a name or an IP literal, without brackets.
  ///   - port: 0 lets the system choose; `address` tells the choice.
  ///   - token: what a write has to bring; nil for nothing.
  ///   - heartbeat: how often those who watch a release hear that the server is there.
  ///   - drainTime: how long requests under way may take after `shutdown()`.
  /// - Throws: `AdminError` with code `bind`.
  public static func start(
    host: String, port: UInt16, source: any AdminDataSource, metrics: MetricsRegistry, logger: Logger,
    token: BearerToken? = nil, heartbeat: Duration = .seconds(15), drainTime: Duration = .seconds(5)
  ) async throws -> AdminHTTPServer {
    // Hummingbird tells at `info` what the caller tells anyway.
    var logger = logger
    logger.logLevel = max(logger.logLevel, .notice)
    let (addresses, continuation) = AsyncThrowingStream.makeStream(of: String.self)
    let connections = AdminConnections()
    let application = Application(
      router: AdminRoutes(
        source: source, metrics: metrics,
        access: AdminAccess(isLoopback: AdminAccess.isLoopback(host), token: token),
        watching: Watching(heartbeat: heartbeat), connections: connections
      ).router(),
      server: .http1(configuration: .init(idleTimeout: .seconds(60))),
      configuration: ApplicationConfiguration(
        address: .hostname(host, port: Int(port)), availableConnectionsDelegate: connections),
      onServerRunning: { channel in
        continuation.yield(hostPort(of: channel.localAddress))
        continuation.finish()
      },
      logger: logger)
    var configuration = ServiceGroupConfiguration(services: [application], logger: logger)
    configuration.maximumGracefulShutdownDuration = drainTime
    let group = ServiceGroup(configuration: configuration)
    let running = Task {
      do {
        try await group.run()
        continuation.finish()
      } catch {
        continuation.finish(throwing: error)
        throw error
      }
    }
    do {
      for try await address in addresses {
        return AdminHTTPServer(address: address, group: group, running: running)
      }
      throw CancellationError()
    } catch {
      running.cancel()
      throw AdminError(.bind, "cannot listen on \(host):\(port): \(error)", cause: error)
    }
  }

  /// Stops accepting, lets the requests under way finish for the drain time, and returns when all connections are closed.
  /// A second call waits for the same end.
  public func shutdown() async {
    await group.triggerGracefulShutdown()
    _ = await running.result
  }

  /// Returns when the server has stopped.
  /// - Throws: what stopped it, if that was not `shutdown()`.
  public func waitUntilStopped() async throws {
    try await running.value
  }
}

private func hostPort(of address: SocketAddress?) -> String {
  guard let address, let host = address.ipAddress, let port = address.port else { return "" }
  return host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
}
