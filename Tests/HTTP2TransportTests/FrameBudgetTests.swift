import HTTP2Session
import NIOCore
import Testing

@testable import HTTP2Transport

@Suite struct FrameBudgetTests {
  private func tally(_ received: Int, sent: Int = 0) -> FrameTally {
    var tally = FrameTally()
    tally.received = received
    tally.dataSent = sent
    return tally
  }

  private func at(_ seconds: Int) -> NIODeadline { .uptimeNanoseconds(UInt64(seconds) * 1_000_000_000) }

  @Test func aBurstMayBeSpentAndNoMore() {
    var budget = FrameBudget(burst: 100, perSecond: 10)
    #expect(budget.spend(tally(100)) { at(1) })
    var other = FrameBudget(burst: 100, perSecond: 10)
    #expect(!other.spend(tally(101)) { at(1) })
  }

  @Test func timeEarnsFramesBack() {
    var budget = FrameBudget(burst: 100, perSecond: 10)
    for second in 0..<1000 { #expect(budget.spend(tally(10)) { at(second) }) }
    var faster = FrameBudget(burst: 100, perSecond: 10)
    let end = (0..<1000).first { second in !faster.spend(tally(11)) { at(second) } }
    // One more than is earned each second: the burst lasts for about a hundred.
    #expect((90...130).contains(end ?? 0))
  }

  @Test func aLongSilenceEarnsOneBurst() {
    var budget = FrameBudget(burst: 100, perSecond: 10)
    #expect(budget.spend(tally(100)) { at(0) })
    #expect(budget.spend(tally(50)) { at(10_000) })
    #expect(!budget.spend(tally(60)) { at(10_000) })
  }

  /// Nobody is punished for the WINDOW_UPDATEs that a large response causes.
  @Test func whatThisEndSendsEarnsFrames() {
    var budget = FrameBudget(burst: 100, perSecond: 1)
    for _ in 0..<1000 { #expect(budget.spend(tally(10, sent: 1)) { at(0) }) }
  }
}

@Suite struct StallWatchTests {
  private let one = HTTP2StreamID(rawValue: 1)
  private let two = HTTP2StreamID(rawValue: 3)

  private func at(_ seconds: UInt64) -> NIODeadline { .uptimeNanoseconds(seconds * 1_000_000_000) }

  private func stalled(_ verdict: StallWatch.Verdict) -> [HTTP2StreamID]? {
    if case .streams(let ids, _) = verdict { ids } else { nil }
  }

  @Test func aStreamThatTakesNothingStallsAndOneThatTakesAByteDoesNot() {
    var watch = StallWatch()
    for second in stride(from: UInt64(0), to: 60, by: 15) {
      #expect(stalled(watch.look(at: at(second), limit: .seconds(60), waiting: [(one, 7), (two, second)])) == [])
    }
    #expect(stalled(watch.look(at: at(60), limit: .seconds(60), waiting: [(one, 7), (two, 60)])) == [one])
    guard case .streams([], watchesOn: false) = watch.look(at: at(75), limit: .seconds(60), waiting: []) else {
      Issue.record("nothing waits")
      return
    }
  }

  @Test func aSocketThatStaysFullStalls() {
    var watch = StallWatch()
    watch.channelIsFull(at: at(0))
    #expect(stalled(watch.look(at: at(59), limit: .seconds(60), waiting: [])) == [])
    watch.channelIsWritable()
    watch.channelIsFull(at: at(59))
    #expect(stalled(watch.look(at: at(118), limit: .seconds(60), waiting: [])) == [])
    #expect(stalled(watch.look(at: at(119), limit: .seconds(60), waiting: [])) == nil)
  }
}
