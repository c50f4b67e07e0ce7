internal import Hummingbird
internal import HummingbirdCore
internal import Synchronization

/// How many requests of a kind may be under way: those that wait must leave connections to those that want an answer now.
final class Places: Sendable {
  private let free: Mutex<Int>

  init(_ count: Int) { free = Mutex(count) }

  /// Held as long as the request is, whether it is answered or not.
  final class Place: Sendable {
    private let places: Places
    fileprivate init(_ places: Places) { self.places = places }
    deinit { places.free.withLock { $0 += 1 } }
  }

  /// - Throws: `AdminError` with code `tooManyWatchers` if all are taken.
  func take() throws -> Place {
    try free.withLock { free in
      guard free > 0 else {
        throw AdminError(.tooManyWatchers, "as many watch and wait as may; ask without waiting, or try again later")
      }
      free -= 1
    }
    return Place(self)
  }

  /// Runs a request that may wait, until its client is gone; one that does not wait needs no place.
  func run<Answer: Sendable>(
    _ request: Request, waiting time: Duration, _ body: @escaping @Sendable () async throws -> Answer
  ) async throws -> Answer {
    guard time > .zero else { return try await body() }
    let place = try take()
    defer { withExtendedLifetime(place) {} }
    return try await request.body.consumeWithCancellationOnInboundClose { _ in try await body() }
  }
}

/// Counts the open connections. Those who wait hold less than a half of them (`AdminRoutes`), and when most are taken none is
/// kept open for a next request: a rollback finds one.
final class AdminConnections: AvailableConnectionsDelegate {
  static let limit = 512
  private let open = Atomic(0)

  var isCrowded: Bool { open.load(ordering: .relaxed) > Self.limit * 3 / 4 }

  func connectionOpened() { open.add(1, ordering: .relaxed) }
  func connectionClosed() { open.subtract(1, ordering: .relaxed) }
  func isAcceptingNewConnections() -> Bool { open.load(ordering: .relaxed) < Self.limit }
}
