import HTTP2Session
import HTTP2Transport
import NIOCore
import NIOEmbedded
import Testing

@Suite struct ConnectionTests {
  private func open(_ pair: EmbeddedPair) throws -> RecordingStream {
    let user = RecordingStream()
    user.stream = try pair.client.openStream(requestHead, endStream: false, delegate: user)
    try pair.pump()
    return user
  }

  @Test func echo() throws {
    let pair = try EmbeddedPair()
    #expect(pair.clientUser.ready == 1 && pair.serverUser.ready == 1)
    let client = try open(pair)
    client.stream?.send(body: ByteBuffer(string: "hello"))
    client.stream?.end()
    try pair.pump()
    let server = try #require(pair.serverUser.accepted.first)
    #expect(server.body == Array("hello".utf8))
    #expect(server.ended == 1)
    server.stream?.respond(responseHead, endStream: false)
    server.stream?.send(body: ByteBuffer(string: "world"))
    server.stream?.end(trailers: [HTTP2Header("grpc-status", "0")])
    try pair.pump()
    #expect(client.body == Array("world".utf8))
    #expect(client.heads == [responseHead, [HTTP2Header("grpc-status", "0")]])
    guard case .finished? = client.closures.first, case .finished? = server.closures.first else {
      Issue.record("both ends finish: \(client.closures) \(server.closures)")
      return
    }
    #expect(client.closures.count == 1 && server.closures.count == 1)
    #expect(pair.client.streamCount == 0 && pair.server.streamCount == 0)
  }

  /// A thousand writes in one tick leave with one flush.
  @Test func writesOfOneTickShareAFlush() throws {
    let pair = try EmbeddedPair()
    _ = try open(pair)
    let server = try #require(pair.serverUser.accepted.first)
    let before = (pair.serverOutput.writes, pair.serverOutput.flushes)
    server.stream?.respond(responseHead, endStream: false)
    for _ in 0..<50 { server.stream?.send(body: ByteBuffer(repeating: 1, count: 100)) }
    #expect(pair.serverOutput.writes == before.0)
    pair.loop.run()
    #expect(pair.serverOutput.flushes == before.1 + 1)
    // 50 small bodies are one frame, next to the response head: a single buffer.
    #expect(pair.serverOutput.writes == before.0 + 1)
  }

  /// While the channel is not writable nothing is taken from the streams, whose users see the queue instead.
  @Test func anUnwritableChannelLeavesBytesInTheStream() throws {
    let pair = try EmbeddedPair()
    let client = try open(pair)
    let server = try #require(pair.serverUser.accepted.first)
    pair.serverChannel.isWritable = false
    pair.serverChannel.pipeline.fireChannelWritabilityChanged()
    server.stream?.respond(responseHead, endStream: false)
    server.stream?.send(body: ByteBuffer(repeating: 1, count: 100_000))
    try pair.pump()
    #expect(server.stream?.bufferedBytes == 100_000)
    #expect(server.stream?.isWritable == false)
    #expect(server.writability == [false])
    #expect(client.body.isEmpty)
    pair.serverChannel.isWritable = true
    pair.serverChannel.pipeline.fireChannelWritabilityChanged()
    try pair.pump()
    #expect(client.body.count == 100_000)
    #expect(server.writability == [false, true])
  }

  @Test func aRefusedStreamIsReset() throws {
    let pair = try EmbeddedPair()
    pair.serverUser.refuses = true
    let client = try open(pair)
    guard case .reset(.refusedStream, byPeer: true)? = client.closures.first else {
      Issue.record("expected a refusal, got \(client.closures)")
      return
    }
    #expect(pair.server.streamCount == 0)
  }

  @Test func drainLetsStreamsFinishThenCloses() throws {
    let pair = try EmbeddedPair()
    let client = try open(pair)
    let server = try #require(pair.serverUser.accepted.first)
    pair.server.drain()
    try pair.pump()
    #expect(server.drains == 1)
    #expect(pair.clientUser.goingAway >= 1)
    #expect(pair.serverUser.closures.isEmpty)
    server.stream?.respond(responseHead, endStream: true)
    try pair.pump()
    #expect(client.closures.count == 1)
    #expect(pair.serverUser.closures.map(\.code) == [.closedLocally])
    #expect(!pair.serverChannel.isActive && !pair.clientChannel.isActive)
  }

  @Test func drainWithoutStreamsClosesAtOnce() throws {
    let pair = try EmbeddedPair()
    pair.server.drain()
    try pair.pump()
    #expect(pair.serverUser.closures.count == 1)
    #expect(!pair.serverChannel.isActive)
  }

