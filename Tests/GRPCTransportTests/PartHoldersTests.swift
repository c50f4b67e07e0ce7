import NIOCore
import NIOEmbedded
import Logging
import Testing

@testable import GRPCTransport

@Suite struct PartHoldersTests {
  /// What is being let go of is promised once, to those who ask first.
  @Test func noMoreRoomIsPromisedThanIsComing() throws {
    let loop = EmbeddedEventLoop()
    var configuration = GRPCServerConfiguration()
    // Half of it is for parts.
    configuration.memory = BufferAccount(limit: 8 << 20)
    let core = GRPCServerCore(
      configuration: configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
      accept: { _ in nil })
    func connection(_ host: String) throws -> ConnectionCalls {
      ConnectionCalls(
        server: core, eventLoop: loop, peer: try SocketAddress(ipAddress: host, port: 1), now: { .uptimeNanoseconds(0) }
      )
    }
    let holder = try connection("10.0.0.1")
    #expect(holder.charge(4 << 20, makesRoom: false))
    var granted = 0
    for host in 2...20 where try connection("10.0.0.\(host)").charge(1 << 20, makesRoom: true) { granted += 1 }
    #expect(granted == 4)
    // It has not let go yet: with what was promised that is all there is.
    #expect(configuration.memory.bytes == 8 << 20)
  }
}
