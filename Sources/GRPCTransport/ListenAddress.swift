internal import NIOCore

/// Where a server listens or a client connects.
public enum ListenAddress: Sendable, Hashable, CustomStringConvertible {
  /// A name or address and a port; port 0 lets the system choose when listening.
  case tcp(host: String, port: Int)
  /// A Unix domain socket, at most 107 bytes long. When listening, a socket file that is left over at the path, and that
  /// nobody listens on, is replaced.
  case unix(path: String)

  public var description: String {
    switch self {
    case .tcp(let host, let port): host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)"
    case .unix(let path): "unix:\(path)"
    }
  }
}
