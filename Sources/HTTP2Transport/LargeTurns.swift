internal import NIOCore
private import Synchronization

/// Who may handle a large piece of work next, among all event loops of a server.
///
/// A request with a hundred thousand names takes a second and cannot be cut into slices. Mostly a thread of its own handles it,
/// and all loops share that thread, so they share this line. A few pieces are on their way at a time: enough that the thread has the
/// next while the one before goes from loop to loop, and so few that whoever comes stands behind no more than these.
///
///     came ──▶ waits ──(a place is free, the network has had no more than its share)──▶ on its way ──▶ ended
///
/// The next is the one that came first, but it counts as if it had come when its network is even again, and later by some times of
/// what it may take. A network is even when as much time has passed as its last piece took of a processor, and until about then nothing
/// more of it begins. So who has just used a second waits behind all others, a small piece passes the large ones of other networks that
/// came some seconds before it, and none waits for ever.
public final class LargeTurns: Sendable {
  public typealias Network = [UInt8]

  /// A piece of work on its way, or one that waits.
  public struct Piece: Sendable {
    /// Whether it waits among those that are not trusted.
    let isDistrusted: Bool
    let network: Network
    let byteCount: Int
    fileprivate let came: NIODeadline
    fileprivate let eventLoop: any EventLoop
    fileprivate let start: @Sendable (Piece) -> Void

    /// What it is reckoned to take, as it began.
    fileprivate var estimate = TimeAmount.zero
    fileprivate var isLong: Bool { estimate > LargeTurns.patience }
  }

  /// What is known of a network that has had some time lately.
  fileprivate struct Account {
    var evenAt: NIODeadline
    /// Nanoseconds that a byte is reckoned to take. Requests that nobody has made before were measured at 40 to 80; proxies that
    /// come back with what is known here take less than 1, and there may be a thousand of them.
    var cost = Account.dearest
    static let dearest: Int64 = 80
    /// Whoever has sent cheap ones may send a dear one next.
    private static let cheapest: Int64 = 8

    /// One dear piece counts at once, and half as much with each cheap one after it.
    mutating func learn(_ took: TimeAmount, of byteCount: Int, isHandled: Bool) {
      let measured = took.nanoseconds / Int64(max(1, byteCount))
      cost = min(Self.dearest, max(isHandled ? max(cost / 2, Self.cheapest) : cost, measured))
    }
  }

  fileprivate struct Line {
    /// How many may be on their way.
    let places: Int
    /// And more, as long as all of them are reckoned to take no longer.
    let time: TimeAmount
    var busy = 0
    var busyTime = TimeAmount.zero
    var waiting: [Network: CircularBuffer<Piece>] = [:]
    var accounts: [Network: Account] = [:]
    /// Networks that have a piece on its way that may take long: no other of theirs begins.
    var engaged: Set<Network> = []
    /// When somebody looks again.
    var looksAt: NIODeadline?
  }

  private struct State {
    /// The second is for those that are not trusted: they hold up each other only.
    var lines = [Line(places: 2, time: patience), Line(places: 1, time: .zero)]
  }

  /// So many times of what a piece may take it counts as if it had come later.
  static let weight: Int64 = 8
  /// A network need not be even by so much: small pieces of one follow each other.
  static let patience = TimeAmount.milliseconds(20)
  /// Between two pieces on one loop, so that it comes to its sockets: a task that comes again at once would keep it from them.
  private static let pause = TimeAmount.microseconds(20)

  private let state = Mutex(State())

  public init() {}

  /// Puts a piece in line.
  ///
  /// - Parameter start: begins it, on the event loop; ``ended(_:took:isHandled:at:)`` follows, in any case.
  func enqueue(
    _ byteCount: Int, from network: Network?, isDistrusted: Bool, on eventLoop: any EventLoop, at now: NIODeadline,
    start: @escaping @Sendable (Piece) -> Void
  ) {
    let piece = Piece(
      isDistrusted: isDistrusted, network: network ?? [], byteCount: byteCount, came: now, eventLoop: eventLoop,
      start: start)
    let index = isDistrusted ? 1 : 0
    state.withLock { $0.lines[index].waiting[piece.network, default: CircularBuffer()].append(piece) }
    admit(index, at: now)
  }

