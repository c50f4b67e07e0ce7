internal import NIOCore

/// The time that streams go by: what it is, and who wakes them.
protocol StreamClock: Sendable {
  /// Since some moment; it does not go back.
  var now: Duration { get }
  /// Runs the body on the event loop once the time has come.
  func wake(at time: Duration, on eventLoop: any EventLoop, _ body: @escaping @Sendable () -> Void) -> Scheduled<Void>
}

/// The time of event loops.
struct EventLoopClock: StreamClock {
  var now: Duration { .nanoseconds(NIODeadline.now().uptimeNanoseconds) }

  func wake(at time: Duration, on eventLoop: any EventLoop, _ body: @escaping @Sendable () -> Void) -> Scheduled<Void> {
    eventLoop.scheduleTask(deadline: .uptimeNanoseconds(UInt64(max(0, time.nanoseconds))), body)
  }
}

extension Duration {
  fileprivate var nanoseconds: Int64 { components.seconds * 1_000_000_000 + components.attoseconds / 1_000_000_000 }
}
