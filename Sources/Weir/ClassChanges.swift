internal import Synchronization
internal import XDSSnapshot

/// Classes of proxies that have come or gone, until the pipeline takes note of them. Of one that comes and goes again and again
/// only the last is kept, so a client that does nothing else does not make a queue.
final class ClassChanges: Sendable {
  struct Change: Sendable {
    var proxyClass: ProxyClass
    var isHere: Bool
  }

  private let pending = Mutex<[ProxyClass: Bool]>([:])
  /// Yields when there may be some; of several in a row one is kept.
  let news: AsyncStream<Void>
  private let newsContinuation: AsyncStream<Void>.Continuation

  init() { (news, newsContinuation) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1)) }

  func note(_ proxyClass: ProxyClass, isHere: Bool) {
    pending.withLock { $0[proxyClass] = isHere }
    newsContinuation.yield()
  }

  /// All that have not been taken, those that are here first: they are waited for.
  func take() -> [Change] {
    let taken = pending.withLock { pending in
      defer { pending = [:] }
      return pending
    }
    return taken.map { Change(proxyClass: $0.key, isHere: $0.value) }.sorted { $0.isHere && !$1.isHere }
  }
}
