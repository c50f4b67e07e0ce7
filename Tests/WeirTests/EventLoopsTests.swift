import Foundation
import Logging
import NIOCore
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
}
