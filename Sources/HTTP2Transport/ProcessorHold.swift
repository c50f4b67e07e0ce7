public import NIOCore

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// How long a thread has kept its processor, and when it offers it to others.
///
/// Linux asks whether a thread's slice is over when another wakes up there, and then at the next tick only, which is up to 4 ms
/// later: without this, an update waits that long for the thread that is to read it, behind one that has much to do. The same
/// holds for a thread of the idle class: Linux lets it run now and then while others wait.
public struct ProcessorHold {
  /// How long the thread keeps its processor from others that wait for it.
  public static let limit = TimeAmount.microseconds(100)

  /// When the thread last came to its processor, as far as is known here.
  public var heldSince: NIODeadline
  private let now: () -> NIODeadline
  private let yieldProcessor: () -> Void

  /// - Parameters:
  ///   - now: the clock.
  ///   - yieldProcessor: nil for the system's.
  public init(
    since: NIODeadline, now: @escaping () -> NIODeadline = { .now() }, yieldProcessor: (() -> Void)? = nil
  ) {
    heldSince = since
    self.now = now
    self.yieldProcessor = yieldProcessor ?? { _ = sched_yield() }
  }

  /// Whether the thread has kept it for long.
  func isLong(at time: NIODeadline) -> Bool { time - heldSince >= Self.limit }

  /// Lets other threads have the processor for a moment, if they wait for it and the thread has kept it from them for long.
  ///
  /// - Parameter time: it is now.
  /// - Returns: how long others had it.
  public mutating func giveWay(at time: NIODeadline) -> TimeAmount {
    guard isLong(at: time) else { return .zero }
    yieldProcessor()
    heldSince = now()
    return heldSince - time
  }

  /// The same where the time is not known: a look at the clock.
  public mutating func giveWay() { _ = giveWay(at: now()) }
}

extension ProcessorHold {
  /// How long the calling thread has had a processor. What others had of it meanwhile, which may be ten times as much for a thread that
  /// gives way, is not in it. A system call, less than half a microsecond.
  public static var ownTime: TimeAmount {
    var time = timespec()
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time)
    return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))
  }
}
