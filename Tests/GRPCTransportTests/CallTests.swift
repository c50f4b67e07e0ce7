import GRPCTransport
import HTTP2Session
import NIOCore
import Testing

@Suite(.timeLimit(.minutes(1))) struct CallTests {
  @Test func unary() async throws {
    try await withServer { server in
      let client = try await server.connect()
      let call = await client.probe("/test/Echo", metadata: [("x-request", "1")])
      try await call.run {
        $0.send(ByteBuffer(string: "hello"))
        $0.end()
      }
      #expect(try await call.message() == ByteBuffer(string: "hello"))
      #expect(try await call.closed().status == .ok)
      #expect(server.server.acceptedCallCount == 1)
      await client.close()
    }
  }

  @Test func bidirectional() async throws {
    try await withServer { server in
      let client = try await server.connect()
      let call = await client.probe("/test/Echo")
      for round in 0..<100 {
        let message = ByteBuffer(string: "message \(round)")
        try await call.run { $0.send(message) }
        #expect(try await call.message() == message)
      }
      try await call.run { $0.end() }
      #expect(try await call.closed().status == .ok)
    }
  }

  @Test func metadataAndAddressReachTheServer() async throws {
    try await withServer { server in
      let client = try await server.connect()
      let call = await client.probe("/test/Probe", metadata: [("x-node", "sidecar-1"), ("x-blob-bin", "AAEC")])
      let other = try await server.nextProbe()
      #expect(other.metadata["x-node"] == "sidecar-1" && other.metadata["x-blob-bin"] == "AAEC")
      #expect(try await other.run { $0.method } == "/test/Probe")
      #expect(try await other.run { $0.remoteAddress?.ipAddress } == "127.0.0.1")
      try await other.run { $0.sendInitialMetadata([("x-early", "yes")]) }
      let early = try await call.first { if case .metadata(let fields) = $0 { fields["x-early"] } else { nil } }
      #expect(early == "yes")
    }
  }

  @Test func messagesLargerThanEveryWindow() async throws {
    try await withServer { server in
      let client = try await server.connect()
      let call = await client.probe("/test/Echo")
      // 10 MiB in blocks that differ, so that a lost or swapped frame shows.
      var big = ByteBuffer()
      for index in 0..<10_240 { big.writeRepeatingByte(UInt8(truncatingIfNeeded: index &* 167), count: 1024) }
      let message = big
      try await call.run { $0.send(message) }
      #expect(try await call.message() == message)
      try await call.run { $0.end() }
      #expect(try await call.closed().status == .ok)
    }
  }

  @Test func aMessageAboveTheLimitIsRefused() async throws {
    var configuration = GRPCServerConfiguration()
    configuration.maxMessageSize = 1000
    try await withServer(configuration) { server in
      let client = try await server.connect()
      let call = await client.probe("/test/Echo")
      try await call.run { $0.send(ByteBuffer(repeating: 0, count: 1001)) }
      #expect(try await call.closed().status.code == .resourceExhausted)
      // The connection lives on.
      let next = await client.probe("/test/Echo")
      try await next.run { $0.send(ByteBuffer(repeating: 0, count: 1000)) }
      #expect(try await next.message().readableBytes == 1000)
    }
  }

  @Test func aResponseAboveTheClientsLimitEndsTheCall() async throws {
    try await withServer { server in
      var configuration = GRPCClientConfiguration()
      configuration.maxMessageSize = 1000
      let client = try await server.connect(configuration)
      let call = await client.probe("/test/Echo")
      try await call.run { $0.send(ByteBuffer(repeating: 0, count: 1001)) }
      #expect(try await call.closed().status.code == .resourceExhausted)
    }
  }

  @Test func compressedMessagesAreRefused() async throws {
    try await withServer { server in
      let client = try await server.connect()
      let call = await client.probe("/test/Echo")
      try await call.run { $0.send(framed: ByteBuffer(bytes: [1, 0, 0, 0, 1, 42])) }
      #expect(try await call.closed().status.code == .unimplemented)
    }
  }

  @Test func anEndInsideAMessageIsAnError() async throws {
    try await withServer { server in
      let client = try await server.connect()
      let call = await client.probe("/test/Echo")
      try await call.run {
        $0.send(framed: ByteBuffer(bytes: [0, 0, 0, 0, 9, 42]))
        $0.end()
      }
      #expect(try await call.closed().status.code == .internal)
    }
  }

  @Test func unknownMethod() async throws {
    try await withServer { server in
      let client = try await server.connect()
      let status = try await client.probe("/test/Nothing").closed().status
      #expect(status == GRPCStatus(.unimplemented, "unknown method /test/Nothing"))
    }
  }

  /// A trailers-only response, with a message that has to be percent-encoded.
  @Test func trailersOnly() async throws {
    try await withServer { server in
      let client = try await server.connect()
      let status = try await client.probe("/test/Fail").closed().status
      #expect(status == GRPCStatus(.notFound, "no such thing: 100 % würklich\n"))
    }
  }

  /// The client ends its side; the server goes on sending, and its status comes last.
  @Test func halfClose() async throws {
    try await withServer { server in
      let client = try await server.connect()
      let call = await client.probe("/test/Probe")
      let other = try await server.nextProbe()
      try await call.run { $0.end() }
      try await other.first { if case .end = $0 { () } else { nil } }
      for index in 0..<3 { try await other.run { $0.send(ByteBuffer(string: "\(index)")) } }
      try await other.run { $0.finish(GRPCStatus(.aborted, "enough")) }
      for index in 0..<3 { #expect(try await call.message() == ByteBuffer(string: "\(index)")) }
      #expect(try await call.closed().status == GRPCStatus(.aborted, "enough"))
      guard case .finished(GRPCStatus(.aborted, "enough")) = try await other.closed() else {
        Issue.record("the server should hear that its status left")
        return
      }
    }
  }

  /// The server ends first; the client's side is still open, and both hear a clean end.
  @Test func serverEndsFirst() async throws {
    try await withServer { server in
      let client = try await server.connect()
      let call = await client.probe("/test/Probe")
      let other = try await server.nextProbe()
      try await other.run {
        $0.send(ByteBuffer(string: "last"))
        $0.finish(.ok)
      }
      #expect(try await call.message() == ByteBuffer(string: "last"))
      #expect(try await call.closed().status == .ok)
      #expect(try await other.closed().status == .ok)
    }
  }

  @Test func cancelReachesTheServer() async throws {
    try await withServer { server in
      let client = try await server.connect()
      let call = await client.probe("/test/Probe")
      let other = try await server.nextProbe()
      try await call.run { $0.reset() }
      guard case .resetByPeer(.cancel) = try await other.closed(), case .reset = try await call.closed() else {
        Issue.record("expected CANCEL")
        return
      }
      // Everything on a closed call is ignored.
      try await other.run {
        $0.send(ByteBuffer(string: "late"))
        $0.finish(.ok)
        $0.reset()
        $0.pauseReading()
        $0.resumeReading()
      }
      #expect(try await other.run { $0.isClosed && !$0.isWritable && $0.bufferedBytes == 0 })
    }
  }

  @Test func deadline() async throws {
    try await withServer { server in
      let client = try await server.connect()
      let call = await client.probe("/test/Probe", timeout: .milliseconds(50))
      let other = try await server.nextProbe()
      #expect(try await call.closed().status.code == .deadlineExceeded)
      #expect([.deadlineExceeded, .cancelled].contains(try await other.closed().status.code))
    }
  }

  /// The server keeps the deadline even if the client does not.
  @Test func deadlineOnTheServerAlone() async throws {
    try await withServer { server in
      let client = try await server.connect()
      let call = await client.probe("/test/Probe", metadata: [("grpc-timeout", "20m")])
      let other = try await server.nextProbe()
      guard case .deadlineExceeded = try await other.closed() else {
        Issue.record("expected the deadline")
        return
      }
      #expect(try await call.closed().status.code == .deadlineExceeded)
    }
  }

  @Test func aMalformedTimeoutIsRefused() async throws {
    try await withServer { server in
      let client = try await server.connect()
      let status = try await client.probe("/test/Echo", metadata: [("grpc-timeout", "soon")]).closed().status
      #expect(status.code == .internal)
    }
  }

  /// One framed buffer goes to many calls.
  @Test func aSharedBufferReachesEveryCall() async throws {
    try await withServer { server in
      let framed = GRPCFraming.frame(ByteBuffer(repeating: 7, count: 50_000))
      var clients: [GRPCClient] = []
      for _ in 0..<5 {
        let client = try await server.connect()
        clients.append(client)
        for _ in 0..<4 {
          let call = await client.probe("/test/Probe")
          let other = try await server.nextProbe()
          try await other.run { $0.send(framed: framed) }
          #expect(try await call.message() == ByteBuffer(repeating: 7, count: 50_000))
        }
      }
      #expect(server.server.connectionCount == 5)
      #expect(server.server.callCount == 20)
      for client in clients { await client.close() }
    }
  }
}
