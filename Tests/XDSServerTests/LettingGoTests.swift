import Dispatch
import NIOCore
import NIOEmbedded
import Testing

@testable import XDSServer

/// Which event loops are asked to let go of what nobody needs.
@Suite struct LettingGoTests {
  /// Counts what it is given to do. Unchecked: one thread has it.
  private final class CountingLoop: EventLoop, @unchecked Sendable {
    private let base = EmbeddedEventLoop()
    private(set) var count = 0

    var inEventLoop: Bool { true }
    func execute(_ task: @escaping @Sendable () -> Void) {
      count += 1
      base.execute(task)
    }
    func run() { base.run() }
    func scheduleTask<T>(deadline: NIODeadline, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
      base.scheduleTask(deadline: deadline, task)
    }
    func scheduleTask<T>(in delay: TimeAmount, _ task: @escaping @Sendable () throws -> T) -> Scheduled<T> {
      base.scheduleTask(in: delay, task)
    }
    func shutdownGracefully(queue: DispatchQueue, _ callback: @escaping @Sendable ((any Error)?) -> Void) {
      base.shutdownGracefully(queue: queue, callback)
    }
  }

  @Test(arguments: [(true, 1), (true, 0), (false, 0), (false, 1)])
  func whoeverIsNotWaitedForIsAskedOnceAtATime(_ isServedLast: Bool, _ proxies: Int) {
    let eventLoop = CountingLoop()
    let presence = LoopPresence(isServedLast: isServedLast)
    presence.note(proxies: proxies)
    let loop = XDSServer.Loop(
      eventLoop: eventLoop, streams: NIOLoopBound(LoopStreams(presence), eventLoop: eventLoop), presence: presence)
    let isWaitedFor = !isServedLast && proxies > 0
    let answers = (0..<2).map { _ in loop.letGo() }
    #expect(answers.map { $0 != nil } == [isWaitedFor, isWaitedFor])
    #expect(eventLoop.count == (isWaitedFor ? 2 : 1))
    eventLoop.run()
    let before = eventLoop.count
    _ = loop.letGo()
    #expect(eventLoop.count == before + 1, "it has come to it")
    eventLoop.run()
  }
}
