import Logging
import HTTP2Transport
import NIOCore
import NIOEmbedded
import Testing

@testable import GRPCTransport

@Suite struct PartHoldersTests {
  /// What is being let go of is promised once, to those who ask first.
  @Test func noMoreRoomIsPromisedThanIsComing() throws {
    let loop = EmbeddedEventLoop()
    var configuration = GRPCServerConfiguration()
    // Half of it is for parts.
    configuration.memory = BufferAccount(limit: 64 << 20)
    let core = GRPCServerCore(
      configuration: configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
      accept: { _ in nil })
    func connection(_ host: String) throws -> ConnectionCalls {
      ConnectionCalls(
        server: core, eventLoop: loop, peer: try SocketAddress(ipAddress: host, port: 1),
        timers: LoopTimers(eventLoop: loop), now: { .uptimeNanoseconds(0) })
    }
    // One has much; the others no more than who comes.
    #expect(try connection("10.0.0.1").charge(8 << 20, makesRoom: false))
    for host in 2...25 { #expect(try connection("10.0.0.\(host)").charge(1 << 20, makesRoom: false)) }
    var granted = 0
    for host in 101...120 where try connection("10.0.0.\(host)").charge(1 << 20, makesRoom: true) { granted += 1 }
    #expect(granted == 8)
    // It has not let go yet.
    #expect(configuration.memory.bytes == 40 << 20)
  }
}
