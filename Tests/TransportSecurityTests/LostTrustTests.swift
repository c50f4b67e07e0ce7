import EnvoyHarness
import Foundation
import GRPCTransport
import NIOCore
import NIOSSL
import Synchronization
import Testing

@testable import TransportSecurity

/// Clients that were let in and would not be let in any longer.
@Suite(.serialized, .timeLimit(.minutes(1))) struct LostTrustTests {
  private final class Watcher: GRPCCallHandler {
    let continuation: AsyncStream<String>.Continuation
    init(_ continuation: AsyncStream<String>.Continuation) { self.continuation = continuation }
    func received(message: ByteBuffer) { continuation.yield("message") }
    func closed(_ reason: GRPCCloseReason) {
      continuation.yield("\(reason)")
      continuation.finish()
    }
  }

  @Test("A stream ends when its client's certificate expires")
  func expiry() async throws {
    let them = try await Identities.get()
    let guest = try await them.clients.issue("guest", validity: .until(Date().addingTimeInterval(3600)))
    let end = Int(try #require(try NIOSSLCertificate.fromPEMFile(guest.certificate).first).notValidAfter)
    // A second before the end, and on from there.
    let start = ContinuousClock.now
    let time: @Sendable () -> Int = { end - 1 + Int((ContinuousClock.now - start) / .seconds(1)) }
    let files = TLSFiles(
      certificate: them.server.certificate, key: them.server.key, clientCA: them.clients.certificate)
    try await SecureServer.with(files, drainsUntrusted: true, unixTime: time) { server in
      let client = try await server.connect(as: guest, trusting: them.servers)
      let (happened, continuation) = AsyncStream.makeStream(of: String.self)
      client.start(method: "/test/Echo") { _ in Watcher(continuation) }
      var told: [String] = []
      for await what in happened { told.append(what) }
      #expect(told.first == "message" && told.last?.contains("unavailable") == true)
      #expect(server.metrics.sum("weir_tls_clients_drained_total", ["reason": "expired"]) == 1)
      let again = try await TLSClient.talk(
        to: server.port, tls: try TLSClient.context(guest, trusting: them.servers))
      #expect(again.bytes == [])
      await client.close()
    }
  }

  @Test("What is kept of a client goes with its connection")
  func nothingIsKept() async throws {
    let them = try await Identities.get()
    let files = TLSFiles(
      certificate: them.server.certificate, key: them.server.key, clientCA: them.clients.certificate)
    try await SecureServer.with(files, drainsUntrusted: true) { server in
      for _ in 0..<3 {
        let client = try await server.connect(as: them.client, trusting: them.servers)
        try await poll("the client is known") { server.certificates.clientCount == 1 }
        await client.close()
        try await poll("the client is forgotten") { server.certificates.clientCount == 0 }
      }
    }
  }
}
