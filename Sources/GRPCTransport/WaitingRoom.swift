internal import NIOCore
private import Synchronization

#if canImport(Glibc)
  private import Glibc
#elseif canImport(Musl)
  private import Musl
#endif

/// Accepted connections from addresses where rules were lately broken, until they have said something.
///
/// The loop that serves such clients may get no time for long, while as many connect as the system allows. Here each costs
/// a descriptor, and none has a place among the server's connections. The loop looks at some at a time: who has said something is
/// served, who has gone is forgotten. When an address has too many here, those that have gone are thrown out at once, and if that is not
/// enough its eldest, so that there is room for who comes.
///
///     accepted ──▶ waits ──said something──▶ served
///                    └──gone, or silent for too long, or one of too many──▶ closed
final class WaitingRoom: Sendable {
  /// How many may wait, and of one address: a thousand proxies behind one that come back at once.
  static let limit = 2048
  static let addressLimit = 1024
  /// How many are looked at in one turn of the loop.
  private static let batch = 64
  private static let pause = TimeAmount.milliseconds(10)
  /// `POLLRDHUP` of Linux's `poll.h`, which Swift's Glibc lacks: the peer sends nothing more, though there may be something to read.
  private static let peerHasEnded: Int16 = 0x2000

  enum Reason {
    /// The peer has gone, or has been silent for too long.
    case gone
    case noRoom
    /// The server ends.
    case closed
  }

  private struct Guest {
    var descriptor: CInt
    var peer: SocketAddress?
    var network: [UInt8]
    var since: NIODeadline
  }

  private struct State {
    var guests = CircularBuffer<Guest>()
    /// By address, with those that are being looked at.
    var counts: [[UInt8]: Int] = [:]
    var total = 0
    var isLooking = false
    var isClosed = false
    var sweptAt = NIODeadline.uptimeNanoseconds(0)

    mutating func count(_ network: [UInt8], _ change: Int) {
      let new = counts[network, default: 0] + change
      counts[network] = new > 0 ? new : nil
      total += change
    }

    func isFull(_ network: [UInt8]) -> Bool {
      counts[network, default: 0] >= WaitingRoom.addressLimit || total >= WaitingRoom.limit
    }

    /// Takes out one for one from an address: the eldest of that address, or if only all together are too many of the address that
    /// has most.
    mutating func takeEldest(for network: [UInt8]) -> Guest? {
      let isOwn = counts[network, default: 0] >= WaitingRoom.addressLimit
      let from = isOwn ? network : counts.max { $0.value < $1.value }?.key
      guard let index = guests.firstIndex(where: { $0.network == from }) else { return nil }
      return guests.remove(at: index)
    }
  }

  private let state = Mutex(State())
  private let loop: any EventLoop
  private let patience: TimeAmount
  private let leave: @Sendable (CInt, SocketAddress?, Reason) -> Void
  private let serve: @Sendable (CInt, SocketAddress?) -> Void

  /// - Parameters:
  ///   - patience: how long one may say nothing.
  ///   - leave: closes a socket.
  ///   - serve: takes over a socket, on the loop.
  init(
    on loop: any EventLoop, patience: TimeAmount, leave: @escaping @Sendable (CInt, SocketAddress?, Reason) -> Void,
    serve: @escaping @Sendable (CInt, SocketAddress?) -> Void
  ) {
    self.loop = loop
    self.patience = patience
    self.leave = leave
    self.serve = serve
  }

