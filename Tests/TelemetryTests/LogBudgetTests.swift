import Synchronization
import Testing

@testable import Telemetry

@Suite struct LogBudgetTests {
  /// A clock that is moved by hand.
  final class Clock: Sendable {
    private let time = Mutex(ContinuousClock.now)
    var now: ContinuousClock.Instant { time.withLock { $0 } }
    func advance(by duration: Duration) { time.withLock { $0 = $0.advanced(by: duration) } }
  }

  @Test func whatIsKeptBackIsToldWithTheNextLine() {
    let clock = Clock()
    let budget = LogBudget(burst: 3, perSecond: 2, now: { clock.now })
    for _ in 0..<3 { #expect(budget.take() == 0) }
    for _ in 0..<1_000 { #expect(budget.take() == nil) }
    clock.advance(by: .milliseconds(499))
    #expect(budget.take() == nil)
    clock.advance(by: .milliseconds(2))
    #expect(budget.take() == 1_001)
    #expect(budget.take() == nil)
    clock.advance(by: .seconds(1))
    #expect(budget.take() == 1)
    #expect(budget.take() == 0)
    #expect(budget.take() == nil)
  }

  @Test func aLongSilenceEarnsNoMoreThanTheBurst() {
    let clock = Clock()
    let budget = LogBudget(burst: 2, perSecond: 1, now: { clock.now })
    clock.advance(by: .seconds(1_000))
    _ = budget.take()
    clock.advance(by: .seconds(1_000))
    #expect((0..<10).compactMap { _ in budget.take() }.count == 2)
  }
}
