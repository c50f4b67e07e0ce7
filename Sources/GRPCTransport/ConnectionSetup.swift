internal import Logging
internal import NIOCore
internal import NIOPosix

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Makes channels of accepted sockets.
struct ConnectionSetup: Sendable {
  let core: GRPCServerCore
  let group: any EventLoopGroup
  let lowPriorityGroup: any EventLoopGroup
  /// Adds handlers before HTTP/2, such as TLS.
  let prepare: (@Sendable (any Channel) throws -> Void)?

  /// Makes a channel of an accepted socket, on the loop that is right for it. From any thread.
  @Sendable func serve(_ descriptor: CInt, _ peer: SocketAddress?) {
    let admission = core.admit(from: peer)
    var group = lowPriorityGroup
    switch admission {
    case .admitted(.trusted): group = self.group
    case .admitted(.distrusted): break
    case .refused(let refusal):
      core.connectionRefused(refusal)
      guard core.mayLinger(isPlain: prepare == nil) else {
        close(descriptor)
        return
      }
    }
    let (core, prepare) = (core, prepare)
    ClientBootstrap(group: group)
      .channelOption(.maxMessagesPerRead, value: 1)
      .channelInitializer { channel in
        channel.eventLoop.makeCompletedFuture {
          switch admission {
          case .admitted(let trust):
            try core.initialize(
              channel, peer: peer, isDistrusted: trust == .distrusted, socket: descriptor, prepare: prepare)
          case .refused(let refusal): try core.refuse(channel, refusal)
          }
        }
      }
      .withConnectedSocket(descriptor)
      .whenFailure { [logger = core.logger] error in
        logger.debug("an accepted connection was lost", metadata: ["error": "\(error)"])
      }
  }
}
