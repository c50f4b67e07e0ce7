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
  /// For what its thread keeps of memory.
  private let distrustedIsAsked = Flag()

  static func start(count: Int, logger: Logger) async -> EventLoops {
    let loops = EventLoops(
      proxies: MultiThreadedEventLoopGroup(numberOfThreads: count),
      distrusted: MultiThreadedEventLoopGroup(numberOfThreads: 1),
      large: MultiThreadedEventLoopGroup(numberOfThreads: 1))
    let failure = try? await loops.distrusted.next().submit(giveWayToAll).get()
    if let failure {
      logger.warning(
        "a thread's priority cannot be lowered", metadata: ["thread": "distrusted clients", "errno": "\(failure)"])
    }
    for (group, thread) in [(loops.proxies, "proxies"), (loops.large, "large requests")] {
      for loop in group.makeIterator() {
        // Some systems forbid it (a sandbox), and all is well without it, only slower.
        if let failure = try? await loop.submit(TimeSlice.shorten).get() {
          logger.debug(
            "a thread's time slice cannot be set", metadata: ["thread": "\(thread)", "errno": "\(failure)"])
        }
      }
    }
    if let failure = try? await loops.large.next().submit(giveWayToLoops).get() {
      logger.debug(
        "a thread's priority cannot be lowered", metadata: ["thread": "large requests", "errno": "\(failure)"])
    }
    return loops
  }

  /// Lets the calling thread have a processor before others only if it has had less than a tenth of what they have had. What it does
  /// takes milliseconds, and it gives way to nobody meanwhile: Linux would leave it there up to the next tick, 4 ms, also when
  /// proxies' loops wait. Returns what went wrong (`errno`).
  @Sendable private static func giveWayToLoops() -> CInt? {
    // PRIO_PROCESS, whose type differs between C libraries, is 0; so is the calling thread, which has the process's niceness.
    setpriority(0, 0, lowered(getpriority(0, 0))) == 0 ? nil : errno
  }

  /// A tenth of the weight of the others, whatever the process was started with (sched(7), "The nice value"); near the end of the
  /// scale as little as there is.
  static func lowered(_ niceness: CInt) -> CInt { min(niceness + 10, 19) }

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

  /// Gives what is free back to the system, with what the threads keep for themselves. Returns when that is done, which may wait for a large
  /// request. Not to be called side by side with itself.
  ///
  /// - Parameters:
  ///   - others: what other threads had kept.
  ///   - take: takes what the calling thread keeps.
  func giveMemoryBack(
    with others: [ThreadCache.Blocks] = [], _ take: @escaping @Sendable () -> ThreadCache.Blocks = ThreadCache.take
  ) async {
    // Nobody waits for this one, which may get no time for long. As a rule it is there first; else it is for the next time.
    // It is asked once, however often it might be meanwhile.
    if !distrustedIsAsked.value {
      distrustedIsAsked.set(true)
      distrusted.next().submit(take).whenComplete { [distrustedIsAsked] taken in
        distrustedIsAsked.set(false)
        if case .success(let blocks) = taken { ThreadCache.giveBack([blocks]) }
      }
    }
    let asked = [proxies, large].flatMap { $0.makeIterator().map { $0.submit(take) } }
    var blocks = others
    // A loop that has shut down has no thread.
    for answer in asked { if let taken = try? await answer.get() { blocks.append(taken) } }
    // There is no telling which of Swift's threads take these, but mostly all do.
    await withTaskGroup { tasks in
      for _ in 0..<2 * System.coreCount { tasks.addTask { take() } }
      for await taken in tasks { blocks.append(taken) }
    }
    await withCheckedContinuation { [blocks] done in
      ThreadCache.giveBack(blocks) {
        HeapReturn.trim()
        done.resume()
      }
    }
  }

  func shutDown() async {
    // What these do comes back to the proxies' loops.
    try? await large.shutdownGracefully()
    try? await distrusted.shutdownGracefully()
    try? await proxies.shutdownGracefully()
  }
}
