internal import Logging
internal import NIOCore
internal import NIOSSL
internal import NIOTLS

/// Stands between TLS and HTTP/2, and lets nothing pass in either direction before the handshake is done and its result
/// is what it has to be. HTTP/2 learns of its connection only then, so that not even its SETTINGS wait to be sent to
/// somebody who is not to have them. After that the gate takes itself out of the pipeline.
final class HandshakeGate: ChannelInboundHandler, RemovableChannelHandler {
  typealias InboundIn = ByteBuffer

  private let tls: NIOSSLServerHandler
  private let requiresClientCertificate: Bool
  private let sessions: ClientSessions?
  private let trust: Int
  private let limit: TimeAmount
  private let metrics: TLSMetrics
  private let now: @Sendable () -> Int
  private let logger: Logger
  private var timer: Scheduled<Void>?
  private var isDecided = false

  /// - Parameter trust: the revision of `sessions` that this handshake goes by.
  init(
    tls: NIOSSLServerHandler, requiresClientCertificate: Bool, sessions: ClientSessions?, trust: Int, limit: TimeAmount,
    metrics: TLSMetrics,
    now: @escaping @Sendable () -> Int, logger: Logger
  ) {
    self.tls = tls
    self.requiresClientCertificate = requiresClientCertificate
    self.sessions = sessions
    self.trust = trust
    self.limit = limit
    self.metrics = metrics
    self.now = now
    self.logger = logger
  }

  func handlerAdded(context: ChannelHandlerContext) {
    // From here, for a connection is set up when it has been accepted.
    timer = context.eventLoop.assumeIsolated().scheduleTask(in: limit) {
      self.refuse(context, .timeout, "it took longer than \(self.limit.nanoseconds / 1_000_000) ms")
    }
  }

  func handlerRemoved(context: ChannelHandlerContext) {
    timer?.cancel()
    timer = nil
  }

  /// Kept back; ``open(_:)`` tells it.
  func channelActive(context: ChannelHandlerContext) {}

  func channelInactive(context: ChannelHandlerContext) {
    note(context, .closed, "the peer closed the connection")
    context.fireChannelInactive()
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    // Of a connection that has been refused, and is closing.
  }

  func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
    if case .handshakeCompleted(let chosen)? = event as? TLSUserEvent {
      complete(context, chosen)
    } else {
      context.fireUserInboundEventTriggered(event)
    }
  }

  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    note(context, HandshakeFailure(error), "\(error)")
    context.fireErrorCaught(error)
  }

  private func complete(_ context: ChannelHandlerContext, _ chosen: String?) {
    guard !isDecided else { return }
    guard chosen == "h2" else {
      refuse(context, .notHTTP2, "the client did not choose h2 by ALPN")
      return
    }
    if requiresClientCertificate {
      // A resumed session is not verified again, and outlives the certificate that it was begun with.
      guard let certificate = tls.peerCertificate else {
        refuse(context, .noCertificate, "the client showed no certificate")
        return
      }
      if let problem = Credentials.dateProblem(certificate, now: now()) {
        refuse(context, .untrustedCertificate, "the client \(problem)")
        return
      }
    }
    isDecided = true
    metrics.handshakes.increment()
    let (channel, certificate) = (context.channel, requiresClientCertificate ? tls.peerCertificate : nil)
    context.fireChannelActive()
    context.pipeline.syncOperations.removeHandler(context: context, promise: nil)
    if let sessions, let certificate { sessions.add(channel, certificate, since: trust) }
  }

  private func refuse(_ context: ChannelHandlerContext, _ failure: HandshakeFailure, _ reason: String) {
    guard !isDecided else { return }
    note(context, failure, reason)
    context.close(promise: nil)
  }

  /// The first reason is the one that counts.
  private func note(_ context: ChannelHandlerContext, _ failure: HandshakeFailure, _ reason: String) {
    guard !isDecided else { return }
    isDecided = true
    metrics.failed(failure)
    logger.debug(
      "TLS handshake failed",
      metadata: [
        "reason": "\(failure.rawValue)", "detail": "\(reason)",
        "peer": "\(context.remoteAddress.map { "\($0)" } ?? "")",
      ])
  }
}
