import AdminServer
import NIOCore
import NIOPosix
import ReleaseControl
import Testing

/// Those who watch hear of every change, and are let go when they are gone.
@Suite(.timeLimit(.minutes(1))) struct ReleaseWatchingTests {
  private static let path = "/v1/releases/reviews.shop-1/watch"

  @Test func changesAreLinesOrEvents() async throws {
    let releases = FakeReleases()
    try await withServer(FakeSource(releases: releases)) { client, _ in
      for accept in ["*/*", "text/event-stream"] {
        releases.state.withLock { $0.watchers = [] }
        async let answer = client.send("GET", Self.path, headers: ["accept": accept])
        await releases.waitForWatch(toBegin: true)
        releases.tell(.example(revision: 2))
        for watcher in releases.state.withLock({ $0.watchers }) { watcher.finish() }
        let response = try await answer
        #expect(response.status == 200)
        var lines = response.text.split(separator: "\n", omittingEmptySubsequences: false)
        #expect(lines.popLast()?.isEmpty == true)
        if accept == "*/*" {
          #expect(response.headers["content-type"] == "application/x-ndjson")
        } else {
          #expect(response.headers["content-type"] == "text/event-stream")
          #expect(lines.count == 8)
          #expect(lines.filter { $0 == "event: release" }.count == 2 && lines.filter(\.isEmpty).count == 2)
          #expect(lines.contains("id: 1") && lines.contains("id: 2"))
          lines = lines.filter { $0.hasPrefix("data: ") }.map { $0.dropFirst("data: ".count) }
        }
        let statuses = try lines.map { try AdminJSON.decode(ReleaseStatus.self, from: Array($0.utf8)) }
        #expect(statuses == [.example(), .example(revision: 2)])
      }
      let missing = try await client.send("GET", "/v1/releases/x/watch")
      #expect(missing.status == 404)
    }
  }

  /// However many wait, there is a connection for whoever wants to go back.
  @Test func longPollsDoNotShutOutARollback() async throws {
    let releases = FakeReleases()
    releases.state.withLock { $0.holdsPolls = true }
    try await withServer(FakeSource(releases: releases)) { client, _ in
      try await withThrowingTaskGroup(of: Int.self) { polls in
        for _ in 1...300 {
          polls.addTask { try await client.send("GET", "/v1/releases/reviews.shop-1/live?wait=60s").status }
        }
        // Those that find no place hear so at once; all others wait.
        var refused = 0
        while refused < 300 - 128, let status = try await polls.next() {
          #expect(status == 503)
          refused += 1
        }
        #expect(releases.state.withLock { $0.polls } == 128)
        #expect(try await client.send("GET", "/v1/releases/reviews.shop-1/live").status == 200, "it need not wait")
        #expect(try await client.send("POST", "/v1/releases/reviews.shop-1/rollback").status == 200)
        let answer = try await client.send("GET", "/v1/releases/reviews.shop-1/live?wait=60s")
        #expect(answer.status == 503 && answer.headers["connection"] == "close")
        #expect(try answer.error().code == "too_many_watchers")
        polls.cancelAll()
      }
      // Who is gone leaves a place.
      releases.state.withLock { $0.holdsPolls = false }
      while try await client.send("GET", "/v1/releases/reviews.shop-1/live?wait=1s").status == 503 {}
    }
  }

  @Test func theServersEndIsTheEnd() async throws {
    let releases = FakeReleases()
    try await withServer(FakeSource(releases: releases)) { _, server in
      let connection = try await RawConnection.open(server.address, get: Self.path)
      var text = ""
      for try await bytes in connection.bytes {
        text += String(buffer: bytes)
        if text.contains("}\n") { await server.shutdown() }
      }
      #expect(text.contains("\"revision\":1") && text.hasSuffix("0\r\n\r\n"))
    }
  }

  @Test func aHeartbeatComesWhenNothingElseDoes() async throws {
    let releases = FakeReleases()
    try await withServer(FakeSource(releases: releases), heartbeat: .milliseconds(5)) { _, server in
      let connection = try await RawConnection.open(server.address, get: Self.path)
      var text = ""
      for try await bytes in connection.bytes {
        text += String(buffer: bytes)
        if text.contains("}\n\r\n1\r\n\n\r\n1\r\n\n") { break }
      }
      #expect(text.contains("\"revision\":1"))
      // A client that leaves is noticed, and what it watched is not watched any longer.
      try await connection.channel.close()
      await releases.waitForWatch(toBegin: false)
    }
  }

  @Test func whoTakesNothingIsLetGo() async throws {
    let releases = FakeReleases()
    try await withServer(FakeSource(releases: releases), heartbeat: .milliseconds(20)) { _, server in
      let connection = try await RawConnection.open(server.address, get: Self.path, reads: false)
      await releases.waitForWatch(toBegin: true)
      let large = ReleaseStatus.example(steps: (1...100).map { ReleaseStep(integerLiteral: $0) })
      // Until the sockets' buffers are full.
      while releases.state.withLock({ $0.endedWatches == 0 }) {
        releases.tell(large)
        await Task.yield()
      }
      try await connection.channel.close()
    }
  }

  @Test func thereIsRoomForThoseWhoDoNotWatch() async throws {
    let releases = FakeReleases()
    try await withServer(FakeSource(releases: releases)) { client, server in
      var watchers: [RawConnection] = []
      for _ in 0..<64 {
        watchers.append(try await RawConnection.open(server.address, get: Self.path))
        await releases.waitForWatch(toBegin: true)
      }
      let refused = try await client.send("GET", Self.path)
      #expect(refused.status == 503)
      #expect(try refused.error().code == "too_many_watchers")
      #expect(try await client.send("GET", "/v1/releases").status == 200)
      // The end of the one that was refused.
      await releases.waitForWatch(toBegin: false)
      try await watchers[0].channel.close()
      await releases.waitForWatch(toBegin: false)
      // Its place is free a moment after its watch has ended.
      var status = 503
      while status == 503 {
        async let answer = client.send("GET", Self.path, headers: ["accept": "text/event-stream"])
        await releases.waitForWatch(toBegin: true)
        for watcher in releases.state.withLock({ $0.watchers }) { watcher.finish() }
        status = try await answer.status
      }
      #expect(status == 200)
      for watcher in watchers { watcher.channel.close(promise: nil) }
    }
  }
}

/// A connection on which one GET was sent.
private struct RawConnection {
  let channel: any Channel
  let bytes: AsyncThrowingStream<ByteBuffer, any Error>

  static func open(_ address: String, get path: String, reads: Bool = true) async throws -> RawConnection {
    let port = address.split(separator: ":").last.flatMap { Int($0) } ?? 0
    let (bytes, continuation) = AsyncThrowingStream.makeStream(of: ByteBuffer.self)
    let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
      .channelOption(.autoRead, value: reads)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          try channel.pipeline.syncOperations.addHandler(Forwarding(continuation))
        }
      }
      .connect(host: "127.0.0.1", port: port).get()
    try await channel.writeAndFlush(ByteBuffer(string: "GET \(path) HTTP/1.1\r\nHost: \(address)\r\n\r\n"))
    return RawConnection(channel: channel, bytes: bytes)
  }

  private final class Forwarding: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    private let continuation: AsyncThrowingStream<ByteBuffer, any Error>.Continuation

    init(_ continuation: AsyncThrowingStream<ByteBuffer, any Error>.Continuation) { self.continuation = continuation }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) { continuation.yield(unwrapInboundIn(data)) }
    func channelInactive(context: ChannelHandlerContext) { continuation.finish() }
  }
}
