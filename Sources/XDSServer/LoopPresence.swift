internal import NIOCore
internal import Synchronization

/// What any thread may know of an event loop's streams without waiting for the loop.
final class LoopPresence: Sendable {
  /// The loop gets what time the others leave over (`GRPCCall.isServedLast`), and may take long to answer.
  let isServedLast: Bool
  private let streams = Atomic<Int>(0)
  private let proxies = Atomic<Int>(0)
  private let counted = Mutex(XDSMetrics())
  private let isAskedToLetGo = Atomic(false)

  init(isServedLast: Bool) { self.isServedLast = isServedLast }

  var hasStreams: Bool { streams.load(ordering: .acquiring) > 0 }
  /// Whether there is a stream whose client has said who it is. One that says so later has come later.
  var hasProxies: Bool { proxies.load(ordering: .acquiring) > 0 }

  /// Whether it is to be asked to let go of what nobody needs, by somebody who does not wait: not if it has been and has not come to it.
  func beginsToLetGo() -> Bool { !isAskedToLetGo.exchange(true, ordering: .acquiringAndReleasing) }
  func letsGo() { isAskedToLetGo.store(false, ordering: .releasing) }

  func note(streams more: Int) { streams.add(more, ordering: .releasing) }
  func note(proxies more: Int) { proxies.add(more, ordering: .releasing) }

  /// As the loop has counted last.
  var metrics: XDSMetrics {
    get { counted.withLock { $0 } }
    set { counted.withLock { $0 = newValue } }
  }
}

extension XDSServer.Loop {
  /// Returns what is to be waited for. A loop that may get no time for long is not, nor is one without proxies, where there is next
  /// to nothing to let go of: such a one is asked again when it has come to it.
  func letGo() -> EventLoopFuture<Void>? {
    let isWaitedFor = presence.hasProxies && !presence.isServedLast
    guard isWaitedFor || presence.beginsToLetGo() else { return nil }
    let answer = eventLoop.submit { [streams, presence] in
      presence.letsGo()
      streams.value.letGo()
    }
    return isWaitedFor ? answer : nil
  }
}
