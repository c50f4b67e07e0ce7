/// Where a `weir serve` under test takes proxies' connections.
public struct WeirListeners: Sendable, Hashable {
  /// TLS, on a port of 127.0.0.1 that the system chooses.
  public struct TLS: Sendable, Hashable {
    public var server: CertificateAuthority.Identity
    /// Who may sign clients' certificates; nil lets anybody in.
    public var clientCA: String?

    public init(server: CertificateAuthority.Identity, clientCA: String? = nil) {
      self.server = server
      self.clientCA = clientCA
    }
  }

  /// Plain TCP: an address, or nil for none.
  public var plain: String?
  public var tls: TLS?
  /// A socket's path.
  public var unix: String?

  public init(plain: String? = nil, tls: TLS? = nil, unix: String? = nil) {
    self.plain = plain
    self.tls = tls
    self.unix = unix
  }

  /// The flags; with addresses, those that it had before.
  func arguments(at addresses: WeirProcess.Addresses? = nil) -> [String] {
    var arguments: [String] = []
    if let plain { arguments += ["--xds", addresses?.xds ?? plain] }
    if let tls {
      arguments += [
        "--xds-tls", addresses?.xdsTLS ?? "127.0.0.1:0", "--cert", tls.server.certificate, "--key", tls.server.key,
      ]
      if let clientCA = tls.clientCA { arguments += ["--client-ca", clientCA] }
    }
    if let unix { arguments += ["--xds-unix", unix] }
    return arguments
  }
}

/// The way that an Envoy takes to Weir.
public enum WeirRoute: Sendable, Hashable {
  case plain
  /// - Parameters:
  ///   - ca: a file with who may sign Weir's certificate.
  ///   - client: what Envoy shows; nil shows nothing.
  case tls(ca: String, client: CertificateAuthority.Identity?)
  case unix

  /// The flags of `weir bootstrap`.
  func arguments(to addresses: WeirProcess.Addresses) -> [String] {
    switch self {
    case .plain: return ["--xds", addresses.xds]
    case .unix: return ["--xds-unix", addresses.xdsUnix ?? ""]
    case .tls(let ca, let client):
      // By name, as a Weir that is found through DNS would be known.
      let server = ["--xds-tls", addresses.xdsTLS ?? "", "--ca", ca, "--server-name", "weir.test"]
      return server + (client.map { ["--cert", $0.certificate, "--key", $0.key] } ?? [])
    }
  }
}
