import HTTP2Session
import NIOCore
import Testing

@Suite struct ExchangeTests {
  @Test(arguments: [nil, 1, 7])
  func requestAndResponseWithTrailers(chunk: Int?) throws {
    let pair = try SessionPair(chunk: chunk)
    let stream = try pair.client.openStream(requestHead, endStream: false)
    pair.client.write(ByteBuffer(string: "ping"), on: stream)
    pair.client.end(stream)
    try pair.pump()
    #expect(pair.serverEvents.headers(.request) == [requestHead])
    #expect(pair.serverEvents.body(of: stream) == Array("ping".utf8))
    #expect(pair.serverEvents.endedStreams() == [stream])

    pair.server.respond(responseHead, on: stream, endStream: false)
    pair.server.write(ByteBuffer(string: "pong"), on: stream)
    pair.server.end(stream, trailers: [HTTP2Header("grpc-status", "0")])
    try pair.pump()
    #expect(pair.clientEvents.headers(.response) == [responseHead])
    #expect(pair.clientEvents.body(of: stream) == Array("pong".utf8))
    #expect(pair.clientEvents.headers(.trailers) == [[HTTP2Header("grpc-status", "0")]])
    #expect(pair.clientEvents.closures.map(\.code) == [.noError])
    #expect(pair.serverEvents.closures.map(\.code) == [.noError])
    #expect(pair.client.openStreamCount == 0 && pair.server.openStreamCount == 0)
  }

  @Test func headersOnlyResponse() throws {
    let pair = try SessionPair()
    let stream = try pair.client.openStream(requestHead, endStream: true)
    try pair.pump()
    pair.server.respond(responseHead + [HTTP2Header("grpc-status", "12")], on: stream, endStream: true)
    try pair.pump()
    let heads = pair.clientEvents.headers(.response)
    #expect(heads.first?.first(named: "grpc-status") == "12")
    #expect(pair.clientEvents.closures.count == 1)
  }

  /// The server answered in full while the client's side is still open: the client is told to stop sending.
  @Test func completeResponseResetsAnUnfinishedRequest() throws {
    let pair = try SessionPair()
    let stream = try pair.client.openStream(requestHead, endStream: false)
    try pair.pump()
    pair.server.respond(responseHead, on: stream, endStream: false)
    pair.server.end(stream, trailers: [HTTP2Header("grpc-status", "0")])
    try pair.pump()
    #expect(pair.clientEvents.headers(.trailers).count == 1)
    #expect(pair.clientEvents.closures.map(\.code) == [.noError])
    #expect(pair.server.openStreamCount == 0 && pair.client.openStreamCount == 0)
  }

  @Test func resetReachesThePeerAndLaterCommandsAreIgnored() throws {
    let pair = try SessionPair()
    let stream = try pair.client.openStream(requestHead, endStream: false)
    try pair.pump()
    pair.client.reset(stream, .cancel)
    pair.client.write(ByteBuffer(string: "late"), on: stream)
    try pair.pump()
    #expect(pair.serverEvents.closures.map(\.code) == [.cancel])
    #expect(pair.serverEvents.closures.map(\.byPeer) == [true])
    #expect(pair.clientEvents.closures.map(\.byPeer) == [false])
    // Stale commands about the closed stream, on both ends.
    pair.server.respond(responseHead, on: stream, endStream: false)
    pair.server.write(ByteBuffer(string: "late"), on: stream)
    pair.server.end(stream)
    pair.server.reset(stream, .cancel)
    pair.server.consume(100, on: stream)
    try pair.pump()
    #expect(pair.clientEvents.closures.count == 1)
    #expect(pair.clientEvents.goAways.isEmpty && pair.serverEvents.goAways.isEmpty)
  }

  @Test func pingIsAnswered() throws {
    let pair = try SessionPair()
    pair.client.ping(0xfeed)
    try pair.pump()
    let answers = pair.clientEvents.compactMap { if case .pingAcknowledged(let payload) = $0 { payload } else { nil } }
    #expect(answers == [0xfeed])
  }

  @Test func shutdownFinishesOpenStreamsAndRefusesNewOnes() throws {
    let pair = try SessionPair()
    let stream = try pair.client.openStream(requestHead, endStream: true)
    try pair.pump()
    pair.server.announceShutdown()
    try pair.pump()
    #expect(pair.clientEvents.goAways == [.noError])
    pair.server.goAway()
    try pair.pump()
    #expect(pair.client.isAlive && pair.server.isAlive)
    pair.server.respond(responseHead, on: stream, endStream: true)
    try pair.pump()
    #expect(pair.clientEvents.headers(.response).count == 1)
    #expect(!pair.client.isAlive && !pair.server.isAlive)
  }

  @Test func streamsBeyondTheLimitWait() throws {
    var limits = HTTP2SessionConfiguration()
    limits.maxConcurrentStreams = 2
    let pair = try SessionPair(server: limits)
    let ids = try (0..<3).map { _ in try pair.client.openStream(requestHead, endStream: true) }
    try pair.pump()
    #expect(pair.serverEvents.headers(.request).count == 2)
    pair.server.respond(responseHead, on: ids[0], endStream: true)
    try pair.pump()
    #expect(pair.serverEvents.headers(.request).count == 3)
  }
}