  /// A piece has had its turn, and that took so long.
  /// - Parameter isHandled: else there may have been nothing left to do, its client having gone: it does not say that others are cheap.
  func ended(_ piece: Piece, took: TimeAmount, isHandled: Bool, at now: NIODeadline) {
    let index = piece.isDistrusted ? 1 : 0
    state.withLock { state in
      state.lines[index].busy -= 1
      state.lines[index].busyTime = state.lines[index].busyTime - piece.estimate
      if piece.isLong {
        // It was the only one of its network: what it was reckoned to take counts no more.
        state.lines[index].engaged.remove(piece.network)
        state.lines[index].accounts[piece.network]?.evenAt = now
      }
      state.lines[index].use(took, by: piece.network, at: now)
      state.lines[index].accounts[piece.network]?.learn(took, of: piece.byteCount, isHandled: isHandled)
    }
    admit(index, at: now)
  }

  private func admit(_ index: Int, at now: NIODeadline) {
    while true {
      switch state.withLock({ $0.lines[index].next(at: now) }) {
      case .nothing: return
      case .piece(let piece): piece.eventLoop.scheduleTask(in: Self.pause) { piece.start(piece) }
      case .later(let time, let eventLoop):
        eventLoop.scheduleTask(in: time - now) {
          self.state.withLock { if $0.lines[index].looksAt == time { $0.lines[index].looksAt = nil } }
          self.admit(index, at: time)
        }
        return
      }
    }
  }
}

extension LargeTurns.Line {
  fileprivate enum Next {
    case piece(LargeTurns.Piece)
    /// Nobody yet: to be asked again then.
    case later(NIODeadline, on: any EventLoop)
    case nothing
  }

  /// O(networks that wait).
  fileprivate mutating func next(at now: NIODeadline) -> Next {
    guard busy < places || busyTime < time else { return .nothing }
    var best: (piece: LargeTurns.Piece, rank: NIODeadline)?
    var soonest: (piece: LargeTurns.Piece, start: NIODeadline)?
    for (network, pieces) in waiting {
      guard var piece = pieces.first, !engaged.contains(network) else { continue }
      let account = accounts[network]
      piece.estimate = .nanoseconds(Int64(piece.byteCount) * (account?.cost ?? LargeTurns.Account.dearest))
      let start = max(piece.came, account?.evenAt ?? piece.came)
      let rank = start + .nanoseconds(piece.estimate.nanoseconds * LargeTurns.weight)
      if start - LargeTurns.patience <= now {
        if best.map({ rank < $0.rank }) ?? true { best = (piece, rank) }
      } else if soonest.map({ start < $0.start }) ?? true {
        soonest = (piece, start)
      }
    }
    guard let piece = best?.piece else { return soonest.map { later($0.start, on: $0.piece.eventLoop) } ?? .nothing }
    guard busy < places || busyTime + piece.estimate <= time else { return .nothing }
    waiting[piece.network]?.removeFirst()
    if waiting[piece.network]?.isEmpty ?? false { waiting[piece.network] = nil }
    busy += 1
    busyTime = busyTime + piece.estimate
    if piece.isLong { engaged.insert(piece.network) }
    use(piece.estimate, by: piece.network, at: now)
    return .piece(piece)
  }

  private mutating func later(_ start: NIODeadline, on eventLoop: any EventLoop) -> Next {
    let time = start - LargeTurns.patience
    if let looksAt, looksAt <= time { return .nothing }
    looksAt = time
    return .later(time, on: eventLoop)
  }

  fileprivate mutating func use(_ time: TimeAmount, by network: LargeTurns.Network, at now: NIODeadline) {
    let evenAt = max(accounts[network]?.evenAt ?? now, now + time)
    accounts[network, default: LargeTurns.Account(evenAt: evenAt)].evenAt = evenAt
    if accounts.count > 2 * waiting.count + 64 { accounts = accounts.filter { $0.value.evenAt > now } }
  }
}
