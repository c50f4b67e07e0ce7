import ArgumentParser
import EnvoyBootstrap
import Foundation

/// Where `weir serve` takes proxies' connections.
struct ListenOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Where xDS is served without TLS; port 0 takes a free one. (default: 127.0.0.1:15010, if there is neither "
        + "--xds-tls nor --xds-unix)",
      valueName: "host:port"),
    transform: FlagValue.address)
  var xds: HostPort?

  @Option(
    help: ArgumentHelp(
      "Where xDS is served with TLS 1.2 or 1.3; takes --cert and --key.", valueName: "host:port"),
    transform: FlagValue.address)
  var xdsTLS: HostPort?

  @Option(
    help: ArgumentHelp(
      "The server's certificate and those that lead to its root, PEM; read again when it changes.", valueName: "file"),
    completion: .file(), transform: FlagValue.nonEmpty)
  var cert: String?

  @Option(
    help: ArgumentHelp("Its private key, PEM; read again when it changes.", valueName: "file"),
    completion: .file(), transform: FlagValue.nonEmpty)
  var key: String?

  @Option(
    name: .customLong("client-ca"),
    help: ArgumentHelp(
      "Proxies must show a certificate signed by one of these, PEM; read again when it changes. Without it any client "
        + "may connect.", valueName: "file"),
    completion: .file(), transform: FlagValue.nonEmpty)
  var clientCA: String?

  @Flag(
    help: ArgumentHelp(
      "End the streams of a client when its certificate expires, or when whoever signed it is taken out of --client-ca. "
        + "Without it such a client is let in no longer, but stays if it is there."))
  var drainUntrusted = false

  @Option(
    help: ArgumentHelp("Where xDS is served on a Unix domain socket.", valueName: "path"),
    completion: .file(), transform: FlagValue.socketPath)
  var xdsUnix: String?

  @Option(
    help: ArgumentHelp(
      "The permissions of that socket, octal; who may write to it may connect. (default: 0600)", valueName: "mode"),
    transform: FlagValue.fileMode)
  var xdsUnixMode: UInt16?

  func validate() throws {
    if xdsTLS == nil {
      for (flag, value) in [("--cert", cert), ("--key", key), ("--client-ca", clientCA)] where value != nil {
        throw ValidationError("\(flag) is for --xds-tls, which is missing")
      }
    } else {
      guard cert != nil else { throw ValidationError("--xds-tls: --cert is missing") }
      guard key != nil else { throw ValidationError("--xds-tls: --key is missing") }
    }
    if drainUntrusted, clientCA == nil {
      throw ValidationError("--drain-untrusted is for --client-ca, which is missing")
    }
    if xdsUnixMode != nil, xdsUnix == nil {
      throw ValidationError("--xds-unix-mode is for --xds-unix, which is missing")
    }
  }

  /// What was asked for; plain TCP on loopback if nothing was.
  var addresses: ListenAddresses {
    var addresses = ListenAddresses(plain: xds)
    if let xdsTLS, let cert, let key {
      addresses.tls = .init(
        address: xdsTLS, certificate: cert, key: key, clientCA: clientCA, drainsUntrusted: drainUntrusted)
    }
    if let xdsUnix { addresses.unix = .init(path: xdsUnix, mode: xdsUnixMode ?? 0o600) }
    if addresses == ListenAddresses() { addresses.plain = HostPort(host: "127.0.0.1", port: 15010) }
    return addresses
  }
}

/// Where xDS is served; at least one.
struct ListenAddresses: Sendable, Hashable {
  struct TLS: Sendable, Hashable {
    var address: HostPort
    var certificate: String
    var key: String
    var clientCA: String?
    var drainsUntrusted = false
  }

  struct Unix: Sendable, Hashable {
    var path: String
    var mode: UInt16
  }

  var plain: HostPort?
  var tls: TLS?
  var unix: Unix?
}

/// The addresses that were bound; what was not asked for is nil.
struct ServedAddresses: Sendable, Hashable {
  /// `HOST:PORT`.
  var xds: String?
  var xdsTLS: String?
  /// The socket's path.
  var xdsUnix: String?
  var admin: String

  private var named: [(name: String, value: String)] {
    [("xds", xds), ("xds_tls", xdsTLS), ("xds_unix", xdsUnix), ("admin", admin)].compactMap { name, value in
      value.map { (name, $0) }
    }
  }

  /// The line of JSON that says so to whoever started the process.
  func readyLine() throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = .withoutEscapingSlashes
    let members = try named.map { ",\"\($0)\":" + String(decoding: try encoder.encode($1), as: UTF8.self) }
    return "{\"ready\":true\(members.joined())}"
  }

  /// For the log.
  var metadata: [String: String] { Dictionary(uniqueKeysWithValues: named.map { ($0.name, $0.value) }) }
}
