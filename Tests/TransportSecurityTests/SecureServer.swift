import EnvoyHarness
import Foundation
import GRPCTransport
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Telemetry
import Testing

@testable import TransportSecurity

/// Authorities and identities that many tests share: making them takes a process each.
struct Identities: Sendable {
  let directory: TemporaryDirectory
  let servers: CertificateAuthority
  let clients: CertificateAuthority
  let strangers: CertificateAuthority
  let server: CertificateAuthority.Identity
  let client: CertificateAuthority.Identity

  static let shared = Task {
    let directory = TemporaryDirectory.shared
    let servers = try await CertificateAuthority("servers", in: directory)
    let clients = try await CertificateAuthority("clients", in: directory)
    return Identities(
      directory: directory, servers: servers, clients: clients,
      strangers: try await CertificateAuthority("strangers", in: directory),
      server: try await servers.issue("server"), client: try await clients.issue("client"))
  }
  static func get() async throws -> Identities { try await shared.value }
}

/// A gRPC server behind TLS that answers `/test/Echo`, and greets every call at once with what must not leak.
final class SecureServer: Sendable {
  static let configuration = "the whole configuration"

  let group = MultiThreadedEventLoopGroup(numberOfThreads: 2)
  let server: GRPCServer
  let certificates: ServerCertificates
  let registry = MetricsRegistry()
  let port: Int

  private init(
    files: TLSFiles, timing: ServerCertificates.Timing, drainsUntrusted: Bool, grpc: GRPCServerConfiguration,
    unixTime: @escaping @Sendable () -> Int
  ) async throws {
    let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
    certificates = try ServerCertificates(
      files: files, timing: timing, drainsUntrusted: drainsUntrusted, metrics: TLSMetrics(registry), logger: logger,
      unixTime: unixTime)
    server = GRPCServer(group: group, configuration: grpc, logger: logger) { call in
      call.send(ByteBuffer(string: Self.configuration))
      return Echo(call)
    }
    let bound = try await server.bind(
      to: .tcp(host: "127.0.0.1", port: 0), prepareChannel: { [certificates] in try certificates.secure($0) })
    port = try #require(bound.port)
  }

  /// Runs `body` with a server, and stops it whatever happens.
  static func with(
    _ files: TLSFiles, timing: ServerCertificates.Timing = .init(), drainsUntrusted: Bool = false,
    grpc: GRPCServerConfiguration = .init(),
    unixTime: @escaping @Sendable () -> Int = ServerCertificates.systemTime, _ body: (SecureServer) async throws -> Void
  ) async throws {
    let server = try await SecureServer(
      files: files, timing: timing, drainsUntrusted: drainsUntrusted, grpc: grpc, unixTime: unixTime)
    let result: Result<Void, any Error>
    do { result = .success(try await body(server)) } catch { result = .failure(error) }
    await server.server.shutdown(gracePeriod: .zero)
    try await server.group.shutdownGracefully()
    try result.get()
  }

  var metrics: Metrics { Metrics(text: registry.prometheusText()) }

  /// Handshakes that failed, by reason; those without any are left out.
  var failures: [String: Int] {
    let samples = metrics.samples.filter { $0.name == "weir_tls_handshake_failures_total" && $0.value > 0 }
    return Dictionary(uniqueKeysWithValues: samples.map { ($0.labels["reason"] ?? "", Int($0.value)) })
  }

  /// Waits until handshakes have failed, and holds them against what is expected. A client may read the alert, and go, a
  /// moment before the server counts.
  func expectFailures(_ expected: [String: Int], sourceLocation: SourceLocation = #_sourceLocation) async throws {
    try await poll("a handshake fails") { !failures.isEmpty }
    #expect(failures == expected, sourceLocation: sourceLocation)
  }

  func connect(
    as client: CertificateAuthority.Identity?, trusting ca: CertificateAuthority
  ) async throws -> GRPCClient {
    var configuration = GRPCClientConfiguration()
    configuration.scheme = "https"
    let context = try TLSClient.context(client, trusting: ca)
    configuration.prepareChannel = { channel in
      try channel.pipeline.syncOperations.addHandler(NIOSSLClientHandler(context: context, serverHostname: "weir.test"))
    }
    return try await GRPCClient.connect(
      to: .tcp(host: "127.0.0.1", port: port), group: group, configuration: configuration)
  }
}

/// Sends back every message.
private final class Echo: GRPCCallHandler {
  private let call: GRPCCall
  init(_ call: GRPCCall) { self.call = call }
  func received(message: ByteBuffer) { call.send(message) }
  func receivedEnd() { call.finish(.ok) }
  func closed(_ reason: GRPCCloseReason) {}
}

