import EnvoyHarness
import Foundation
import GRPCTransport
import NIOCore
import Testing

@testable import TransportSecurity

/// Session tickets, seen from `openssl s_client`: another implementation, and one that keeps sessions in files.
@Suite(.serialized, .timeLimit(.minutes(1))) struct ResumptionTests {
  @Test("A session from before the client CA changed does not resume", arguments: ["-tls1_2", "-tls1_3"])
  func ticketsEndWithTheirCredentials(version: String) async throws {
    let them = try await Identities.get()
    let folder = TemporaryDirectory(prefix: "weir-resumption")
    defer { folder.remove() }
    let ca = folder.path + "/ca.pem"
    try FileManager.default.copyItem(atPath: them.clients.certificate, toPath: ca)
    let session = folder.path + "/session"
    // The client says nothing, so the server ends the connection, and s_client with it.
    var grpc = GRPCServerConfiguration()
    grpc.prefaceTimeout = .milliseconds(300)
    let files = TLSFiles(certificate: them.server.certificate, key: them.server.key, clientCA: ca)
    try await SecureServer.with(files, grpc: grpc) { server in
      func connect(_ arguments: [String]) async throws -> String {
        try await ChildProcess.output(
          of: "/usr/bin/openssl",
          [
            "s_client", "-connect", "127.0.0.1:\(server.port)", version, "-alpn", "h2", "-ign_eof", "-cert",
            them.client.certificate, "-key", them.client.key, "-CAfile", them.servers.certificate,
          ] + arguments, accepting: [0, 1])
      }
      #expect(try await connect(["-sess_out", session]).contains("New, TLSv1"))
      // It would resume: without this the rest says nothing.
      #expect(try await connect(["-sess_in", session]).contains("Reused, TLSv1"))
      #expect(server.metrics.sum("weir_tls_handshakes_total") == 2)

      try Data(contentsOf: URL(fileURLWithPath: them.strangers.certificate)).write(to: URL(fileURLWithPath: ca))
      #expect(await server.certificates.look())
      #expect(await !server.certificates.look())
      #expect(server.metrics.sum("weir_tls_reloads_total", ["result": "ok"]) == 1)
      let refused = try await connect(["-sess_in", session])
      #expect(!refused.contains("Reused, TLSv1"))
      try await server.expectFailures(["untrusted_certificate": 1])
      #expect(server.metrics.sum("weir_tls_handshakes_total") == 2)
    }
  }
}
