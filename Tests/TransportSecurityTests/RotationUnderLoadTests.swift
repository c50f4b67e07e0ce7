import EnvoyHarness
import Foundation
import GRPCTransport
import NIOCore
import Synchronization
import Testing

@testable import TransportSecurity

/// Files that are replaced as operators and Kubernetes do it, while streams are busy.
@Suite(.serialized, .timeLimit(.minutes(2))) struct RotationUnderLoadTests {
  /// A folder that holds the server's files, written in different ways.
  private struct Folder {
    let directory = TemporaryDirectory(prefix: "weir-rotation")
    /// Kubernetes: `tls.crt` is a link to `..data/tls.crt`, and `..data` one to a folder with a date.
    let isSecret: Bool
    var files: TLSFiles {
      TLSFiles(
        certificate: directory.path + "/tls.crt", key: directory.path + "/tls.key", clientCA: directory.path + "/ca.crt"
      )
    }

    func write(_ name: String, _ from: String, in folder: String? = nil) throws {
      let text = try Data(contentsOf: URL(fileURLWithPath: from))
      // Truncates and writes: in place.
      let file = "\(folder ?? directory.path)/\(name)"
      if !FileManager.default.fileExists(atPath: file) {
        _ = FileManager.default.createFile(atPath: file, contents: nil)
      }
      let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: file))
      try handle.truncate(atOffset: 0)
      try handle.write(contentsOf: text)
      try handle.close()
    }

    func replace(_ identity: CertificateAuthority.Identity, clientCA: String, version: Int) throws {
      let all = [("tls.crt", identity.certificate), ("tls.key", identity.key), ("ca.crt", clientCA)]
      guard isSecret else {
        for (name, from) in all { try write(name, from) }
        return
      }
      let folder = "\(directory.path)/..\(version)"
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
      for (name, from) in all { try write(name, from, in: folder) }
      try FileManager.default.createSymbolicLink(
        atPath: directory.path + "/..data_tmp", withDestinationPath: "..\(version)")
      #expect(rename(directory.path + "/..data_tmp", directory.path + "/..data") == 0)
      for (name, _) in all where !FileManager.default.fileExists(atPath: "\(directory.path)/\(name)") {
        try FileManager.default.createSymbolicLink(
          atPath: "\(directory.path)/\(name)", withDestinationPath: "..data/\(name)")
      }
    }
  }

  /// Sends a message for each that it gets, for as long as the stream lives.
  private final class Player: GRPCCallHandler {
    private let call: GRPCCall
    private let tally: Tally
    private let index: Int

    init(_ call: GRPCCall, _ tally: Tally, _ index: Int) {
      self.call = call
      self.tally = tally
      self.index = index
    }

    func received(message: ByteBuffer) {
      tally.counts.withLock { $0[index] += 1 }
      call.send(ByteBuffer(repeating: 7, count: 500))
    }
    func closed(_ reason: GRPCCloseReason) { tally.closed.withLock { $0.append("\(reason)") } }
  }

  private final class Tally: Sendable {
    let counts: Mutex<[Int]>
    let closed = Mutex<[String]>([])
    init(_ count: Int) { counts = Mutex(Array(repeating: 0, count: count)) }

    /// Waits until every stream has had so many messages more.
    func progress(_ more: Int, _ what: String) async throws {
      let before = counts.withLock { $0 }
      try await poll("every stream goes on: \(what)") {
        counts.withLock { now in zip(before, now).allSatisfy { $0 + more <= $1 } }
      }
    }
  }

  private static let connections = 4
  private static let streams = 8

  @Test("Rotation drops no stream, and concerns new connections", arguments: [false, true], [false, true])
  func rotation(asSecret isSecret: Bool, drainsUntrusted: Bool) async throws {
    let them = try await Identities.get()
    let folder = Folder(isSecret: isSecret)
    defer { folder.directory.remove() }
    try folder.replace(them.server, clientCA: them.clients.certificate, version: 0)
    var timing = ServerCertificates.Timing()
    timing.interval = .milliseconds(20)
    timing.settling = .milliseconds(5)
    timing.patience = .milliseconds(200)
    try await SecureServer.with(folder.files, timing: timing, drainsUntrusted: drainsUntrusted) { server in
      let watching = Task { [certificates = server.certificates] in await certificates.watch() }
      defer { watching.cancel() }
      let tally = Tally(Self.connections * Self.streams)
      var clients: [GRPCClient] = []
      for connection in 0..<Self.connections {
        let client = try await server.connect(as: them.client, trusting: them.servers)
        clients.append(client)
        for stream in 0..<Self.streams {
          client.start(method: "/test/Echo") { Player($0, tally, connection * Self.streams + stream) }
        }
      }
      try await tally.progress(20, "before")

      /// Waits until new connections see the certificate.
      func expectServed(_ identity: CertificateAuthority.Identity, to client: CertificateAuthority.Identity)
        async throws
      {
        let serial = try TLSClient.serial(of: identity.certificate)
        try await poll("the certificate \(identity.certificate) is served") {
          try await TLSClient.talk(
            to: server.port, tls: try TLSClient.context(client, trusting: them.servers), until: { !$0.isEmpty }
          ).serial == serial
        }
      }
      try await expectServed(them.server, to: them.client)

      for version in 1...3 {
        let next = try await them.servers.issue("server")
        try folder.replace(next, clientCA: them.clients.certificate, version: version)
        try await expectServed(next, to: them.client)
        try await tally.progress(20, "rotation \(version)")
      }

      // A broken one: the former certificate stays, and it is told once.
      let last = try await them.servers.issue("server")
      let served = try TLSClient.serial(of: folder.files.certificate)
      let mixed = CertificateAuthority.Identity(certificate: last.certificate, key: them.client.key)
      try folder.replace(mixed, clientCA: them.clients.certificate, version: 4)
      try await poll("the broken change is told") {
        server.metrics.sum("weir_tls_reloads_total", ["result": "failed"]) == 1
      }
      let during = try await TLSClient.talk(
        to: server.port, tls: try TLSClient.context(them.client, trusting: them.servers), until: { !$0.isEmpty })
      #expect(during.serial == served)
      try await tally.progress(20, "a broken certificate")
      try folder.replace(last, clientCA: them.clients.certificate, version: 5)
      try await expectServed(last, to: them.client)

      // Another client CA beside the first: nobody notices, and its clients come in.
      let both = folder.directory.path + "/both.pem"
      let bundle = try [them.clients, them.strangers].map { try Data(contentsOf: URL(fileURLWithPath: $0.certificate)) }
      try bundle.reduce(Data(), +).write(to: URL(fileURLWithPath: both))
      try folder.replace(last, clientCA: both, version: 6)
      let newcomer = try await them.strangers.issue("client")
      try await poll("the new client CA is in use") {
        let outcome = try await TLSClient.talk(
          to: server.port, tls: try TLSClient.context(newcomer, trusting: them.servers), until: { !$0.isEmpty })
        return !outcome.bytes.isEmpty
      }
      let trusted = try await server.connect(as: newcomer, trusting: them.servers)
      let survivor = Tally(1)
      trusted.start(method: "/test/Echo") { Player($0, survivor, 0) }
      try await survivor.progress(20, "a client of the new CA")
      try await tally.progress(20, "a new client CA")
      #expect(tally.closed.withLock { $0 } == [])

      // Without the first: its clients do not come in any more. Those who are in stay in, unless they are to leave.
      try folder.replace(last, clientCA: them.strangers.certificate, version: 7)
      try await poll("the former client CA has gone") {
        try await TLSClient.talk(
          to: server.port, tls: try TLSClient.context(them.client, trusting: them.servers), until: { !$0.isEmpty }
        ).bytes.isEmpty
      }
      if drainsUntrusted {
        try await poll("every stream of the former CA's clients ends") {
          tally.closed.withLock { $0.count } == Self.connections * Self.streams
        }
        #expect(tally.closed.withLock { $0.allSatisfy { $0.contains("unavailable") } })
      } else {
        try await tally.progress(20, "the former CA has gone")
        #expect(tally.closed.withLock { $0 } == [])
      }
      // Those who asked whether they still come in may have been told to go, too.
      let drained = server.metrics.sum("weir_tls_clients_drained_total", ["reason": "untrusted"])
      #expect(drainsUntrusted ? drained >= Double(Self.connections) : drained == 0)
      try await survivor.progress(20, "the former CA has gone")
      #expect(survivor.closed.withLock { $0 } == [])
      await trusted.close()

      #expect(server.metrics.sum("weir_tls_reloads_total", ["result": "ok"]) == 6)
      #expect(server.metrics.sum("weir_tls_reloads_total", ["result": "failed"]) == 1)
      for client in clients { await client.close() }
    }
  }
}
