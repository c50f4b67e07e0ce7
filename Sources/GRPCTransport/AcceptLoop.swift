internal import NIOCore

#if canImport(Glibc)
  internal import Glibc
#elseif canImport(Musl)
  internal import Musl
#endif

/// Accepts one connection after the other, also when there are no file descriptors left.
///
/// A connection that cannot be accepted stays in the listener's queue, and whoever waits for connections is told of it again
/// at once. So one descriptor is kept in reserve: it is given up to accept the next connection, which is closed, and the
/// reserve is taken back. Clients are thus turned away quickly instead of waiting. If the reserve itself is gone, the listener
/// rests for a moment between attempts.
///
///     open ──EMFILE, reserve there──▶ shedding ──accepted, closed, reserve back──▶ open
///       │                                └──reserve lost──┐
///       └──any failure, no reserve──▶ resting ◀───────────┘   after a moment: reserve back if it can be had, open
struct AcceptLoop<System: AcceptSystem> {
  /// So many connections make a crowd.
  static var crowd: Int { 100 }
  /// It is over when hardly anybody comes for so long.
  static var calm: Duration { .seconds(1) }
  /// Health checks, say.
  static var few: Int { 30 }

  private let system: System
  private var reserve: CInt?
  /// Connections that came since the last crowd was over.
  private var count = 0
  /// And since a time.
  private var recent: (since: ContinuousClock.Instant, count: Int)

  init(_ system: System) {
    self.system = system
    recent = (system.now, 0)
    reserve = system.openReserve()
  }

  /// Waits for a connection, or deals with a failure.
  mutating func step() {
    if count >= Self.crowd { lookWhetherCrowdIsOver() }
    switch system.accept() {
    case .connection(let descriptor, let peer):
      noteConnection()
      // Without a reserve the next failure could not be dealt with: this connection's descriptor becomes the reserve.
      takeReserve()
      if reserve != nil { system.serve(descriptor, peer) } else { shed(descriptor) }
    case .failure(let errno):
      switch ResourceShortage(errno: errno) {
      case .descriptors:
        guard releaseReserve(), case .connection(let descriptor, _) = system.accept() else {
          // While shedding: somebody else was quicker to take the descriptor that was given up.
          return rest()
        }
        noteConnection()
        shed(descriptor)
      case .memory: rest()
      case nil: if !Self.isOfOneConnection(errno) { rest() }
      }
    }
  }

  private mutating func noteConnection() {
    count += 1
    recent.count += 1
  }

  private mutating func lookWhetherCrowdIsOver() {
    let isAsked = system.isAsked(within: Self.calm)
    let now = system.now
    let isLong = now - recent.since >= Self.calm
    if !isAsked || isLong && recent.count < Self.few {
      count = 0
      system.crowdIsOver()
    }
    if isLong { recent = (now, 0) }
  }

  /// After the last step.
  mutating func end() { _ = releaseReserve() }

  private mutating func shed(_ descriptor: CInt) {
    system.shed(descriptor)
    takeReserve()
    if reserve == nil { rest() }
  }

  private mutating func rest() {
    system.rest()
    takeReserve()
  }

  private mutating func takeReserve() {
    if reserve == nil { reserve = system.openReserve() }
  }

  /// Returns whether there was one.
  private mutating func releaseReserve() -> Bool {
    guard let held = reserve else { return false }
    reserve = nil
    system.close(held)
    return true
  }

  /// Whether the failure says something about a connection that has gone meanwhile, and nothing about the next
  /// (accept(2), "Error handling").
  private static func isOfOneConnection(_ errno: CInt) -> Bool {
    [
      EINTR, ECONNABORTED, EPROTO, EPERM, ENETDOWN, ENOPROTOOPT, EHOSTDOWN, ENONET, EHOSTUNREACH, EOPNOTSUPP,
      ENETUNREACH,
    ].contains(errno)
  }
}

/// What an ``AcceptLoop`` asks of the system, and of those who serve.
protocol AcceptSystem {
  var now: ContinuousClock.Instant { get }
  /// Waits until there is something to accept, or a failure, and no longer than that. Returns whether there is.
  func isAsked(within time: Duration) -> Bool
  /// Many have connected, and now hardly anybody does.
  func crowdIsOver()
  /// Waits for a connection.
  func accept() -> Accepted
  /// A descriptor that is good for nothing but being closed, if there is one to be had.
  func openReserve() -> CInt?
  func close(_ descriptor: CInt)
  /// Takes over the connection.
  func serve(_ descriptor: CInt, _ peer: SocketAddress?)
  /// Closes a connection that cannot be served.
  func shed(_ descriptor: CInt)
  /// Waits for better times.
  func rest()
}

enum Accepted {
  case connection(CInt, SocketAddress?)
  /// `errno`.
  case failure(CInt)
}

/// What an `accept` failed for that other connections may not fail for (accept(2), "Errors").
private enum ResourceShortage {
  case descriptors
  case memory

  init?(errno: CInt) {
    switch errno {
    case EMFILE, ENFILE: self = .descriptors
    case ENOBUFS, ENOMEM: self = .memory
    default: return nil
    }
  }
}
