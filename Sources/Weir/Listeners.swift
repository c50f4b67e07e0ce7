internal import EnvoyBootstrap
internal import GRPCTransport
internal import Logging
internal import NIOCore
internal import Telemetry
internal import TransportSecurity

/// Binds a control plane's listeners.
struct Listeners {
  private(set) var bound: [XDSListener.Bound] = []
  /// To be watched for as long as the server runs.
  private(set) var certificates: [ServerCertificates] = []

  /// All or an error; what is bound by then closes with the server. Certificates are read before anything is bound.
  static func bind(
    _ listeners: [XDSListener], to server: GRPCServer, timing: ServerCertificates.Timing, drainsUntrusted: Bool,
    registry: MetricsRegistry, logger: Logger
  ) async throws(ControlPlaneError) -> Listeners {
    var result = Listeners()
    var secured: [TLSFiles: ServerCertificates] = [:]
    for case .tls(_, _, let files) in listeners where secured[files] == nil {
      do {
        let certificates = try ServerCertificates(
          files: files, timing: timing, drainsUntrusted: drainsUntrusted, metrics: TLSMetrics(registry), logger: logger)
        secured[files] = certificates
        result.certificates.append(certificates)
      } catch {
        throw ControlPlaneError(code: .unusableCertificate, message: error.description, cause: error)
      }
    }
    for listener in listeners {
      do {
        let address: SocketAddress
        switch listener {
        case .tcp(let host, let port):
          address = try await server.bind(to: .tcp(host: host, port: port))
        case .tls(let host, let port, let files):
          // A missing one would make this a plain listener; the loop above has put one there for each.
          guard let certificates = secured[files] else { preconditionFailure("no certificates for \(files)") }
          address = try await server.bind(
            to: .tcp(host: host, port: port), prepareChannel: { try certificates.secure($0) })
        case .unix(let path, let mode):
          address = try await server.bind(to: .unix(path: path), unixMode: mode)
        }
        result.bound.append(XDSListener.Bound(listener: listener, address: text(address)))
      } catch {
        throw ControlPlaneError(
          code: .cannotListen, message: "cannot listen for xDS on \(listener.place): \(error)", cause: error)
      }
    }
    return result
  }

  private static func text(_ address: SocketAddress) -> String {
    guard let host = address.ipAddress, let port = address.port else { return address.pathname ?? "\(address)" }
    return HostPort(host: host, port: UInt16(port)).description
  }
}

extension XDSListener {
  fileprivate var place: String {
    switch self {
    case .tcp(let host, let port): "\(ListenAddress.tcp(host: host, port: port))"
    case .tls(let host, let port, _): "\(ListenAddress.tcp(host: host, port: port)) with TLS"
    case .unix(let path, _): "\(ListenAddress.unix(path: path))"
    }
  }
}
