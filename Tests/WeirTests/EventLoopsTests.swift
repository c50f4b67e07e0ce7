import Foundation
import Logging
import NIOCore
import Synchronization
import Testing

@testable import Weir

@Suite struct EventLoopsTests {
  private func schedulingClass(_ loop: any EventLoop) async throws -> CInt {
    try await loop.submit { sched_getscheduler(0) }.get()
  }

  /// sched(7): 0 is SCHED_OTHER, 5 is SCHED_IDLE.
  @Test func onlyTheLoopOfThoseWhoAreNotTrustedGivesWayToAll() async throws {
    let loops = await EventLoops.start(count: 2, logger: Logger(label: "test"))
    for loop in loops.proxies.makeIterator() { #expect(try await schedulingClass(loop) == 0) }
    #expect(try await schedulingClass(loops.distrusted.next()) == 5)
    await loops.shutDown()
  }

  @Test func theThreadOfLargeRequestsGivesWayToLoops() async throws {
    let own = getpriority(0, 0)
    let loops = await EventLoops.start(count: 2, logger: Logger(label: "test"))
    for (group, niceness) in [(loops.proxies, own), (loops.large, min(own + 10, 19))] {
      for loop in group.makeIterator() {
        #expect(try await loop.submit { getpriority(0, 0) }.get() == niceness)
      }
    }
    await loops.shutDown()
  }

  @Test func itGivesWayAlsoWhereTheProcessGivesWayToOthers() {
    #expect([-20, 0, 5, 15, 19].map(EventLoops.lowered) == [-10, 10, 15, 19, 19])
  }

  /// What nobody waits for does not pile up there.
  @Test func theLoopOfThoseWhoAreNotTrustedIsAskedForMemoryOnceAtATime() async throws {
    let loops = await EventLoops.start(count: 1, logger: Logger(label: "test"))
    let distrusted = loops.distrusted.next()
    let asked = Atomic(0)
    let take: @Sendable () -> ThreadCache.Blocks = {
      if distrusted.inEventLoop { asked.add(1, ordering: .relaxed) }
      return ThreadCache.take()
    }
    let mayGoOn = DispatchSemaphore(value: 0)
    distrusted.execute { mayGoOn.wait() }
    for _ in 0..<2 { await loops.giveMemoryBack(take) }
    #expect(asked.load(ordering: .relaxed) == 0)
    mayGoOn.signal()
    try await distrusted.submit {}.get()
    #expect(asked.load(ordering: .relaxed) == 1)
    await loops.giveMemoryBack(take)
    try await distrusted.submit {}.get()
    #expect(asked.load(ordering: .relaxed) == 2, "it has answered")
    await loops.shutDown()
  }

  /// A kernel that knows of it (Linux 6.12) says what was asked for.
  @Test(.enabled(if: TimeSlice.current != nil, "the kernel has no time slices of a thread's own"))
  func proxiesLoopsGiveWaySoon() async throws {
    let loops = await EventLoops.start(count: 2, logger: Logger(label: "test"))
    for group in [loops.proxies, loops.large] {
      for loop in group.makeIterator() {
        #expect(try await loop.submit { TimeSlice.current }.get() == TimeSlice.nanoseconds)
      }
    }
    await loops.shutDown()
  }

  /// Large requests are handled there, for clients of the proxies' loops, to which they come back.
  @Test func theProxiesLoopsEndLast() async throws {
    let loops = await EventLoops.start(count: 1, logger: Logger(label: "test"))
    let proxies = loops.proxies.next()
    let hasBegun = DispatchSemaphore(value: 0)
    let haveEnded = DispatchSemaphore(value: 0)
    // A loop that ends fails what is scheduled.
    proxies.scheduleTask(in: .hours(1)) {}.futureResult.whenFailure { _ in haveEnded.signal() }
    async let isInTime = withCheckedContinuation { (result: CheckedContinuation<Bool, Never>) in
      loops.distrusted.next().execute {
        // As long as a large request may well take.
        guard haveEnded.wait(timeout: .now() + 0.1) == .timedOut else { return result.resume(returning: false) }
        proxies.execute { result.resume(returning: true) }
      }
      hasBegun.signal()
    }
    await withCheckedContinuation { (begun: CheckedContinuation<Void, Never>) in
      DispatchQueue.global().async {
        hasBegun.wait()
        begun.resume()
      }
    }
    await loops.shutDown()
    #expect(await isInTime)
  }
}
