internal import Logging
internal import NIOCore
internal import NIOSSL
internal import Synchronization
internal import X509

/// The connections of clients that have shown a certificate, for as long as they are open, where these may lose their trust. A
/// stream may last for months, and what has let its client in does not: a certificate expires, and an authority is taken out of
/// the client CA's file.
///
/// Whoever would not be let in any longer is drained, and has to come again. Nobody else is: of a change of the server's own
/// certificate, or of an authority that is added, connections notice nothing.
final class ClientSessions: Sendable {
  private struct Session {
    var channel: any Channel
    var certificate: NIOSSLCertificate
    /// When its certificate's date is looked at next.
    var timer: Scheduled<Void>?
  }

  private struct State {
    var sessions: [ObjectIdentifier: Session] = [:]
    /// Counts the changes by which somebody may have lost their trust.
    var revision = 0
  }

  /// How many are sent away at a time: each comes back with a handshake.
  private static let portion = 100
  private static let pause = Duration.milliseconds(100)
  /// Clocks are set, so none is trusted for longer.
  private static let longestWait: TimeAmount = .hours(1)

  private let metrics: TLSMetrics
  private let now: @Sendable () -> Int
  private let logger: Logger
  private let state = Mutex(State())

  init(metrics: TLSMetrics, now: @escaping @Sendable () -> Int, logger: Logger) {
    self.metrics = metrics
    self.now = now
    self.logger = logger
  }

  /// What a handshake that begins now goes by.
  var revision: Int { state.withLock { $0.revision } }

  var count: Int { state.withLock { $0.sessions.count } }

  /// Watches a connection from now on. On its event loop, when its handshake is done.
  ///
  /// - Parameter revision: as it was when the handshake began.
  func add(_ channel: any Channel, _ certificate: NIOSSLCertificate, since revision: Int) {
    let key = ObjectIdentifier(channel)
    let isLate = state.withLock { state in
      state.sessions[key] = Session(channel: channel, certificate: certificate)
      return state.revision != revision
    }
    channel.closeFuture.whenComplete { [weak self] _ in
      self?.state.withLock { $0.sessions.removeValue(forKey: key) }?.timer?.cancel()
    }
    // The authorities have changed while it shook hands.
    if isLate { Self.drain(channel, .untrusted, metrics) }
    watchExpiry(of: certificate, channel)
  }

  /// Looks at all connections again, for an authority has gone. Returns when those who are not trusted by the others have
  /// been told to come again.
  ///
  /// A chain's certificates in between are not kept, so a client that needs them is not found to be trusted here: it comes
  /// again, and is let in.
  func review(by authorities: [NIOSSLCertificate]) async {
    let sessions = state.withLock { state in
      state.revision += 1
      return Array(state.sessions.values)
    }
    let roots = authorities.compactMap(Self.decoded)
    var drained = 0
    for session in sessions {
      if await Self.isTrusted(session.certificate, by: roots) { continue }
      Self.drain(session.channel, .untrusted, metrics)
      drained += 1
      if drained % Self.portion == 0 { try? await Task.sleep(for: Self.pause) }
    }
    guard drained > 0 else { return }
    logger.notice(
      "clients have to show who they are again: an authority has gone",
      metadata: ["connections": "\(drained)", "of": "\(sessions.count)"])
  }

  private func watchExpiry(of certificate: NIOSSLCertificate, _ channel: any Channel) {
    let left = Int64(certificate.notValidAfter) - Int64(now()) + 1
    let wait = min(TimeAmount.seconds(max(1, left)), Self.longestWait)
    let timer = channel.eventLoop.scheduleTask(in: wait) { [weak self] in
      guard let self, channel.isActive else { return }
      if Credentials.dateProblem(certificate, now: self.now()) != nil {
        Self.drain(channel, .expired, self.metrics)
      } else {
        self.watchExpiry(of: certificate, channel)
      }
    }
    state.withLock { $0.sessions[ObjectIdentifier(channel)]?.timer = timer }
  }

  private static func drain(_ channel: any Channel, _ reason: TLSMetrics.LostTrust, _ metrics: TLSMetrics) {
    metrics.drained(reason)
    channel.pipeline.fireUserInboundEventTriggered(ChannelShouldQuiesceEvent())
  }

  private static func isTrusted(_ certificate: NIOSSLCertificate, by roots: [Certificate]) async -> Bool {
    guard let leaf = decoded(certificate) else { return false }
    var verifier = Verifier(rootCertificates: CertificateStore(roots)) { RFC5280Policy() }
    let result = await verifier.validate(leaf: leaf, intermediates: CertificateStore([]))
    if case .validCertificate = result { return true }
    return false
  }

  private static func decoded(_ certificate: NIOSSLCertificate) -> Certificate? {
    (try? certificate.toDERBytes()).flatMap { try? Certificate(derEncoded: $0) }
  }
}
