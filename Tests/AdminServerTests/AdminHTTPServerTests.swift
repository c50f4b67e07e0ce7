import AdminServer
import Logging
import Telemetry
import Testing

@Suite struct AdminHTTPServerTests {
  @Test func aRequestUnderWayOutlivesTheShutdown() async throws {
    let gate = Gate()
    let source = FakeSource(gate: gate)
    try await withServer(source) { client, server in
      async let answer = client.send("GET", "/v1/proxies")
      await gate.waitForArrival()
      async let stopped: Void = server.shutdown()
      // The listening socket is closed once a new connection is refused.
      while (try? await client.send("GET", "/live")) != nil {}
      gate.open()
      let response = try await answer
      #expect(response.status == 200)
      await stopped
      try await server.waitUntilStopped()
    }
  }

  @Test func shutdownEndsARequestThatNeverEnds() async throws {
    let gate = Gate()
    let server = try await AdminHTTPServer.start(
      host: "127.0.0.1", port: 0, source: FakeSource(gate: gate), metrics: MetricsRegistry(),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, drainTime: .milliseconds(50))
    let client = client(of: server)
    let answer = Task { try await client.send("GET", "/v1/proxies") }
    await gate.waitForArrival()
    await server.shutdown()
    await #expect(throws: AdminError.self) { try await answer.value }
  }

  @Test func aTakenPortIsSaidSo() async throws {
    try await withServer { client, server in
      let error = await #expect(throws: AdminError.self) {
        try await AdminHTTPServer.start(
          host: "127.0.0.1", port: client.port, source: FakeSource(), metrics: MetricsRegistry(),
          logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
      }
      #expect(error?.code == .bind)
      #expect(error?.message.contains(server.address) == true)
    }
  }

  @Test func ipv6AddressesAreBracketed() async throws {
    let server = try await AdminHTTPServer.start(
      host: "::1", port: 0, source: FakeSource(), metrics: MetricsRegistry(),
      logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    #expect(server.address.hasPrefix("[::1]:"))
    await server.shutdown()
  }

  @Test func theClientSaysThatNothingListens() async throws {
    let client = try await withServer { client, _ in client }
    let error = await #expect(throws: AdminError.self) { try await client.proxies() }
    #expect(error?.code == .unreachable)
    #expect(error?.message == "nothing listens at 127.0.0.1:\(client.port)")
  }

  @Test func theClientDoesNotWaitForEver() async throws {
    let gate = Gate()
    try await withServer(FakeSource(gate: gate)) { _, server in
      let client = client(of: server, timeout: .milliseconds(50))
      let error = await #expect(throws: AdminError.self) { try await client.proxies() }
      #expect(error?.code == .timeout)
      gate.open()
    }
  }
}
