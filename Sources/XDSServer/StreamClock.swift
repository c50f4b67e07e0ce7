internal import GRPCTransport
internal import NIOCore

/// The time that streams go by: what it is, and who wakes them.
protocol StreamClock: Sendable {
  /// Since some moment; it does not go back.
  var now: Duration { get }
  /// Runs the body on the call's event loop, from where this is called, once the time has come.
  func wake(at time: Duration, _ call: GRPCCall, _ body: @escaping () -> Void) -> StreamAlarm
}

/// What is going to wake a stream.
struct StreamAlarm {
  /// Nothing wakes it any more. On the stream's event loop.
  let cancel: () -> Void
}

/// The time of event loops.
struct EventLoopClock: StreamClock {
  var now: Duration { .nanoseconds(NIODeadline.now().uptimeNanoseconds) }

  func wake(at time: Duration, _ call: GRPCCall, _ body: @escaping () -> Void) -> StreamAlarm {
    let timer = call.schedule(in: .nanoseconds(max(.zero, time - now).nanoseconds), body)
    return StreamAlarm { timer?.cancel() }
  }
}

extension Duration {
  fileprivate var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