/// A client that speaks HTTP/2 by hand and keeps all that it hears.
enum TLSClient {
  /// What came of a connection once the server has closed it, or once there is what was waited for.
  struct Outcome: Sendable {
    /// Bytes that the server sent inside TLS (or as they are, without TLS).
    var bytes: [UInt8] = []
    var handshakeCompleted = false
    /// Serial number of the server's certificate.
    var serial: [UInt8] = []
  }

  static func context(
    _ identity: CertificateAuthority.Identity?, trusting ca: CertificateAuthority,
    protocols: [String] = ["h2"], version: TLSVersion? = nil
  ) throws -> NIOSSLContext {
    var configuration = TLSConfiguration.makeClientConfiguration()
    configuration.trustRoots = .file(ca.certificate)
    configuration.applicationProtocols = protocols
    configuration.shutdownTimeout = .milliseconds(100)
    if let version {
      configuration.minimumTLSVersion = version
      configuration.maximumTLSVersion = version
    }
    if let identity {
      configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(identity.certificate).map { .certificate($0) }
      configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: identity.key, format: .pem))
    }
    return try NIOSSLContext(configuration: configuration)
  }

  /// The preface, SETTINGS, and a request with a body, from a client that does not wait to be let in.
  static let request: [UInt8] = {
    var bytes = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + [0, 0, 0, 4, 0, 0, 0, 0, 0]
    // HPACK without indexing: :method POST (static 3), :scheme https (static 7), the others literal.
    var block: [UInt8] = [0x83, 0x87]
    for (name, value) in [(":path", "/test/Echo"), (":authority", "weir.test"), ("content-type", "application/grpc")] {
      block += [0, UInt8(name.utf8.count)] + Array(name.utf8) + [UInt8(value.utf8.count)] + Array(value.utf8)
    }
    bytes += [0, 0, UInt8(block.count), 1, 4, 0, 0, 0, 1] + block
    return bytes
  }()

  /// Connects, sends `first`, and gathers what comes until the server closes or `enough` holds.
  static func talk(
    to port: Int, tls context: NIOSSLContext?, sending first: [UInt8] = request,
    until enough: @escaping @Sendable ([UInt8]) -> Bool = { _ in false }
  ) async throws -> Outcome {
    let loop = MultiThreadedEventLoopGroup.singleton.next()
    let promise = loop.makePromise(of: Outcome.self)
    let channel = try await ClientBootstrap(group: loop)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          if let context {
            try channel.pipeline.syncOperations.addHandler(
              NIOSSLClientHandler(context: context, serverHostname: "weir.test"))
          }
          try channel.pipeline.syncOperations.addHandler(Recorder(first: first, promise: promise, enough: enough))
        }
      }
      .connect(host: "127.0.0.1", port: port).get()
    let outcome = try await within(.seconds(20), "the server closes, or says enough") {
      try await promise.futureResult.get()
    }
    channel.close(promise: nil)
    return outcome
  }

  private final class Recorder: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias OutboundOut = ByteBuffer
    private let first: [UInt8]
    private let promise: EventLoopPromise<Outcome>
    private let enough: @Sendable ([UInt8]) -> Bool
    private var outcome = Outcome()

    init(first: [UInt8], promise: EventLoopPromise<Outcome>, enough: @escaping @Sendable ([UInt8]) -> Bool) {
      self.first = first
      self.promise = promise
      self.enough = enough
    }

    func channelActive(context: ChannelHandlerContext) {
      guard !first.isEmpty else { return }
      context.writeAndFlush(wrapOutboundOut(ByteBuffer(bytes: first)), promise: nil)
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
      guard "\(event)".contains("handshakeCompleted") else { return }
      outcome.handshakeCompleted = true
      let certificate = try? context.pipeline.syncOperations.handler(type: NIOSSLClientHandler.self).peerCertificate
      outcome.serial = certificate?.serialNumber ?? []
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
      outcome.bytes += unwrapInboundIn(data).readableBytesView
      if enough(outcome.bytes) { promise.succeed(outcome) }
    }

    func channelInactive(context: ChannelHandlerContext) { promise.succeed(outcome) }

    // How the connection breaks is the other side's matter; what counts is what came before.
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
  }
}

extension TLSClient {
  /// The serial number of the first certificate in a file.
  static func serial(of file: String) throws -> [UInt8] {
    try #require(try NIOSSLCertificate.fromPEMFile(file).first).serialNumber
  }
}
