/// The files that a TLS server lives on, all PEM (RFC 7468).
public struct TLSFiles: Sendable, Hashable {
  /// The server's certificate, and after it those that lead to the root.
  public var certificate: String
  /// Its private key, not encrypted.
  public var key: String
  /// The certificates of those who may sign clients' certificates. Nil: clients show none, and anybody may connect.
  public var clientCA: String?

  public init(certificate: String, key: String, clientCA: String? = nil) {
    self.certificate = certificate
    self.key = key
    self.clientCA = clientCA
  }
}

/// What is wrong with a file.
public struct CertificateError: Error, Sendable, Hashable, CustomStringConvertible {
  public enum Code: Sendable, Hashable {
    /// It is not there, may not be read, is no regular file, or is larger than 1 MiB.
    case unreadable
    /// It does not hold what it should, as PEM.
    case malformed
    /// The key is encrypted.
    case encrypted
    /// The key is not that of the certificate.
    case mismatched
    /// The certificate has expired, or is not valid yet. Of a client CA's: all of them.
    case outOfDate
  }

  public let code: Code
  public let file: String
  public let message: String

  init(_ code: Code, _ file: String, _ message: String) {
    self.code = code
    self.file = file
    self.message = message
  }

  public var description: String { "\(file) \(message)" }
}