  /// Takes over an accepted socket. O(those that wait) when there is no room, else O(1).
  func add(_ descriptor: CInt, _ peer: SocketAddress?) {
    let now = NIODeadline.now()
    let guest = Guest(descriptor: descriptor, peer: peer, network: peer?.clientNetwork ?? [], since: now)
    sweep(for: guest.network, at: now)
    let (one, startsLooking) = state.withLock { state -> (Guest?, Bool) in
      var one: Guest?
      if state.isFull(guest.network) {
        one = state.takeEldest(for: guest.network) ?? guest
        if one?.descriptor == descriptor { return (one, false) }
        if let one { state.count(one.network, -1) }
      }
      state.guests.append(guest)
      state.count(guest.network, 1)
      defer { state.isLooking = true }
      return (one, !state.isLooking)
    }
    if let one { leave(one.descriptor, one.peer, .noRoom) }
    if startsLooking { loop.execute { self.look() } }
  }

  /// Closes all.
  func close() {
    let guests = state.withLock { state in
      state.isClosed = true
      defer { state.guests = [] }
      return state.guests
    }
    for guest in guests { leave(guest.descriptor, guest.peer, .closed) }
  }

  /// Throws out those that have gone, if there is no room, now and then.
  private func sweep(for network: [UInt8], at now: NIODeadline) {
    let guests = state.withLock { state -> CircularBuffer<Guest> in
      guard state.isFull(network), now - state.sweptAt > Self.pause else { return [] }
      state.sweptAt = now
      defer { state.guests = [] }
      return state.guests
    }
    if guests.isEmpty { return }
    let (gone, others) = Self.part(Array(guests), at: now, patience)
    putBack(others.map(\.guest), without: gone, atFront: true)
  }

  /// Serves those of some that have said something. On the loop.
  private func look() {
    let now = NIODeadline.now()
    let (guests, isMore) = state.withLock { state -> ([Guest], Bool) in
      let count = min(Self.batch, state.guests.count)
      let taken = Array(state.guests.prefix(count))
      state.guests.removeFirst(count)
      return (taken, !state.guests.isEmpty)
    }
    let (gone, others) = Self.part(guests, at: now, patience)
    let ready = others.filter(\.hasSpoken).map(\.guest)
    putBack(others.filter { !$0.hasSpoken }.map(\.guest), without: gone, and: ready.map(\.network), atFront: false)
    for guest in ready { serve(guest.descriptor, guest.peer) }
    let goesOn = state.withLock { state in
      state.isLooking = !state.guests.isEmpty
      return state.isLooking
    }
    if goesOn { loop.scheduleTask(in: isMore || !ready.isEmpty ? .milliseconds(1) : Self.pause) { self.look() } }
  }

  private func putBack(
    _ guests: [Guest], without gone: [Guest], and served: [[UInt8]] = [], atFront isAtFront: Bool
  ) {
    let isClosed = state.withLock { state in
      for guest in gone { state.count(guest.network, -1) }
      for network in served { state.count(network, -1) }
      if !state.isClosed {
        if isAtFront { state.guests = CircularBuffer(guests + state.guests) } else { state.guests += guests }
      }
      return state.isClosed
    }
    for guest in gone { leave(guest.descriptor, guest.peer, .gone) }
    if isClosed { for guest in guests { leave(guest.descriptor, guest.peer, .closed) } }
  }

  /// Who has gone, and of the others who has said something. One system call.
  private static func part(
    _ guests: [Guest], at now: NIODeadline, _ patience: TimeAmount
  ) -> (gone: [Guest], others: [(guest: Guest, hasSpoken: Bool)]) {
    var polled = guests.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN) | peerHasEnded, revents: 0) }
    _ = poll(&polled, nfds_t(polled.count), 0)
    var gone: [Guest] = []
    var others: [(guest: Guest, hasSpoken: Bool)] = []
    for (guest, polled) in zip(guests, polled) {
      let hasEnded = polled.revents & (peerHasEnded | Int16(POLLHUP | POLLERR | POLLNVAL)) != 0
      let hasSpoken = polled.revents & Int16(POLLIN) != 0
      if hasEnded || !hasSpoken && now - guest.since > patience {
        gone.append(guest)
      } else {
        others.append((guest, hasSpoken))
      }
    }
    return (gone, others)
  }
}
