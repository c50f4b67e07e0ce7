import Foundation
import HTTP2Transport
import NIOCore
import Testing

@Suite struct ProcessorHoldTests {
  @Test func aThreadsOwnTimeIsNotThatOfOthers() async {
    let (own, meanwhile) = await withCheckedContinuation {
      (result: CheckedContinuation<(TimeAmount, TimeAmount), Never>) in
      Thread.detachNewThread {
        let before = ProcessorHold.ownTime
        let ended = DispatchSemaphore(value: 0)
        let others = Self.Elapsed()
        Thread.detachNewThread {
          others.time = Self.work(for: .milliseconds(50))
          ended.signal()
        }
        ended.wait()
        result.resume(returning: (ProcessorHold.ownTime - before, others.time))
      }
    }
    #expect(meanwhile >= .milliseconds(50))
    #expect(own < .milliseconds(25))
  }

  /// Written by one thread before a semaphore is signalled, and read by another after that.
  private final class Elapsed: @unchecked Sendable { var time = TimeAmount.zero }

  /// Ends when the calling thread has had a processor for so long.
  private static func work(for time: TimeAmount) -> TimeAmount {
    let start = ProcessorHold.ownTime
    var steps = 0
    while ProcessorHold.ownTime - start < time, steps < 100_000_000 { steps += 1 }
    return ProcessorHold.ownTime - start
  }
}
