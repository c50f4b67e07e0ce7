import NIOCore
import NIOEmbedded
import Testing
import WireFuzzing

@testable import HTTP2Transport

/// The timers of a loop's connections.
@Suite(.timeLimit(.minutes(1))) struct LoopTimersTests {
  private let loop = EmbeddedEventLoop()
  private let timers: LoopTimers

  init() { timers = LoopTimers(eventLoop: loop) }

  /// What happens is what was set and not called off, each at its time.
  @Test(arguments: [1, 2, 3] as [UInt64]) func eachHappensAtItsTimeUnlessItIsCalledOff(seed: UInt64) {
    var random = FuzzRandom(seed: seed)
    var happened: [(number: Int, at: NIODeadline)] = []
    var isDue: [Int: NIODeadline] = [:]
    var open: [(number: Int, timer: LoopTimers.Timer)] = []
    for number in 0..<5000 {
      if Int.random(in: 0..<3, using: &random) == 0, !open.isEmpty {
        let (number, timer) = open.remove(at: Int.random(in: 0..<open.count, using: &random))
        timer.cancel()
        // Of one that has happened, that is nothing.
        if isDue[number].map({ $0 > loop.now }) ?? false { isDue[number] = nil }
      }
      let delay = TimeAmount.milliseconds(Int64.random(in: 1...200, using: &random))
      isDue[number] = loop.now + delay
      let timer = timers.schedule(in: delay) { happened.append((number, loop.now)) }
      open.append((number, timer))
      if Int.random(in: 0..<4, using: &random) == 0 {
        loop.advanceTime(by: .microseconds(Int64.random(in: 0...2500, using: &random)))
      }
    }
    #expect(timers.count > 50)
    loop.advanceTime(by: .seconds(1))
    #expect(happened.count == isDue.count && timers.count == 0)
    #expect(happened.allSatisfy { isDue[$0.number] == $0.at })
    #expect(zip(happened, happened.dropFirst()).allSatisfy { $0.at <= $1.at })
  }

  @Test func oneMayCallOffAnotherThatIsDueAtTheSameTimeAndSetMore() {
    var happened: [String] = []
    var others: [LoopTimers.Timer] = []
    for name in ["a", "b"] {
      others.append(
        timers.schedule(in: .seconds(1)) {
          happened.append(name)
          for other in others { other.cancel() }
          others = [timers.schedule(in: .zero) { happened.append("\(name), later") }]
        })
    }
    loop.advanceTime(by: .seconds(1))
    #expect(happened.count == 2 && happened[1] == "\(happened[0]), later")
  }

  /// One that always sets itself again at once does not keep the loop from everything else.
  @Test func whatIsSetMeanwhileHasItsTurnLater() {
    var count = 0
    var isOther = false
    func again() {
      count += 1
      guard count < 100 else { return }
      if count == 1 { loop.execute { isOther = count < 10 } }
      _ = timers.schedule(in: .zero) { again() }
    }
    for _ in 0..<1000 { _ = timers.schedule(in: .seconds(2)) {} }
    _ = timers.schedule(in: .seconds(1)) { again() }
    loop.advanceTime(by: .seconds(1))
    #expect(count == 100 && isOther)
  }

  @Test func thoseOfOneTimeHappenInTheirOrder() {
    var happened: [Int] = []
    for number in 0..<100 { _ = timers.schedule(in: .seconds(1)) { happened.append(number) } }
    timers.schedule(in: .milliseconds(1)) {}.cancel()
    loop.advanceTime(by: .seconds(1))
    #expect(happened == Array(0..<100))
  }

  @Test func whatIsCalledOffHoldsNothing() {
    final class Held {}
    weak var held: Held?
    let timer: LoopTimers.Timer
    do {
      let strong = Held()
      held = strong
      timer = timers.schedule(in: .seconds(1)) { _ = strong }
    }
    #expect(held != nil)
    timer.cancel()
    #expect(held == nil)
    timer.cancel()
  }

  /// Thousands of clients leave no room for theirs behind.
  @Test func roomIsGivenBack() {
    let stays = timers.schedule(in: .seconds(10)) {}
    let set = (0..<4096).map { timers.schedule(in: .milliseconds($0)) {} }
    #expect(timers.capacity >= 4096)
    for timer in set { timer.cancel() }
    #expect(timers.count == 1 && timers.capacity <= 64 + 4)
    stays.cancel()
  }
}
