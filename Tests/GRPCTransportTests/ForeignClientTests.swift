import Foundation
import GRPCTransport
import Testing

/// gRPC's own client library against this server, so that both ends do not share one misunderstanding.
@Suite(.timeLimit(.minutes(2))) struct ForeignClientTests {
  @Test func grpcio() async throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let python = root.appendingPathComponent(".venv/bin/python").path
    guard FileManager.default.isExecutableFile(atPath: python) else {
      print("grpcio: skipped, there is no .venv with grpcio (python3 -m venv .venv; .venv/bin/pip install grpcio)")
      return
    }
    let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("grpcio_client.py").path
    // Five thousand small messages at once are as many frames, which no xDS client sends, and few answers to earn them by.
    var configuration = GRPCServerConfiguration()
    configuration.frameBurst = 10_000
    try await withServer(configuration) { server in
      let result = try await run(python, [script, "\(server.address)"])
      #expect(result.status == 0, "\(result.output)")
      #expect(result.output.contains("all good"))
    }
  }
}
