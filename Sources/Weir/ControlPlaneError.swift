/// Why a control plane could not start.
public struct ControlPlaneError: Error, CustomStringConvertible {
  public enum Code: Sendable {
    /// An address cannot be bound.
    case cannotListen
    /// A certificate, a key or a client CA is missing, broken or out of date; the cause is a `CertificateError`.
    case unusableCertificate
    /// The file of webhooks cannot be read, or something in it is wrong.
    case unusableWebhooks
    /// A question is about a generation of a process before this one.
    case unknownGeneration
  }

  public var code: Code
  public var message: String
  public var cause: (any Error)?

  public init(code: Code, message: String, cause: (any Error)? = nil) {
    self.code = code
    self.message = message
    self.cause = cause
  }

  public var description: String { message }
}
