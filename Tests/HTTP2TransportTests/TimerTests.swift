import HTTP2Session
import HTTP2Transport
import NIOCore
import NIOEmbedded
import Testing

@Suite struct TimerTests {
  private func configuration(_ change: (inout HTTP2ConnectionConfiguration) -> Void) -> HTTP2ConnectionConfiguration {
    var configuration = HTTP2ConnectionConfiguration()
    change(&configuration)
    return configuration
  }

  @Test func aSilentPeerIsProbedAndThenGivenUp() throws {
    let pair = try EmbeddedPair(
      server: configuration {
        $0.keepaliveInterval = .seconds(30)
        $0.keepaliveTimeout = .seconds(10)
      })
    // The preface was heard in the first interval; the second is silent, and the probe's timeout follows.
    pair.loop.advanceTime(by: .seconds(30))
    pair.loop.advanceTime(by: .seconds(30))
    #expect(pair.serverUser.closures.isEmpty)
    pair.loop.advanceTime(by: .seconds(10))
    // The probe is on its way and nobody carries it to the client.
    #expect(try pair.serverChannel.readOutbound(as: ByteBuffer.self)?.readableBytes == 17)
    #expect(pair.serverUser.closures.map(\.code) == [.keepaliveTimeout])
    #expect(!pair.serverChannel.isActive)
  }

  @Test func anAnsweredProbeKeepsTheConnection() throws {
    let pair = try EmbeddedPair(
      server: configuration {
        $0.keepaliveInterval = .seconds(30)
        $0.keepaliveTimeout = .seconds(10)
      })
    for _ in 0..<200 {
      pair.loop.advanceTime(by: .seconds(5))
      try pair.pump()
    }
    #expect(pair.serverUser.closures.isEmpty)
  }

  @Test func aPeerThatNeverSpeaksIsGivenUp() throws {
    let user = RecordingConnection()
    let connection = try HTTP2Connection(
      role: .server, configuration: configuration { $0.prefaceTimeout = .seconds(10) }, delegate: user)
    let channel = EmbeddedChannel(handler: connection)
    try channel.connect(to: SocketAddress(unixDomainSocketPath: "/peer")).wait()
    channel.embeddedEventLoop.advanceTime(by: .seconds(9))
    #expect(user.closures.isEmpty)
    channel.embeddedEventLoop.advanceTime(by: .seconds(2))
    #expect(user.closures.map(\.code) == [.prefaceTimeout])
  }

  @Test func anIdleConnectionClosesButABusyOneDoesNot() throws {
    let pair = try EmbeddedPair(server: configuration { $0.idleTimeout = .seconds(60) })
    let user = RecordingStream()
    user.stream = try pair.client.openStream(requestHead, endStream: false, delegate: user)
    try pair.pump()
    pair.loop.advanceTime(by: .seconds(600))
    try pair.pump()
    #expect(pair.serverUser.closures.isEmpty)
    user.stream?.reset(.cancel)
    try pair.pump()
    pair.loop.advanceTime(by: .seconds(59))
    try pair.pump()
    #expect(pair.serverUser.closures.isEmpty)
    pair.loop.advanceTime(by: .seconds(2))
    try pair.pump()
    #expect(pair.serverUser.closures.map(\.code) == [.idle])
    #expect(pair.clientUser.closures.count == 1)
  }
}
