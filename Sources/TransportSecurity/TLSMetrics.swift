public import Telemetry

/// What is counted of TLS. All listeners of a process may share one.
public struct TLSMetrics: Sendable {
  let handshakes: Counter
  private let failures: [String: Counter]
  let reloads: Counter
  let failedReloads: Counter
  private let lost: [LostTrust: Counter]
  private let registry: MetricsRegistry

  public init(_ registry: MetricsRegistry) {
    self.registry = registry
    handshakes = registry.counter("weir_tls_handshakes_total", help: "TLS handshakes that led to an HTTP/2 connection.")
    failures = Dictionary(
      uniqueKeysWithValues: HandshakeFailure.allCases.map { failure in
        (
          failure.rawValue,
          registry.counter(
            "weir_tls_handshake_failures_total", help: "Connections that were closed before HTTP/2 began.",
            labels: ["reason": failure.rawValue])
        )
      })
    func reloads(_ result: String) -> Counter {
      registry.counter(
        "weir_tls_reloads_total", help: "Changes of certificate files: taken into use, or found broken.",
        labels: ["result": result])
    }
    self.reloads = reloads("ok")
    failedReloads = reloads("failed")
    lost = Dictionary(
      uniqueKeysWithValues: LostTrust.allCases.map { reason in
        (
          reason,
          registry.counter(
            "weir_tls_clients_drained_total", help: "Connections whose client is not to be trusted any longer.",
            labels: ["reason": reason.rawValue])
        )
      })
  }

  /// Why a client that was let in would not be let in any longer.
  enum LostTrust: String, CaseIterable {
    /// Its certificate has expired.
    case expired
    /// None of the authorities that are left has signed its certificate.
    case untrusted
  }

  func drained(_ reason: LostTrust) { lost[reason]?.increment() }

  func failed(_ failure: HandshakeFailure) { failures[failure.rawValue]?.increment() }

  func expiry(of file: String, read: @escaping @Sendable () -> Double) {
    registry.gauge(
      "weir_tls_certificate_expiry_timestamp_seconds",
      help: "When the first certificate of the chain in use expires, in seconds since 1970.", labels: ["file": file],
      read: read)
  }
}
