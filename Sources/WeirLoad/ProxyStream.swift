import GRPCTransport
import NIOCore

/// One simulated proxy's stream. Confined to its event loop.
final class ProxyStream: GRPCCallHandler {
  private let loop: LoopFleet
  private let index: Int
  private let call: GRPCCall
  /// A slow reader reads nothing for so long after each message.
  private let pause: TimeAmount?
  private var resumption: Scheduled<Void>?

  init(_ call: GRPCCall, index: Int, in loop: LoopFleet, pause: TimeAmount?) {
    self.call = call
    self.index = index
    self.loop = loop
    self.pause = pause
    send(loop.opened(index))
  }

  private func send(_ requests: [SimulatedProxy.Request]) {
    for request in requests {
      loop.sent(request.count, index)
      call.send(ByteBuffer(bytes: request))
    }
  }

  func received(message: ByteBuffer) {
    let now = NIODeadline.now()
    do {
      send(try message.withUnsafeReadableBytes { try loop.received($0, index, at: now) })
    } catch {
      loop.failed(index, "a response cannot be read: \(error)")
      call.reset()
    }
    guard let pause else { return }
    call.pauseReading()
    resumption = call.eventLoop.assumeIsolatedUnsafeUnchecked().scheduleTask(in: pause) { [call] in call.resumeReading()
    }
  }

  func closed(_ reason: GRPCCloseReason) {
    resumption?.cancel()
    loop.closed(index, reason)
  }
}
