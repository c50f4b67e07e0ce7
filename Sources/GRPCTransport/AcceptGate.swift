internal import NIOCore

/// Keeps a listener alive, and its loop quiet, when there are no file descriptors left.
///
/// A connection that cannot be accepted stays in the listener's queue, and an event loop that is told of it again and again
/// does nothing else. So one descriptor is kept in reserve: it is given up to accept the next connection, that is closed at
/// once, and the reserve is taken back. Clients are thus turned away quickly instead of waiting. If the reserve itself is
/// gone, the listener rests for a moment between attempts.
///
///     open ──EMFILE, reserve there──▶ shedding ──accepted, closed, reserve back──▶ open
///       │                                └──reserve lost──┐
///       └──any failure, no reserve──▶ resting ◀───────────┘   after `rest`: reserve back if it can be had, open
///
/// Sits first in the listening channel's pipeline, on its event loop.
final class AcceptGate: ChannelDuplexHandler {
  typealias InboundIn = any Channel
  typealias OutboundIn = any Channel

  private enum State {
    case open
    case shedding
    case resting
  }

  /// How long the listener rests after a failure that nothing can be done about.
  static let rest = TimeAmount.milliseconds(50)

  private let core: GRPCServerCore
  private var state = State.open
  private var reserve = DescriptorReserve()
  private var wantsRead = false
  /// Connections that are being shed.
  private var closingCount = 0

  init(core: GRPCServerCore) {
    self.core = core
  }

  func handlerAdded(context: ChannelHandlerContext) { reserve.take() }
  func handlerRemoved(context: ChannelHandlerContext) { reserve.release() }

  func channelInactive(context: ChannelHandlerContext) {
    reserve.release()
    context.fireChannelInactive()
  }

  func read(context: ChannelHandlerContext) {
    if state == .resting { wantsRead = true } else { context.read() }
  }

  func channelRead(context: ChannelHandlerContext, data: NIOAny) {
    // Without a reserve the next failure could not be dealt with: this connection's descriptor becomes the reserve.
    if state == .open { reserve.take() }
    guard state == .open, reserve.isHeld else {
      shed(unwrapInboundIn(data), context)
      return
    }
    context.fireChannelRead(data)
  }

  /// Closes a connection, and takes the reserve when that is done. NIO may have accepted more than one.
  private func shed(_ accepted: any Channel, _ context: ChannelHandlerContext) {
    state = .resting
    closingCount += 1
    core.connectionRefused(.descriptors)
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    accepted.closeFuture.hop(to: context.eventLoop).whenComplete { _ in
      let (gate, context) = bound.value
      gate.closingCount -= 1
      guard gate.closingCount == 0 else { return }
      gate.reserve.take()
      if gate.reserve.isHeld { gate.reopen(context) } else { gate.rest(context) }
    }
    accepted.close(promise: nil)
  }

  /// NIO reports a failed accept here, and goes on reading for those that may pass.
  func errorCaught(context: ChannelHandlerContext, error: any Error) {
    guard let error = error as? IOError, let shortage = ResourceShortage(errno: error.errnoCode) else {
      context.fireErrorCaught(error)
      return
    }
    // Of what is tried again within one turn, the first failure is dealt with.
    guard state != .resting else { return }
    if state == .open, shortage == .descriptors, reserve.isHeld {
      reserve.release()
      state = .shedding
    } else {
      // While shedding: somebody else was quicker to take the descriptor that was given up.
      rest(context)
    }
  }

  private func rest(_ context: ChannelHandlerContext) {
    state = .resting
    let bound = NIOLoopBound((self, context), eventLoop: context.eventLoop)
    context.eventLoop.scheduleTask(in: Self.rest) {
      let (gate, context) = bound.value
      gate.reserve.take()
      gate.reopen(context)
    }
  }

  private func reopen(_ context: ChannelHandlerContext) {
    state = .open
    guard context.channel.isActive else {
      reserve.release()
      return
    }
    guard wantsRead else { return }
    wantsRead = false
    context.read()
  }
}
