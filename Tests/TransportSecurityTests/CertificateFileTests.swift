import EnvoyHarness
import Foundation
import Logging
import Telemetry
import Testing

@testable import TransportSecurity

/// What is wrong with a file is said at the start, with the file's name.
@Suite(.serialized, .timeLimit(.minutes(1))) struct CertificateFileTests {
  private func load(_ files: TLSFiles, registry: MetricsRegistry = .init()) throws(CertificateError)
    -> ServerCertificates
  {
    try ServerCertificates(
      files: files, metrics: TLSMetrics(registry), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
  }

  @Test func goodOnesAreTaken() async throws {
    let them = try await Identities.get()
    let registry = MetricsRegistry()
    let files = TLSFiles(
      certificate: them.server.certificate, key: them.server.key, clientCA: them.clients.certificate)
    let certificates = try load(files, registry: registry)
    // 2049-01-01, as the authority was asked for.
    #expect(certificates.expiry == 2_493_072_000)
    let metrics = Metrics(text: registry.prometheusText())
    #expect(
      metrics.sum("weir_tls_certificate_expiry_timestamp_seconds", ["file": files.certificate]) == 2_493_072_000)
  }

  enum Place: CaseIterable, Sendable { case certificate, key, clientCA }

  private func broken(
    _ place: Place, _ them: Identities, _ path: String
  ) -> TLSFiles {
    TLSFiles(
      certificate: place == .certificate ? path : them.server.certificate,
      key: place == .key ? path : them.server.key,
      clientCA: place == .clientCA ? path : them.clients.certificate)
  }

  private func expect(_ code: CertificateError.Code, _ mention: String, _ files: TLSFiles, at path: String) {
    let error = #expect(throws: CertificateError.self) { try load(files) }
    #expect(error?.code == code)
    #expect(error?.file == path)
    #expect(error?.description.contains(mention) == true, "\(error?.description ?? "")")
  }

  @Test(arguments: Place.allCases)
  func filesThatHoldNothingOfUse(place: Place) async throws {
    let them = try await Identities.get()
    let folder = TemporaryDirectory(prefix: "weir-tls-files")
    defer { folder.remove() }
    func file(_ name: String, _ text: String) throws -> String {
      try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder.path)/\(name)"))
      return "\(folder.path)/\(name)"
    }
    let absent = folder.path + "/absent.pem"
    expect(.unreadable, "No such file", broken(place, them, absent), at: absent)
    expect(.unreadable, "not a regular file", broken(place, them, folder.path), at: folder.path)
    let pipe = folder.path + "/pipe"
    #expect(mkfifo(pipe, 0o600) == 0)
    expect(.unreadable, "not a regular file", broken(place, them, pipe), at: pipe)
    let empty = try file("empty.pem", "")
    expect(.malformed, "is empty", broken(place, them, empty), at: empty)
    let text = try file("text.pem", "certificate: yes\n")
    expect(.malformed, "in PEM", broken(place, them, text), at: text)
    let large = try file("large.pem", String(repeating: "x", count: (1 << 20) + 1))
    expect(.unreadable, "larger than 1 MiB", broken(place, them, large), at: large)
    // Half of what was good: of the key or the only certificate nothing is left, of two certificates one.
    let good =
      place == .key ? them.server.key : place == .certificate ? them.server.certificate : them.clients.certificate
    let whole = try String(contentsOfFile: good, encoding: .utf8)
    let half = try file("half.pem", String(whole.prefix(whole.count / 2)))
    expect(.malformed, "PEM", broken(place, them, half), at: half)
    guard place != .key else { return }
    let more = try file("more.pem", whole + whole.prefix(whole.count / 2))
    expect(.malformed, "cannot be read, as if cut off", broken(place, them, more), at: more)
  }

  @Test func aFileThatMayNotBeRead() async throws {
    // Root may read everything, so there is nothing to see.
    guard geteuid() != 0 else { return }
    let them = try await Identities.get()
    let secret = try await them.servers.issue("secret")
    #expect(chmod(secret.key, 0) == 0)
    expect(
      .unreadable, "Permission denied", TLSFiles(certificate: secret.certificate, key: secret.key), at: secret.key)
  }

  @Test func aKeyOfAnotherCertificate() async throws {
    let them = try await Identities.get()
    expect(
      .mismatched, them.server.certificate, TLSFiles(certificate: them.server.certificate, key: them.client.key),
      at: them.client.key)
  }

  @Test func anEncryptedKey() async throws {
    let them = try await Identities.get()
    let encrypted = them.directory.path + "/encrypted.key"
    _ = try await ChildProcess.output(
      of: "/usr/bin/openssl",
      ["pkcs8", "-topk8", "-in", them.server.key, "-out", encrypted, "-passout", "pass:secret", "-v2", "aes256"])
    expect(.encrypted, "passphrase", TLSFiles(certificate: them.server.certificate, key: encrypted), at: encrypted)
  }

  @Test(arguments: [CertificateAuthority.Validity.past, .future])
  func outOfDate(validity: CertificateAuthority.Validity) async throws {
    let them = try await Identities.get()
    let old = try await them.servers.issue("server", validity: validity)
    let mention = validity == .past ? "expired on 2020-02-01" : "not valid before 2048-01-01"
    expect(.outOfDate, mention, TLSFiles(certificate: old.certificate, key: old.key), at: old.certificate)
    expect(
      .outOfDate, mention,
      TLSFiles(certificate: them.server.certificate, key: them.server.key, clientCA: old.certificate),
      at: old.certificate)
  }
}
