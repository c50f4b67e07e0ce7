import GRPCTransport
import NIOCore
import Testing

@Suite(.timeLimit(.minutes(1))) struct FlowControlTests {
  /// A client that does not read holds up its own stream only, and the server's queue for it stays near its mark.
  @Test func aSlowReaderCostsItselfOnly() async throws {
    try await withServer { server in
      var configuration = GRPCClientConfiguration()
      configuration.streamWindow = 100_000
      let client = try await server.connect(configuration)
      let slow = await client.probe("/test/Probe")
      let slowServer = try await server.nextProbe()
      try await slow.run { $0.pauseReading() }

      // Send for as long as the call is writable, as a well-behaved application does.
      let message = ByteBuffer(repeating: 1, count: 10_000)
      @Sendable func sendWhileWritable(_ call: GRPCCall) -> Int {
        var count = 0
        while call.isWritable {
          call.send(message)
          count += 1
        }
        return count
      }
      // Another stream of the same connection is not held up.
      func quickRoundTrip() async throws {
        let quick = await client.probe("/test/Echo")
        try await quick.run {
          $0.send(ByteBuffer(string: "quick"))
          $0.end()
        }
        #expect(try await quick.message() == ByteBuffer(string: "quick"))
        #expect(try await quick.closed().status == .ok)
      }

      // The window takes 100,000 bytes; after that the queue fills and stays full.
      var sent = 0
      var buffered = 0
      repeat {
        try await quickRoundTrip()
        sent += try await slowServer.run(sendWhileWritable)
        buffered = try await slowServer.run { $0.bufferedBytes }
      } while sent * 10_005 - buffered < 100_000
      #expect(sent * 10_005 - buffered == 100_000)
      #expect(buffered <= 64 * 1024 + 10_005)
      #expect(try await slowServer.run { !$0.isWritable })
      try await quickRoundTrip()

      // When the slow one reads again, everything arrives, in order and whole.
      try await slow.run { $0.resumeReading() }
      for _ in 0..<sent { #expect(try await slow.message() == message) }
    }
  }

  /// Messages that wait behind a pause are delivered before the end that followed them.
  @Test func aPauseDelaysTheStatusToo() async throws {
    try await withServer { server in
      let client = try await server.connect()
      let call = await client.probe("/test/Probe")
      let other = try await server.nextProbe()
      try await call.run { $0.pauseReading() }
      try await other.run {
        for index in 0..<5 { $0.send(ByteBuffer(string: "\(index)")) }
        $0.finish(.ok)
      }
      _ = try await other.closed()
      // A round trip on the same connection: the messages and the status are there.
      let echo = await client.probe("/test/Echo")
      try await echo.run { $0.end() }
      _ = try await echo.closed()
      try await call.run { $0.resumeReading() }
      for index in 0..<5 { #expect(try await call.message() == ByteBuffer(string: "\(index)")) }
      #expect(try await call.closed().status == .ok)
    }
  }

  @Test func theServerCanPauseAClient() async throws {
    var configuration = GRPCServerConfiguration()
    configuration.streamWindow = 50_000
    try await withServer(configuration) { server in
      let client = try await server.connect()
      let call = await client.probe("/test/Probe")
      let other = try await server.nextProbe()
      try await other.run { $0.pauseReading() }
      try await call.run { call in
        for _ in 0..<30 { call.send(ByteBuffer(repeating: 3, count: 10_000)) }
        call.end()
      }
      // The window took some; the rest waits at the client.
      let echo = await client.probe("/test/Echo")
      try await echo.run { $0.end() }
      _ = try await echo.closed()
      #expect(try await call.run { $0.bufferedBytes } == 30 * 10_005 - 50_000)
      try await other.run { $0.resumeReading() }
      for _ in 0..<30 { #expect(try await other.message().readableBytes == 10_000) }
      try await other.first { if case .end = $0 { () } else { nil } }
    }
  }
}
