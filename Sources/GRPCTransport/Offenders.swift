internal import NIOCore
private import Synchronization

/// What a client did that it should not.
package enum Offence: Sendable {
  /// What no honest client does: it breaks HTTP/2 or gRPC, floods, asks for more than any limit allows.
  case grave
  /// What honest clients do seldom, and what costs a good deal: to have something made that is left at once, to give back by the
  /// thousand what was never had. Two a second are forgiven for ever.
  case costly
  /// The same where it costs little: to have something sent and leave at once, to ask in vain for more than one's share. Some
  /// seven a second are forgiven for ever.
  case wasteful
  /// What is useless in great numbers only: to come and say nothing, to speak something else, to ask for what is not served.
  /// Health checks do so, with a load balancer's address, which is that of the proxies behind it; some twenty a second are
  /// forgiven for ever.
  case odd

  var points: Double {
    switch self {
    case .grave: 1
    case .costly: 1.0 / 6
    case .wasteful: 1.0 / 20
    case .odd: 1.0 / 60
    }
  }
}

/// The addresses from which rules were lately broken, again and again: whoever connects from there is served after others
/// (``Acceptor``).
///
/// A client that is thrown out comes back at once, with a new connection that has done nothing wrong yet. It is known by its
/// address. But honest clients share addresses with others (one NAT, one load balancer), so a single offence means nothing: each
/// counts its points, a point is forgiven every few seconds, and only an address with several is not trusted. An honest
/// neighbour of such a one is refused nothing: it only is not served before others, until the last offence is half a minute ago.
final class Offenders: Sendable {
  /// Points from which on an address is not trusted.
  static let threshold = 5.0
  /// In which one point is forgiven.
  static let forgiveness = TimeAmount.seconds(3)
  /// No address has more points: after the last offence it is trusted again in half a minute.
  static let most = threshold + 10
  /// Addresses that are kept. Whoever has more of them is not to fill the memory too.
  static let limit = 10_000

  /// The points of one who offends.
  struct Tally {
    /// At `time`.
    private var points = 0.0
    private var time = NIODeadline.uptimeNanoseconds(0)

    func points(at now: NIODeadline) -> Double {
      max(0, points - Double((now - time).nanoseconds) / Double(Offenders.forgiveness.nanoseconds))
    }

    mutating func note(_ offence: Offence, at now: NIODeadline) {
      points = min(points(at: now) + offence.points, Offenders.most)
      time = now
    }
  }

  private let tallies = Mutex<[[UInt8]: Tally]>([:])

  /// Takes note of an offence. O(1), but for a look through all addresses when they are too many.
  func note(_ address: SocketAddress?, _ offence: Offence = .grave, at now: NIODeadline) {
    guard let key = address?.clientNetwork else { return }
    tallies.withLock { tallies in
      if tallies.count >= Self.limit, tallies[key] == nil {
        tallies = tallies.filter { $0.value.points(at: now) > 0 }
        if tallies.count >= Self.limit { tallies = [:] }
      }
      tallies[key, default: Tally()].note(offence, at: now)
    }
  }

  func contains(_ address: SocketAddress?, at now: NIODeadline) -> Bool {
    guard let key = address?.clientNetwork else { return false }
    return tallies.withLock { tallies in
      guard let points = tallies[key]?.points(at: now) else { return false }
      if points == 0 { tallies[key] = nil }
      return points >= Self.threshold
    }
  }
}
