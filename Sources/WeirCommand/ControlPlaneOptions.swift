import ArgumentParser
import EnvoyBootstrap

/// How the Envoy of `weir bootstrap` reaches Weir.
struct ControlPlaneOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp("Where Weir serves xDS without TLS.", valueName: "host:port"), transform: FlagValue.peerAddress)
  var xds: HostPort?

  @Option(
    help: ArgumentHelp("Where Weir serves xDS with TLS; takes --ca.", valueName: "host:port"),
    transform: FlagValue.peerAddress)
  var xdsTLS: HostPort?

  @Option(
    help: ArgumentHelp("The Unix domain socket on which Weir serves xDS.", valueName: "path"),
    completion: .file(), transform: FlagValue.socketPath)
  var xdsUnix: String?

  @Option(
    help: ArgumentHelp(
      "Who may sign Weir's certificate, PEM. This and the other files lie where Envoy runs, which reads them when it "
        + "starts.", valueName: "file"),
    completion: .file(), transform: FlagValue.nonEmpty)
  var ca: String?

  @Option(
    help: ArgumentHelp("The certificate that Envoy shows, PEM; for a Weir with --client-ca.", valueName: "file"),
    completion: .file(), transform: FlagValue.nonEmpty)
  var cert: String?

  @Option(
    help: ArgumentHelp("Its private key, PEM.", valueName: "file"), completion: .file(), transform: FlagValue.nonEmpty)
  var key: String?

  @Option(
    help: ArgumentHelp(
      "The name or IP address that Weir's certificate must bear. (default: the host of --xds-tls)", valueName: "name"),
    transform: FlagValue.hostName)
  var serverName: String?

  func validate() throws {
    let ways = [xds != nil, xdsTLS != nil, xdsUnix != nil].count { $0 }
    guard ways > 0 else { throw ValidationError("one of --xds, --xds-tls and --xds-unix is needed") }
    guard ways == 1 else { throw ValidationError("--xds, --xds-tls and --xds-unix exclude each other") }
    guard xdsTLS != nil else {
      for (flag, value) in [("--ca", ca), ("--cert", cert), ("--key", key), ("--server-name", serverName)]
      where value != nil {
        throw ValidationError("\(flag) is for --xds-tls, which is missing")
      }
      return
    }
    guard ca != nil else { throw ValidationError("--xds-tls: --ca is missing, by which Envoy knows Weir") }
    if (cert == nil) != (key == nil) {
      throw ValidationError("\(cert == nil ? "--key: --cert" : "--cert: --key") is missing")
    }
  }

  /// Only after `validate`.
  var address: ControlPlaneAddress {
    if let xdsUnix { return .unix(path: xdsUnix) }
    guard let xdsTLS, let ca else {
      guard let xds else { preconditionFailure("validated: there is an address") }
      return .plain(xds)
    }
    var tls = UpstreamTLS(ca: ca, serverName: serverName)
    if let cert, let key { tls.client = .init(certificate: cert, key: key) }
    return .tls(xdsTLS, tls)
  }
}
