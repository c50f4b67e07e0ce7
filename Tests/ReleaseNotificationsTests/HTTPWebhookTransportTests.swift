import EnvoyHarness
import Foundation
import NIOPosix
import ReleaseNotifications
import ReleaseStores
import Testing

/// Over real sockets, with receivers in another language.
@Suite(.serialized) struct HTTPWebhookTransportTests {
  private let directory = TemporaryDirectory(prefix: "weir-webhooks")

  private func receiver(_ arguments: [String], environment: [String: String] = [:]) async throws -> (ChildProcess, Int)
  {
    let process = try await ChildProcess.spawn(
      "/usr/bin/python3", ["-u"] + arguments, environment: environment, logPath: directory.path + "/log",
      readsLines: true)
    let port = try await within(.seconds(20), "the receiver listens") {
      for await line in process.lines { return try JSON(parsing: line)["port"].integer }
      throw HarnessError(.exited, "the receiver has ended: \(process.logTail())")
    }
    return (process, try #require(port))
  }

  private func withTransport(_ body: (HTTPWebhookTransport) async throws -> Void) async throws {
    let transport = HTTPWebhookTransport(group: MultiThreadedEventLoopGroup.singleton)
    do {
      try await body(transport)
    } catch {
      try await transport.close()
      throw error
    }
    try await transport.close()
    directory.remove()
  }

  @Test func theExampleReceiverAcceptsWhatIsSignedAndNothingElse() async throws {
    let example = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
      "../../examples/releases/webhook_receiver.py"
    ).path
    let (process, port) = try await receiver([example], environment: ["WEIR_WEBHOOK_SECRET": "s3cret"])
    try await withTransport { transport in
      let store = WatchedStore()
      let url = "http://127.0.0.1:\(port)/"
      let webhooks = [
        WebhookConfiguration(name: "good", url: url, secret: .init("s3cret")),
        WebhookConfiguration(name: "bad", url: url, secret: .init("other"), retries: 0),
        WebhookConfiguration(name: "none", url: url, retries: 0),
      ]
      var event = Samples.event(reason: "重み 🚀")
      event.at = .now
      for webhook in webhooks {
        _ = try store.inner.commit(
          ReleaseCommit(
            statements: [
              LedgerStatement(release: "r-1", host: "h", actor: "ci", action: "set-weight", at: event.at)
            ], notifications: WebhookRoster([webhook]).notifications(of: event, statement: 0)))
      }
      let dispatcher = WebhookDispatcher(webhooks: webhooks, store: store, transport: transport, logger: Samples.logger)
      let running = Task { await dispatcher.run() }
      let heard = try await within(.seconds(20), "three requests") { () -> [JSON] in
        var heard: [JSON] = []
        for await line in process.lines {
          heard.append(try JSON(parsing: line))
          if heard.count == 3 { break }
        }
        return heard
      }
      let accepted = heard.filter { $0["verified"].bool == true }
      #expect(accepted.count == 1)
      #expect(accepted.first?["action"].string == "set-weight" && accepted.first?["reason"].string == "重み 🚀")
      #expect(accepted.first?["mark"].string?.hasPrefix("1:") == true)
      #expect(
        heard.compactMap { $0["refused"].string }.sorted() == ["the signature is wrong", "there is no signature"])
      var commits = store.commits.makeAsyncIterator()
      for _ in 1...3 { _ = await commits.next() }
      running.cancel()
      await running.value
      #expect(store.inner.load().waiting.isEmpty)
      #expect(dispatcher.status["good"]?.delivered == 1)
      #expect(dispatcher.status["bad"]?.abandoned == 1)
    }
    await process.kill()
  }

  private static let server = """
    import http.server, json, socketserver, time
    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            if self.path == "/hang": time.sleep(60)
            self.send_response({"/redirect": 302, "/busy": 429}.get(self.path, 200))
            if self.path == "/redirect": self.send_header("Location", "/hang")
            if self.path == "/busy": self.send_header("Retry-After", "17")
            if self.path == "/soon": self.send_header("Retry-After", "Fri, 31 Dec 1999 23:59:59 GMT")
            if self.path == "/drip": self.send_header("Content-Length", "1000000")
            self.end_headers()
            if self.path == "/big":
                try:
                    for _ in range(1000): self.wfile.write(b"x" * 10000)
                except OSError: pass
            if self.path == "/drip":
                try:
                    while True: self.wfile.write(b"x"); self.wfile.flush(); time.sleep(0.05)
                except OSError: pass
        def log_message(self, *arguments): pass
    class Server(socketserver.ThreadingMixIn, http.server.HTTPServer): daemon_threads = True
    server = Server(("127.0.0.1", 0), Handler)
    print(json.dumps({"port": server.server_port}), flush=True)
    server.serve_forever()
    """

  @Test func whatReceiversMayDo() async throws {
    let (process, port) = try await receiver(["-c", Self.server])
    try await withTransport { transport in
      func send(_ path: String, timeout: Duration = .seconds(20)) async throws -> WebhookResponse {
        try await transport.send(
          WebhookRequest(url: "http://127.0.0.1:\(port)\(path)", headers: [:], body: [1]), timeout: timeout)
      }
      let plain = try await send("/")
      #expect(plain == WebhookResponse(status: 200))
      let redirect = try await send("/redirect")
      #expect(redirect.status == 302, "it is not followed")
      let busy = try await send("/busy")
      #expect(busy.retryAfter == .seconds(17))
      let soon = try await send("/soon")
      #expect(soon.retryAfter == nil)
      let big = try await send("/big")
      #expect(big.body.count == 64 * 1_024)
      for path in ["/hang", "/drip"] {
        let took = await ContinuousClock().measure {
          await #expect(throws: (any Error).self, "\(path)") { try await send(path, timeout: .milliseconds(300)) }
        }
        #expect(took < .seconds(10), "\(path): \(took)")
      }
      let refused = await #expect(throws: (any Error).self) {
        try await transport.send(
          WebhookRequest(url: "http://127.0.0.1:1/", headers: [:], body: []), timeout: .seconds(20))
      }
      #expect("\(refused as Any)".contains("refused"), "at once, and not when the time is over")
    }
    await process.kill()
  }
}
