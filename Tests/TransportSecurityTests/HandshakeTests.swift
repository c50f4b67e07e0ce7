import EnvoyHarness
import Foundation
import GRPCTransport
import NIOCore
import NIOSSL
import Synchronization
import Testing

@testable import TransportSecurity

/// Who gets in, and what those who do not get in are told: nothing.
@Suite(.serialized, .timeLimit(.minutes(2))) struct HandshakeTests {
  private func files(_ them: Identities, mutual: Bool = true) -> TLSFiles {
    TLSFiles(
      certificate: them.server.certificate, key: them.server.key, clientCA: mutual ? them.clients.certificate : nil)
  }

  private static func greeted(_ bytes: [UInt8]) -> Bool {
    String(decoding: bytes, as: UTF8.self).contains(SecureServer.configuration)
  }

  @Test("A trusted client gets the configuration", arguments: [TLSVersion.tlsv12, .tlsv13])
  func trusted(version: TLSVersion) async throws {
    let them = try await Identities.get()
    try await SecureServer.with(files(them)) { server in
      let outcome = try await TLSClient.talk(
        to: server.port, tls: try TLSClient.context(them.client, trusting: them.servers, version: version),
        until: Self.greeted)
      #expect(Self.greeted(outcome.bytes))
      #expect(server.failures == [:])
      #expect(server.metrics.sum("weir_tls_handshakes_total") == 1)
    }
  }

  enum Untrusted: String, CaseIterable, Sendable {
    case noCertificate, anotherAuthority, selfSigned, expired, notYetValid
  }

  /// In TLS 1.3 a client takes the handshake for done before the server has seen its certificate, and sends its request
  /// right away; so "it could not connect" would say too little.
  @Test(
    "An untrusted client gets no byte, whatever it sends", arguments: Untrusted.allCases, [TLSVersion.tlsv12, .tlsv13])
  func untrusted(who: Untrusted, version: TLSVersion) async throws {
    let them = try await Identities.get()
    let identity: CertificateAuthority.Identity? =
      switch who {
      case .noCertificate: nil
      case .anotherAuthority: try await them.strangers.issue("client")
      case .selfSigned: them.strangers.identity
      case .expired: try await them.clients.issue("client", validity: .past)
      case .notYetValid: try await them.clients.issue("client", validity: .future)
      }
    try await SecureServer.with(files(them)) { server in
      let outcome = try await TLSClient.talk(
        to: server.port, tls: try TLSClient.context(identity, trusting: them.servers, version: version))
      #expect(outcome.bytes == [])
      #expect(outcome.handshakeCompleted == (version == .tlsv13))
      try await server.expectFailures([who == .noCertificate ? "no_certificate" : "untrusted_certificate": 1])
      #expect(server.server.acceptedCallCount == 0)
      #expect(server.metrics.sum("weir_tls_handshakes_total") == 0)
    }
  }

  @Test("Without a client CA a client needs no certificate")
  func serverOnly() async throws {
    let them = try await Identities.get()
    try await SecureServer.with(files(them, mutual: false)) { server in
      let outcome = try await TLSClient.talk(
        to: server.port, tls: try TLSClient.context(nil, trusting: them.servers), until: Self.greeted)
      #expect(Self.greeted(outcome.bytes))
    }
  }

  @Test("A client that does not choose h2 gets no byte", arguments: [[], ["http/1.1"]])
  func otherProtocols(protocols: [String]) async throws {
    let them = try await Identities.get()
    try await SecureServer.with(files(them)) { server in
      let outcome = try await TLSClient.talk(
        to: server.port, tls: try TLSClient.context(them.client, trusting: them.servers, protocols: protocols))
      #expect(outcome.handshakeCompleted)
      #expect(outcome.bytes == [])
      try await server.expectFailures(["not_http2": 1])
    }
  }

  @Test("TLS 1.1 is refused")
  func oldVersion() async throws {
    let them = try await Identities.get()
    try await SecureServer.with(files(them)) { server in
      let outcome = try await TLSClient.talk(
        to: server.port, tls: try TLSClient.context(them.client, trusting: them.servers, version: .tlsv11))
      #expect(!outcome.handshakeCompleted && outcome.bytes == [])
      try await server.expectFailures(["protocol": 1])
    }
  }

  @Test("A client that does not trust the server says so")
  func untrustedServer() async throws {
    let them = try await Identities.get()
    try await SecureServer.with(files(them)) { server in
      let outcome = try await TLSClient.talk(
        to: server.port, tls: try TLSClient.context(them.client, trusting: them.strangers))
      #expect(!outcome.handshakeCompleted)
      try await server.expectFailures(["refused_by_client": 1])
    }
  }

  @Test(
    "Plain text on the TLS port is turned away, and others are served", arguments: ["h2", "GET / HTTP/1.1\r\n\r\n"])
  func plainText(first: String) async throws {
    let them = try await Identities.get()
    try await SecureServer.with(files(them)) { server in
      let outcome = try await TLSClient.talk(
        to: server.port, tls: nil, sending: first == "h2" ? TLSClient.request : Array(first.utf8))
      // An alert at most (record type 21), and no frame.
      #expect(outcome.bytes.isEmpty || outcome.bytes.first == 21)
      #expect(outcome.bytes.count <= 7)
      try await server.expectFailures(["protocol": 1])
      let good = try await TLSClient.talk(
        to: server.port, tls: try TLSClient.context(them.client, trusting: them.servers), until: Self.greeted)
      #expect(Self.greeted(good.bytes))
    }
  }

  @Test("TLS on a plain port is turned away; one server takes both, each on its port")
  func tlsOnPlainPort() async throws {
    let them = try await Identities.get()
    try await SecureServer.with(files(them)) { server in
      let plain = try #require(try await server.server.bind(to: .tcp(host: "127.0.0.1", port: 0)).port)
      let outcome = try await TLSClient.talk(
        to: plain, tls: try TLSClient.context(them.client, trusting: them.servers))
      #expect(!outcome.handshakeCompleted && outcome.bytes == [])
      let good = try await TLSClient.talk(to: plain, tls: nil, until: Self.greeted)
      #expect(Self.greeted(good.bytes))
      #expect(server.failures == [:])
    }
  }

  /// The first bytes of a ClientHello of 512 bytes, and nothing; and a peer that says nothing at all.
  @Test("Half a handshake and then silence ends at the limit", arguments: [[22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3], []])
  func silence(first: [UInt8]) async throws {
    let them = try await Identities.get()
    var timing = ServerCertificates.Timing()
    timing.handshakeLimit = .milliseconds(100)
    try await SecureServer.with(files(them), timing: timing) { server in
      let outcome = try await TLSClient.talk(to: server.port, tls: nil, sending: first)
      #expect(outcome.bytes == [])
      try await server.expectFailures(["timeout": 1])
      try await poll("the connection is counted out") { server.server.connectionCount == 0 }
    }
  }

  @Test("Shutting down does not wait for handshakes")
  func shutdownDuringHandshake() async throws {
    let them = try await Identities.get()
    try await SecureServer.with(files(them)) { server in
      async let outcome = TLSClient.talk(to: server.port, tls: nil, sending: [22, 3, 1])
      try await poll("it is connected") { server.server.connectionCount == 1 }
      // Far below the grace period, for the time limit of the suite would end a wait for that.
      await server.server.shutdown(gracePeriod: .hours(1))
      #expect(try await outcome.bytes == [])
    }
  }

  /// A session is resumed without the certificate being verified again; its dates are looked at all the same.
  @Test("A certificate that has expired since is refused")
  func expiredSince() async throws {
    let them = try await Identities.get()
    let time = Mutex(ServerCertificates.systemTime())
    try await SecureServer.with(files(them), unixTime: { time.withLock { $0 } }) { server in
      let context = try TLSClient.context(them.client, trusting: them.servers)
      let before = try await TLSClient.talk(to: server.port, tls: context, until: Self.greeted)
      #expect(Self.greeted(before.bytes))
      // 2050, a year after its last day.
      time.withLock { $0 = 2_524_608_000 }
      let after = try await TLSClient.talk(to: server.port, tls: context)
      #expect(after.bytes == [])
      try await server.expectFailures(["untrusted_certificate": 1])
    }
  }
}
