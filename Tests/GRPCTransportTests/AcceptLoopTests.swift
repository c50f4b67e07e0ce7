import Foundation
import NIOCore
import Testing

@testable import GRPCTransport

/// What is done when the system has no descriptors left.
@Suite struct AcceptLoopTests {
  /// A system that fails as it is told to, and writes down what it is asked for.
  private final class Script: AcceptSystem {
    enum Done: Equatable { case served(CInt), shed(CInt), closed(CInt), rested, waited, crowdIsOver }

    private var accepts: [Accepted]
    /// The reserve, as long as it can be had.
    var reserves: [CInt]
    private(set) var done: [Done] = []
    /// Whether somebody comes in time, for each time that the loop does not wait for as long as it takes.
    var comers: [Bool] = []
    var now = ContinuousClock.now
    /// What each wait takes.
    var pace = Duration.zero

    init(_ accepts: [Accepted], reserves: [CInt]) {
      self.accepts = accepts
      self.reserves = reserves
    }

    func isAsked(within time: Duration) -> Bool {
      done.append(.waited)
      now += pace
      return comers.removeFirst()
    }
    func crowdIsOver() { done.append(.crowdIsOver) }
    func accept() -> Accepted { accepts.removeFirst() }
    func openReserve() -> CInt? { reserves.isEmpty ? nil : reserves.removeFirst() }
    func close(_ descriptor: CInt) { done.append(.closed(descriptor)) }
    func serve(_ descriptor: CInt, _ peer: SocketAddress?) { done.append(.served(descriptor)) }
    func shed(_ descriptor: CInt) { done.append(.shed(descriptor)) }
    func rest() { done.append(.rested) }

    func run(steps: Int) -> [Done] {
      var loop = AcceptLoop(self)
      for _ in 0..<steps { loop.step() }
      loop.end()
      return done
    }
  }

  private func connection(_ descriptor: CInt) -> Accepted { .connection(descriptor, nil) }

  @Test func connectionsAreServedAndTheReserveIsGivenBackAtTheEnd() {
    let system = Script([connection(5), connection(6)], reserves: [3])
    #expect(system.run(steps: 2) == [.served(5), .served(6), .closed(3)])
  }

  @Test(arguments: [EMFILE, ENFILE])
  func withoutDescriptorsTheNextConnectionIsTurnedAwayByMeansOfTheReserve(errno: CInt) {
    let system = Script([.failure(errno), connection(3), connection(6)], reserves: [3, 4])
    #expect(system.run(steps: 2) == [.closed(3), .shed(3), .served(6), .closed(4)])
  }

  @Test func ifSomebodyElseTakesTheReserveTheListenerRests() {
    let system = Script([.failure(EMFILE), .failure(EMFILE), .failure(EMFILE), connection(8)], reserves: [3])
    // No reserve can be had at first, so the third failure has none to give up; nor can the connection be kept then.
    #expect(system.run(steps: 3) == [.closed(3), .rested, .rested, .shed(8), .rested])
  }

  @Test func aConnectionWhoseDescriptorWasTheLastIsTurnedAway() {
    let system = Script([connection(5), connection(6)], reserves: [])
    system.reserves = []
    #expect(system.run(steps: 1) == [.shed(5), .rested])
  }

  @Test func outOfMemoryTheListenerRestsAndKeepsItsReserve() {
    let system = Script([.failure(ENOMEM), connection(5)], reserves: [3])
    #expect(system.run(steps: 2) == [.rested, .served(5), .closed(3)])
  }

  @Test(arguments: [EINTR, ECONNABORTED, EPROTO, EHOSTUNREACH])
  func whatFailsForOneConnectionIsNoReasonToRest(errno: CInt) {
    let system = Script([.failure(errno), connection(5)], reserves: [3])
    #expect(system.run(steps: 2) == [.served(5), .closed(3)])
  }

  /// A socket that does not block has no connection: asking again at once would take a whole processor.
  @Test func withoutAConnectionTheListenerRests() {
    let system = Script([.failure(EAGAIN)], reserves: [3])
    #expect(system.run(steps: 1) == [.rested, .closed(3)])
  }

  @Test func aFailureThatNobodyKnowsDoesNotMakeTheThreadSpin() {
    let system = Script([.failure(EBADF)], reserves: [3])
    #expect(system.run(steps: 1) == [.rested, .closed(3)])
  }

  @Test func aCrowdIsOverWhenNobodyElseComesForAWhile() {
    let many = AcceptLoop<Script>.crowd
    let system = Script(Array(repeating: connection(5), count: 2 * many + 2), reserves: [3])
    // One more of the first crowd comes in time, and then nobody; the next is the first of another.
    system.comers = [true, false, false]
    let done = system.run(steps: 2 * many + 2)
    let served = { [Script.Done](repeating: .served(5), count: $0) }
    #expect(
      done == served(many) + [.waited] + served(1) + [.waited, .crowdIsOver] + served(many) + [.waited, .crowdIsOver]
        + served(1) + [.closed(3)])
  }

  /// Those who are turned away are of the crowd, and of what goes on.
  @Test func whoeverIsTurnedAwayIsOfTheCrowd() {
    let many = AcceptLoop<Script>.crowd
    let turnedAway: [Accepted] = [.failure(EMFILE), connection(3)]
    let system = Script(
      Array(repeating: turnedAway, count: many + 60).flatMap { $0 } + [connection(5)],
      reserves: Array(repeating: 3, count: many + 61))
    system.comers = Array(repeating: true, count: 60) + [false]
    system.pace = .milliseconds(20)
    let done = system.run(steps: many + 61)
    #expect(done.filter { $0 == .crowdIsOver }.count == 1 && done.suffix(3) == [.crowdIsOver, .served(5), .closed(3)])
  }

  /// Twenty health checks a second go on after it.
  @Test func aFewWhoComeAgainAndAgainAreNoCrowd() {
    let many = AcceptLoop<Script>.crowd
    let system = Script(Array(repeating: connection(5), count: many + 60), reserves: [3])
    system.comers = Array(repeating: true, count: 60)
    system.pace = .milliseconds(50)
    let done = system.run(steps: many + 60)
    // The first second is still the crowd's.
    #expect(done.firstIndex(of: .crowdIsOver) == many + 2 * 39 + 1)
    #expect(done.filter { $0 == .crowdIsOver }.count == 1)
  }

  @Test func aCrowdThatGoesOnIsNotOver() {
    let many = AcceptLoop<Script>.crowd
    let system = Script(Array(repeating: connection(5), count: 2 * many), reserves: [3])
    system.comers = Array(repeating: true, count: many)
    system.pace = .milliseconds(20)
    #expect(!system.run(steps: 2 * many).contains(.crowdIsOver))
  }
}
