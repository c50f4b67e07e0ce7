import EnvoyBootstrap
import Logging
import TrafficModel
import TransportSecurity
import Weir

/// Where the commands meet the library: the only file of the command line that knows who does the work.
enum Composition {
  /// Starts a control plane; returns when it is bound and serves.
  @Sendable static func serve(_ options: ServeOptions, _ logger: Logger) async throws -> any ServingControlPlane {
    var configuration = ControlPlaneConfiguration(
      manifests: options.manifests, listeners: listeners(options.listen),
      admin: (options.admin.host, Int(options.admin.port)), state: options.state, limits: options.limits)
    configuration.adminToken = options.adminToken
    configuration.releaseState = options.releaseState
    configuration.webhooks = options.webhooks
    configuration.departureTime = options.departureTime
    configuration.changes = options.changes
    configuration.drainsUntrustedClients = options.listen.tls?.drainsUntrusted ?? false
    configuration.virtualHosts = options.virtualHosts
    configuration.loneEndpointsFrom = options.loneEndpointsFrom
    configuration.fetchesClusters = options.fetchesClusters
    return Served(plane: try await ControlPlane.start(configuration, logger: logger))
  }

  /// The releases of a running `weir serve`.
  ///
  /// - Throws: `CommandFailure` if there is no token where one is to be read.
  static func releases(of options: ServerOptions) throws -> any ReleaseBackend {
    try RemoteReleases.server("http://\(options.server)", token: options.token(), timeout: options.timeout)
  }

  /// Everything that is wrong with the manifests of the directories, as the gate sees it.
  @Sendable static func check(_ directories: [String]) async throws -> [Problem] {
    ControlPlane.check(directories: directories)
  }

  private static func listeners(_ addresses: ListenAddresses) -> [XDSListener] {
    var listeners: [XDSListener] = []
    if let plain = addresses.plain { listeners.append(.tcp(host: plain.host, port: Int(plain.port))) }
    if let tls = addresses.tls {
      let files = TLSFiles(certificate: tls.certificate, key: tls.key, clientCA: tls.clientCA)
      listeners.append(.tls(host: tls.address.host, port: Int(tls.address.port), files))
    }
    if let unix = addresses.unix { listeners.append(.unix(path: unix.path, mode: unix.mode)) }
    return listeners
  }

  private struct Served: ServingControlPlane {
    let plane: ControlPlane
    var addresses: ServedAddresses {
      var served = ServedAddresses(admin: plane.adminAddress ?? "")
      for bound in plane.listeners {
        switch bound.listener {
        case .tcp: served.xds = bound.address
        case .tls: served.xdsTLS = bound.address
        case .unix: served.xdsUnix = bound.address
        }
      }
      return served
    }
    func waitUntilStopped() async throws { try await plane.waitUntilStopped() }
    func drain(within time: Duration) async { await plane.drain(within: time) }
  }
}
