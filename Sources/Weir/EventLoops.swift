internal import Logging
internal import NIOCore
internal import NIOPosix

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// The threads on which a control plane's connections live.
struct EventLoops: Sendable {
  /// `SCHED_IDLE` of Linux's `sched.h`, which Swift's Glibc lacks.
  private static let idleClass: CInt = 5

  /// Of proxies.
  let proxies: MultiThreadedEventLoopGroup
  /// One loop for those who come from where rules were just broken: what they make the process do waits for everything else,
  /// in this process and on this machine.
  let distrusted: MultiThreadedEventLoopGroup
  /// A thread for what would hold up the proxies' loops for long: large requests.
  let large: MultiThreadedEventLoopGroup

  static func start(count: Int, logger: Logger) async -> EventLoops {
    let loops = EventLoops(
      proxies: MultiThreadedEventLoopGroup(numberOfThreads: count),
      distrusted: MultiThreadedEventLoopGroup(numberOfThreads: 1),
      large: MultiThreadedEventLoopGroup(numberOfThreads: 1))
    let failure = try? await loops.distrusted.next().submit(giveWayToAll).get()
    if let failure { logger.warning("a thread's priority cannot be lowered", metadata: ["errno": "\(failure)"]) }
    for group in [loops.proxies, loops.large] {
      for loop in group.makeIterator() {
        // Some systems forbid it (a sandbox), and all is well without it, only slower.
        if let failure = try? await loop.submit(TimeSlice.shorten).get() {
          logger.debug("a thread's time slice cannot be set", metadata: ["errno": "\(failure)"])
        }
      }
    }
    return loops
  }

  /// Puts the calling thread behind all others. The lowest priority of the usual kind would not do: a thread that has just
  /// been given a processor keeps it for some milliseconds from those that wake up meanwhile, whatever its priority. One of
  /// the idle class gives way at once, and still gets all of a processor that nothing else wants (sched(7), "SCHED_IDLE").
  /// Returns what went wrong (`errno`).
  @Sendable private static func giveWayToAll() -> CInt? {
    var parameters = sched_param()
    // 0 is the calling thread.
    return sched_setscheduler(0, idleClass, &parameters) == 0 ? nil : errno
  }

  /// The thread for the large requests of a loop's clients that are trusted, or are not. These wait for everything else there too.
  var forLargeRequests: @Sendable (any EventLoop, _ isDistrusted: Bool) -> (any EventLoop)? {
    let distrusted = distrusted.next()
    let large = large.next()
    return { $0 === distrusted ? nil : $1 ? distrusted : large }
  }

  /// Gives what the threads keep for themselves back to the heap, before that is trimmed. Returns when all have done so, and some of
  /// them may have much to do, or get no time, for long.
  func emptyThreadCaches() async {
    for group in [proxies, large, distrusted] {
      // A loop that has shut down has no thread.
      for loop in group.makeIterator() { try? await loop.submit(ThreadCache.empty).get() }
    }
    // There is no telling which of Swift's threads take these; each is held for a moment, so mostly all do.
    await withTaskGroup { tasks in
      for _ in 0..<2 * System.coreCount { tasks.addTask { ThreadCache.empty() } }
    }
  }

  func shutDown() async {
    // What these do comes back to the proxies' loops.
    try? await large.shutdownGracefully()
    try? await distrusted.shutdownGracefully()
    try? await proxies.shutdownGracefully()
  }
}
