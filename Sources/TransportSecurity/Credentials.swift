internal import Foundation
internal import NIOCore
internal import NIOSSL

/// Checked credentials, ready for handshakes. Immutable: a change of the files makes others.
///
/// Each has a `SSL_CTX` of its own, and so session ticket keys of its own: a ticket that was given under former
/// credentials does not resume, and its holder has to show a certificate which the present client CA has signed.
struct Credentials: Sendable {
  let context: NIOSSLContext
  /// When the first certificate of the chain expires, in seconds since 1970.
  let expiry: Int
  let requiresClientCertificate: Bool
  /// Who may sign clients' certificates; empty if nobody is asked for one.
  let authorities: [NIOSSLCertificate]

  /// - Parameter now: seconds since 1970.
  init(_ bytes: CredentialBytes, files: TLSFiles, now: Int) throws(CertificateError) {
    let chain = try Self.certificates(bytes.certificate, files.certificate)
    for certificate in chain {
      if let problem = Self.dateProblem(certificate, now: now) {
        throw CertificateError(.outOfDate, files.certificate, problem)
      }
    }
    var configuration = TLSConfiguration.makeServerConfiguration(
      certificateChain: chain.map { .certificate($0) }, privateKey: .privateKey(try Self.key(bytes.key, files.key)))
    configuration.minimumTLSVersion = .tlsv12
    configuration.applicationProtocols = ["h2"]
    // How long a peer may take to say goodbye in its turn.
    configuration.shutdownTimeout = .seconds(2)
    var authorities: [NIOSSLCertificate] = []
    if let file = files.clientCA {
      authorities = try Self.certificates(bytes.clientCA ?? [], file)
      let problems = authorities.compactMap { Self.dateProblem($0, now: now) }
      if problems.count == authorities.count, let first = problems.first {
        throw CertificateError(.outOfDate, file, first)
      }
      configuration.trustRoots = .certificates(authorities)
      // A client has no host name to hold its certificate against; a server that verifies also insists on one.
      configuration.certificateVerification = .noHostnameVerification
    }
    do {
      context = try NIOSSLContext(configuration: configuration)
    } catch {
      // The chain and the key have been read as such: what is left is that they do not belong together.
      throw CertificateError(.mismatched, files.key, "is not the key of the certificate in \(files.certificate)")
    }
    expiry = chain.map { Int($0.notValidAfter) }.min() ?? 0
    requiresClientCertificate = files.clientCA != nil
    self.authorities = authorities
  }

  /// Why a certificate is not valid at a time; nil if it is.
  static func dateProblem(_ certificate: NIOSSLCertificate, now: Int) -> String? {
    let (from, to) = (Int(certificate.notValidBefore), Int(certificate.notValidAfter))
    if now > to { return "holds a certificate that expired on \(date(to))" }
    if now < from { return "holds a certificate that is not valid before \(date(from))" }
    return nil
  }

  static func date(_ seconds: Int) -> String {
    Date(timeIntervalSince1970: TimeInterval(seconds)).formatted(.iso8601)
  }

  private static func certificates(_ pem: [UInt8], _ file: String) throws(CertificateError) -> [NIOSSLCertificate] {
    let blocks = occurrences(of: "-----BEGIN CERTIFICATE-----", in: pem)
    guard blocks > 0 else {
      throw CertificateError(
        .malformed, file, pem.isEmpty ? "is empty" : "holds no certificate in PEM (-----BEGIN CERTIFICATE-----)")
    }
    // All of them, for half a file must not count as a shorter chain.
    guard let found = try? NIOSSLCertificate.fromPEMBytes(pem), found.count == blocks else {
      throw CertificateError(.malformed, file, "holds a certificate in PEM that cannot be read, as if cut off")
    }
    return found
  }

  private static func key(_ pem: [UInt8], _ file: String) throws(CertificateError) -> NIOSSLPrivateKey {
    if occurrences(of: "ENCRYPTED", in: pem) > 0 {
      throw CertificateError(.encrypted, file, "is encrypted, and there is nobody to ask for its passphrase")
    }
    do {
      return try NIOSSLPrivateKey(bytes: pem, format: .pem)
    } catch {
      throw CertificateError(
        .malformed, file, pem.isEmpty ? "is empty" : "holds no private key in PEM (-----BEGIN PRIVATE KEY-----)")
    }
  }

  private static func occurrences(of text: String, in bytes: [UInt8]) -> Int {
    String(decoding: bytes, as: UTF8.self).ranges(of: text).count
  }
}