  @Test func drainWaitsForAMutePeerNoLongerThanItsProbe() throws {
    let pair = try EmbeddedPair()
    pair.server.drain()
    // The client's answer is never delivered.
    pair.serverChannel.embeddedEventLoop.advanceTime(by: .milliseconds(999))
    #expect(pair.serverUser.closures.isEmpty)
    pair.serverChannel.embeddedEventLoop.advanceTime(by: .milliseconds(1))
    #expect(pair.serverUser.closures.map(\.code) == [.closedLocally])
    #expect(!pair.serverChannel.isActive)
  }

  @Test func aLostConnectionEndsEveryStreamOnce() throws {
    let pair = try EmbeddedPair()
    let streams = try (0..<3).map { _ in try open(pair) }
    pair.clientChannel.pipeline.fireChannelInactive()
    for user in streams {
      guard case .connectionLost(let error)? = user.closures.first, user.closures.count == 1 else {
        Issue.record("got \(user.closures)")
        continue
      }
      #expect(error.code == .closedByPeer)
      // Calls on a stream that is gone do nothing.
      user.stream?.send(body: ByteBuffer(string: "late"))
      user.stream?.end()
      user.stream?.reset(.cancel)
      user.stream?.consume(5)
      #expect(user.stream?.bufferedBytes == 0)
    }
    #expect(pair.clientUser.closures.count == 1)
    #expect(throws: HTTP2ConnectionError.self) {
      try pair.client.openStream(requestHead, endStream: true, delegate: RecordingStream())
    }
  }

  @Test(arguments: ["GET / HTTP/1.1\r\nHost: weir\r\n\r\n", "\u{16}\u{3}\u{1}\u{2}\u{0}\u{1}"])
  func anotherProtocolClosesTheConnection(text: String) throws {
    let user = RecordingConnection()
    let connection = try HTTP2Connection(role: .server, configuration: .init(), delegate: user)
    let channel = EmbeddedChannel(handler: connection)
    try channel.connect(to: SocketAddress(unixDomainSocketPath: "/peer")).wait()
    channel.pipeline.fireChannelRead(ByteBuffer(string: text))
    channel.pipeline.fireChannelReadComplete()
    channel.embeddedEventLoop.run()
    #expect(!channel.isActive)
    #expect(user.closures.map(\.code) == [.protocolViolation])
    #expect(user.closures.map(\.http2Code) == [.protocolError])
  }

  /// What has been read and waits for its turn is counted until it is handled, or its connection has closed.
  @Test(arguments: [false, true]) func whatWaitsInLineIsCounted(closes: Bool) throws {
    final class Waiting {
      var connections = 0
      var bytes = 0
    }
    let channel = EmbeddedChannel()
    var shares = LoopTurns.Shares()
    shares.trusted = .nanoseconds(1)
    let waiting = Waiting()
    let turns = LoopTurns(
      eventLoop: channel.embeddedEventLoop, shares: shares,
      onWaiting: {
        waiting.connections += $0
        waiting.bytes += $1
      })
    let connection = try HTTP2Connection(
      role: .server, configuration: .init(), delegate: RecordingConnection(), turns: turns)
    try channel.pipeline.syncOperations.addHandler(connection)
    try channel.connect(to: SocketAddress(unixDomainSocketPath: "/peer")).wait()
    let ping: [UInt8] = [0, 0, 8, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    let bytes = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\u{4}\0\0\0\0\0".utf8)
    channel.pipeline.fireChannelRead(
      ByteBuffer(bytes: bytes + [[UInt8]](repeating: ping, count: 1000).flatMap(\.self)))
    channel.pipeline.fireChannelReadComplete()
    #expect(waiting.connections == 1 && waiting.bytes >= 17_000)
    if closes { try channel.close().wait() }
    for _ in 0..<20 where waiting.bytes > 0 { channel.embeddedEventLoop.advanceTime(by: .milliseconds(1)) }
    #expect(waiting.connections == 0 && waiting.bytes == 0)
    if !closes {
      #expect(channel.isActive)
      try channel.close().wait()
    }
  }

  @Test func aViolationIsAnsweredWithGoAwayBeforeTheClose() throws {
    let pair = try EmbeddedPair()
    let client = try open(pair)
    // DATA on stream 0 is a connection error (RFC 9113, section 6.1).
    pair.serverChannel.pipeline.fireChannelRead(ByteBuffer(bytes: [0, 0, 1, 0, 0, 0, 0, 0, 0, 7]))
    pair.serverChannel.pipeline.fireChannelReadComplete()
    try pair.pump()
    #expect(pair.serverUser.closures.map(\.code) == [.protocolViolation])
    #expect(pair.serverUser.closures.map(\.http2Code) == [.protocolError])
    #expect(pair.clientUser.goingAway == 1)
    #expect(pair.clientUser.closures.map(\.code) == [.goAwayByPeer])
    #expect(client.closures.count == 1)
  }
}
