import EnvoyHarness

/// How a mesh's Envoy reaches its Weir.
enum Transport: String, CaseIterable, Sendable, CustomStringConvertible {
  case plain = "TCP"
  case unix = "Unix socket"
  case mutualTLS = "mutual TLS"

  var description: String { rawValue }

  /// Who signs what, and the files that `weir serve` was given: an operator's to replace.
  struct Authorities: Sendable {
    var servers: CertificateAuthority
    var clients: CertificateAuthority
    var served: WeirListeners.TLS
  }

  struct Way: Sendable {
    var listeners: WeirListeners
    var route: WeirRoute
    var authorities: Authorities?
  }

  /// Weir listens in this way only.
  func way(in directory: TemporaryDirectory) async throws -> Way {
    switch self {
    case .plain: return Way(listeners: WeirListeners(plain: "127.0.0.1:0"), route: .plain)
    case .unix: return Way(listeners: WeirListeners(unix: directory.path + "/xds.sock"), route: .unix)
    case .mutualTLS:
      let servers = try await CertificateAuthority("servers", in: directory)
      let clients = try await CertificateAuthority("clients", in: directory)
      // Weir reads copies, which a test may overwrite.
      let tls = WeirListeners.TLS(
        server: .init(certificate: directory.path + "/tls.pem", key: directory.path + "/tls.key"),
        clientCA: directory.path + "/client-ca.pem")
      let authorities = Authorities(servers: servers, clients: clients, served: tls)
      try authorities.serve(try await servers.issue("weir"), trusting: [clients])
      return Way(
        listeners: WeirListeners(tls: tls),
        route: .tls(ca: servers.certificate, client: try await clients.issue("sidecar")), authorities: authorities)
    }
  }
}
