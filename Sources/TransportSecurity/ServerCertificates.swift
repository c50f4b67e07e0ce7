internal import Foundation
public import Logging
public import NIOCore
internal import NIOPosix
internal import NIOSSL
internal import Synchronization

/// The certificates of a TLS server: read from files, checked, and read again when the files change.
///
/// A connection keeps the credentials that it was accepted with for all its life; a change concerns those that are accepted
/// after it. If so asked, a client that would not be let in any longer is drained: when its certificate expires, and when the
/// authority that signed it is taken out of the client CA's file. A change that does not make sense leaves what is in use (see
/// ``Rotation``).
///
/// ```swift
/// let certificates = try ServerCertificates(files: files, metrics: metrics, logger: logger)
/// _ = try await server.bind(to: address, prepareChannel: { try certificates.secure($0) })
/// try await certificates.watch()
/// ```
public final class ServerCertificates: Sendable {
  /// How handshakes and changes of files are timed.
  public struct Timing: Sendable, Hashable {
    /// How long a connection may take from being accepted to the end of its handshake.
    public var handshakeLimit: TimeAmount = .seconds(10)
    /// How often the files are read. Their contents are compared, not their times: a Secret's links that are turned, a
    /// rename and a write in place look alike, on any file system.
    public var interval: Duration = .seconds(1)
    /// How soon after a change they are read again, to see that it is all there.
    public var settling: Duration = .milliseconds(100)
    /// How long files may contradict each other before that is called an error.
    public var patience: Duration = .seconds(5)

    public init() {}
  }

  private struct State {
    var credentials: Credentials
    var rotation: Rotation
  }

  public let files: TLSFiles
  private let timing: Timing
  private let metrics: TLSMetrics
  private let logger: Logger
  private let unixTime: @Sendable () -> Int
  private let state: Mutex<State>
  /// Nil where a client that was let in stays.
  private let sessions: ClientSessions?

  /// Reads and checks the files; blocks for as long.
  /// - Parameters:
  ///   - drainsUntrusted: whether clients that would not be let in any longer have to leave.
  ///   - unixTime: seconds since 1970, which certificates' dates are held against.
  /// - Throws: ``CertificateError``, naming the file and what is wrong with it.
  public init(
    files: TLSFiles, timing: Timing = .init(), drainsUntrusted: Bool = false, metrics: TLSMetrics, logger: Logger,
    unixTime: @escaping @Sendable () -> Int = ServerCertificates.systemTime
  ) throws(CertificateError) {
    let bytes = try CredentialBytes(reading: files)
    let credentials = try Credentials(bytes, files: files, now: unixTime())
    self.files = files
    self.timing = timing
    self.metrics = metrics
    self.logger = logger
    self.unixTime = unixTime
    sessions = drainsUntrusted ? ClientSessions(metrics: metrics, now: unixTime, logger: logger) : nil
    state = Mutex(State(credentials: credentials, rotation: Rotation(inUse: bytes, patience: timing.patience)))
    metrics.expiry(of: files.certificate) { [weak self] in Double(self?.expiry ?? 0) }
    logger.info("certificates read", metadata: describe(credentials))
  }

  /// The system's clock.
  public static let systemTime: @Sendable () -> Int = { Int(Date().timeIntervalSince1970) }

  /// When the first certificate of the chain in use expires, in seconds since 1970.
  public var expiry: Int { state.withLock { $0.credentials.expiry } }

  /// Open connections whose client has shown a certificate.
  var clientCount: Int { sessions?.count ?? 0 }

  /// Puts TLS before whatever handlers are added next. On the channel's event loop, before the channel is active.
  public func secure(_ channel: any Channel) throws {
    // Before the credentials are read: who shakes hands while these change is looked at again.
    let trust = sessions?.revision ?? 0
    let credentials = state.withLock { $0.credentials }
    let tls = NIOSSLServerHandler(context: credentials.context)
    let gate = HandshakeGate(
      tls: tls, requiresClientCertificate: credentials.requiresClientCertificate, sessions: sessions, trust: trust,
      limit: timing.handshakeLimit, metrics: metrics, now: unixTime, logger: logger)
    try channel.pipeline.syncOperations.addHandlers(tls, gate)
  }

  /// Looks at the files again and again, until the task is cancelled.
  public func watch() async {
    var pause = timing.interval
    while (try? await Task.sleep(for: pause)) != nil {
      pause = await look() ? timing.settling : timing.interval
    }
  }

  /// Looks at the files once.
  /// - Returns: whether something is under way, so that another look is due soon.
  func look(now: ContinuousClock.Instant = .now) async -> Bool {
    let files = self.files
    let time = unixTime()
    // Not on one of the threads that all tasks share: a file system that hangs must hold up nobody else.
    let sighting =
      try? await NIOSingletons.posixBlockingThreadPool.runIfActive { () -> Rotation.Sighting in
        do throws(CertificateError) {
          return .bytes(try CredentialBytes(reading: files))
        } catch {
          return .unreadable(error)
        }
      }
    guard let sighting else { return false }
    let (former, outcome) = state.withLock { state -> ([NIOSSLCertificate], Rotation.Outcome) in
      let former = state.credentials.authorities
      let outcome = state.rotation.look(sighting, now: now) { bytes throws(CertificateError) in
        try Credentials(bytes, files: files, now: time)
      }
      if case .taken(let credentials) = outcome { state.credentials = credentials }
      return (former, outcome)
    }
    switch outcome {
    case .unchanged: return false
    case .unsettled: return true
    case .taken(let credentials):
      metrics.reloads.increment()
      logger.notice("certificates changed", metadata: describe(credentials))
      if let sessions, !Set(former).isSubset(of: credentials.authorities) {
        await sessions.review(by: credentials.authorities)
      }
    case .refused(let error):
      metrics.failedReloads.increment()
      logger.error("certificates are broken; the former ones stay in use", metadata: ["problem": "\(error)"])
    }
    return false
  }

  private func describe(_ credentials: Credentials) -> Logger.Metadata {
    [
      "certificate": "\(files.certificate)", "expires": "\(Credentials.date(credentials.expiry))",
      "client-ca": "\(files.clientCA ?? "none: any client may connect")",
    ]
  }
}
