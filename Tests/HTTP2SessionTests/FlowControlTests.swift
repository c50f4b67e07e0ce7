import HTTP2Session
import NIOCore
import Testing

@Suite struct FlowControlTests {
  private func smallWindows() -> HTTP2SessionConfiguration {
    var configuration = HTTP2SessionConfiguration()
    configuration.initialStreamWindow = 10_000
    configuration.connectionWindow = 65_535
    return configuration
  }

  @Test func senderStopsAtTheWindowAndResumesWhenBytesAreConsumed() throws {
    let pair = try SessionPair(server: smallWindows())
    let stream = try pair.client.openStream(requestHead, endStream: false)
    pair.client.write(ByteBuffer(repeating: 1, count: 25_000), on: stream)
    pair.client.end(stream)
    try pair.pump()
    #expect(pair.serverEvents.body(of: stream).count == 10_000)
    #expect(pair.client.bufferedBytes(on: stream) == 15_000)

    pair.server.consume(10_000, on: stream)
    try pair.pump()
    #expect(pair.serverEvents.body(of: stream).count == 20_000)
    #expect(pair.serverEvents.endedStreams().isEmpty)

    pair.server.consume(10_000, on: stream)
    try pair.pump()
    #expect(pair.serverEvents.body(of: stream).count == 25_000)
    #expect(pair.serverEvents.endedStreams() == [stream])
  }

  /// Bytes that nobody consumed return to the connection's window when their stream closes, or it would run dry.
  @Test func closedStreamsGiveTheirBytesBackToTheConnection() throws {
    let pair = try SessionPair(server: smallWindows())
    for round in 0..<20 {
      let stream = try pair.client.openStream(requestHead, endStream: false)
      pair.client.write(ByteBuffer(repeating: 1, count: 10_000), on: stream)
      try pair.pump()
      #expect(pair.serverEvents.body(of: stream).count == 10_000, "round \(round)")
      pair.server.reset(stream, .cancel)
      try pair.pump()
    }
  }

  /// Data on its way when this end resets the stream is discarded, and costs the connection's window nothing.
  @Test func dataAfterOurResetIsDiscardedAndCredited() throws {
    let pair = try SessionPair(server: smallWindows())
    for _ in 0..<20 {
      let stream = try pair.client.openStream(requestHead, endStream: false)
      try pair.pump()
      pair.server.reset(stream, .cancel)
      pair.client.write(ByteBuffer(repeating: 1, count: 10_000), on: stream)
      try pair.pump()
      #expect(pair.serverEvents.body(of: stream).isEmpty)
    }
    let last = try pair.client.openStream(requestHead, endStream: false)
    pair.client.write(ByteBuffer(repeating: 1, count: 10_000), on: last)
    try pair.pump()
    #expect(pair.serverEvents.body(of: last).count == 10_000)
  }

  @Test func writabilityFollowsTheWatermarks() throws {
    var limits = HTTP2SessionConfiguration()
    limits.writeHighWatermark = 20_000
    limits.writeLowWatermark = 5_000
    let pair = try SessionPair(client: limits, server: smallWindows())
    let stream = try pair.client.openStream(requestHead, endStream: false)
    #expect(!pair.client.write(ByteBuffer(repeating: 1, count: 20_000), on: stream))
    #expect(pair.client.isWritable(stream))
    #expect(pair.client.write(ByteBuffer(repeating: 1, count: 1), on: stream))
    #expect(!pair.client.write(ByteBuffer(repeating: 1, count: 1), on: stream))
    #expect(!pair.client.isWritable(stream))
    func writableEvents() -> Int {
      pair.clientEvents.count { if case .writable(stream) = $0 { true } else { false } }
    }
    try pair.pump()
    #expect(writableEvents() == 0)
    pair.server.consume(10_000, on: stream)
    try pair.pump()
    #expect(writableEvents() == 1)
    #expect(pair.client.isWritable(stream))
  }
}
