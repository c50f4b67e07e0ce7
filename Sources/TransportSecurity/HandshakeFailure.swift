internal import NIOSSL

/// Why a connection did not get through TLS, as the label of a metric: few, and none of the peer's choosing.
enum HandshakeFailure: String, CaseIterable {
  /// The client showed no certificate.
  case noCertificate = "no_certificate"
  /// The client's certificate is not signed by the client CA, is not for clients, has expired, or is not valid yet.
  case untrustedCertificate = "untrusted_certificate"
  /// The client did not choose HTTP/2 (ALPN `h2`, RFC 9113, section 3.2).
  case notHTTP2 = "not_http2"
  /// It took too long.
  case timeout
  /// The client broke the connection off.
  case closed
  /// The client refused with an alert, such as that it does not trust the server's certificate.
  case refusedByClient = "refused_by_client"
  /// It was no TLS, or none that both sides speak.
  case `protocol`

  /// BoringSSL's reasons are in the errors' texts only.
  init(_ error: any Error) {
    guard let error = error as? NIOSSLError else {
      self = .closed
      return
    }
    guard case .handshakeFailed(.sslError(let stack)) = error else {
      self = .protocol
      return
    }
    let text = stack.map(\.description).joined(separator: " ")
    if stack.contains(.eofDuringHandshake) {
      self = .closed
    } else if text.contains("PEER_DID_NOT_RETURN_A_CERTIFICATE") {
      self = .noCertificate
    } else if text.contains("CERTIFICATE_VERIFY_FAILED") {
      self = .untrustedCertificate
    } else if text.contains("_ALERT_") {
      self = .refusedByClient
    } else {
      self = .protocol
    }
  }
}
