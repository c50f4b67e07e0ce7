public import TransportSecurity

/// Where proxies connect, and how that is protected.
public enum XDSListener: Sendable, Hashable {
  /// Plain TCP. Whoever can connect can read the whole configuration: for loopback, or a network that is trusted.
  /// Port 0 lets the system choose.
  case tcp(host: String, port: Int)
  /// TCP with TLS 1.2 or 1.3. With a ``TLSFiles/clientCA``, clients must show a certificate that it has signed.
  case tls(host: String, port: Int, TLSFiles)
  /// A Unix domain socket, whose file has these permissions: who may write to it may connect.
  case unix(path: String, mode: UInt16 = 0o600)

  /// A listener that is bound.
  public struct Bound: Sendable, Hashable {
    public let listener: XDSListener
    /// `HOST:PORT`, or the path of a socket.
    public let address: String
  }
}
