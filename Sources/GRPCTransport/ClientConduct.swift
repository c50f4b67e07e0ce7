internal import HTTP2Transport
internal import NIOCore

/// What the client of an accepted connection has done that it should not, and what becomes of the connection for it. Confined to
/// the connection's event loop.
///
/// Its address is remembered (``Offenders``), and from a point on what it sends waits behind what others send. That is all as
/// long as nobody else at the address does such things. If they do, the connection drains: an event loop cannot be left, but a
/// client that comes back is given one that is served after all others. A neighbour that only does what it should stays where it is,
/// also one on the same connection, behind an HTTP/2 load balancer: then it does not drain.
final class ClientConduct {
  /// While it is open. Not weak: that would give the connection a side table, which makes every retain and release of it slow.
  var connection: HTTP2Connection?
  private let server: GRPCServerCore
  private let peer: SocketAddress?
  /// It can go nowhere else, or is there.
  private let stays: Bool
  private var tally = Offenders.Tally()
  /// Points of its own from which on the connection comes after others.
  private static let threshold = 1.0

  init(server: GRPCServerCore, eventLoop: any EventLoop, peer: SocketAddress?) {
    self.server = server
    self.peer = peer
    stays = server.lowPriorityLoops.isEmpty || server.lowPriorityLoops.contains(ObjectIdentifier(eventLoop))
  }

  /// - Parameter isSparing: the connection carries another client, which has done nothing wrong.
  func note(_ offence: Offence, sparing isSparing: Bool) {
    let now = NIODeadline.now()
    tally.note(offence, at: now)
    server.offenders.note(peer, offence, at: now)
    if tally.points(at: now) >= Self.threshold { comeAfterOthers(sparing: isSparing) }
  }

  /// What the client sends on this connection waits behind what the rest sends, for a while.
  func comeAfterOthers(sparing isSparing: Bool) {
    guard let connection else { return }
    connection.distrust()
    if !stays, !isSparing, server.offenders.contains(peer, at: .now()) { connection.drain() }
  }
}
