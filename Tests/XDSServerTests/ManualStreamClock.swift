import GRPCTransport
import NIOCore
import Synchronization

@testable import XDSServer

/// A time that stands still but when a test lets it go on.
final class ManualStreamClock: StreamClock {
  private struct Alarm {
    var time: Duration
    var eventLoop: any EventLoop
    var ring: @Sendable () -> Void
  }

  private struct State {
    var now = Duration.zero
    var alarms: [Int: Alarm] = [:]
    var next = 0
  }

  private let state = Mutex(State())

  var now: Duration { state.withLock { $0.now } }

  /// When the next is to be woken; nil if nobody is.
  var nextAlarm: Duration? { state.withLock { $0.alarms.values.map(\.time).min() } }

  func wake(at time: Duration, _ call: GRPCCall, _ body: @escaping () -> Void) -> StreamAlarm {
    let bound = NIOLoopBound(body, eventLoop: call.eventLoop)
    let id = state.withLock { state in
      state.next += 1
      state.alarms[state.next] = Alarm(time: time, eventLoop: bound.eventLoop) { bound.value() }
      return state.next
    }
    return StreamAlarm { _ = self.state.withLock { $0.alarms.removeValue(forKey: id) } }
  }

  /// Lets time pass, and wakes whoever is due. Returns when they have done what they do then.
  func advance(by time: Duration) async throws {
    let due = state.withLock { state in
      state.now += time
      let due = state.alarms.filter { $0.value.time <= state.now }
      for id in due.keys { state.alarms[id] = nil }
      return due.values.sorted { $0.time < $1.time }
    }
    for alarm in due { try await alarm.eventLoop.submit(alarm.ring).get() }
  }
}
