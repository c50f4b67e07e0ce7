public import Foundation

/// Somebody who signs certificates, for tests: made with the `openssl` command, P-256, in files.
public struct CertificateAuthority: Sendable {
  /// A certificate and its key, as files.
  public struct Identity: Sendable, Hashable {
    public var certificate: String
    public var key: String

    public init(certificate: String, key: String) {
      self.certificate = certificate
      self.key = key
    }
  }

  /// When a certificate is valid.
  public enum Validity: Sendable, Hashable {
    case now, past, future
    /// From 2020 on.
    case until(Date)

    /// `YYYYMMDDHHMMSSZ`, as openssl-ca(1) takes it; around this century's first half.
    var dates: (from: String, to: String) {
      switch self {
      case .now: ("20200101000000Z", "20490101000000Z")
      case .past: ("20200101000000Z", "20200201000000Z")
      case .future: ("20480101000000Z", "20490101000000Z")
      case .until(let end):
        (
          "20200101000000Z",
          end.formatted(.iso8601).filter { $0.isNumber || $0 == "T" || $0 == "Z" }.replacing("T", with: "")
        )
      }
    }
  }

  private let folder: String
  /// The authority's own, signed by itself.
  public let identity: Identity
  public var certificate: String { identity.certificate }

  private static let openssl = "/usr/bin/openssl"
  private static let newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]

  /// - Throws: ``HarnessError`` if there is no `openssl` or it refuses.
  public init(_ name: String, in directory: TemporaryDirectory) async throws {
    folder = "\(directory.path)/\(name)"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    identity = Identity(certificate: "\(folder)/ca.pem", key: "\(folder)/ca.key")
    try await Self.run(
      ["req", "-x509"] + Self.newKey + [
        "-keyout", identity.key, "-out", identity.certificate, "-days", "365", "-subj", "/CN=\(name)", "-addext",
        "basicConstraints=critical,CA:TRUE",
      ])
    try write(
      "ca.cnf",
      """
      [ca]
      default_ca = it
      [it]
      rand_serial = yes
      new_certs_dir = \(folder)
      default_md = sha256
      policy = any
      unique_subject = no
      copy_extensions = copyall
      [any]
      commonName = supplied
      """)
  }

  /// Makes a key, and a certificate for it.
  /// - Parameter names: the subject's alternative names, such as `DNS:weir.test` or `IP:127.0.0.1`.
  public func issue(
    _ name: String, names: [String] = ["DNS:weir.test", "IP:127.0.0.1"], validity: Validity = .now
  ) async throws -> Identity {
    let stem = "\(folder)/\(name)-\(UUID().uuidString.prefix(8))"
    let identity = Identity(certificate: stem + ".pem", key: stem + ".key")
    try await Self.run(
      ["req", "-new"] + Self.newKey + [
        "-keyout", identity.key, "-out", stem + ".csr", "-subj", "/CN=\(name)", "-addext",
        "subjectAltName=\(names.joined(separator: ","))",
      ])
    // A database of its own, for several may be issued at the same time.
    try Data().write(to: URL(fileURLWithPath: stem + ".index"))
    let configuration = try String(contentsOfFile: folder + "/ca.cnf", encoding: .utf8)
    try Data(configuration.replacing("[it]\n", with: "[it]\ndatabase = \(stem).index\n").utf8)
      .write(to: URL(fileURLWithPath: stem + ".cnf"))
    let (from, to) = validity.dates
    try await Self.run([
      "ca", "-batch", "-config", stem + ".cnf", "-cert", certificate, "-keyfile", self.identity.key,
      "-startdate", from, "-enddate", to, "-notext", "-in", stem + ".csr", "-out", identity.certificate,
    ])
    return identity
  }

  private func write(_ file: String, _ text: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(file)"))
  }

  private static func run(_ arguments: [String]) async throws {
    _ = try await ChildProcess.output(of: openssl, arguments)
  }
}
