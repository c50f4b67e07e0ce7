internal import NIOCore
private import Synchronization

/// The addresses from which rules were lately broken, again and again: whoever connects from there is served after others
/// (``Acceptor``).
///
/// A client that is thrown out comes back at once, with a new connection that has done nothing wrong yet. It is known by its
/// address. But honest clients share addresses with others (one NAT, one load balancer whose health checks speak HTTP/1), so a
/// single offence means nothing: each counts one point, a point is forgiven every few seconds, and only an address with several
/// is not trusted. An honest neighbour of such a one is refused nothing: it only is not served before others, until the last
/// offence is half a minute ago.
final class Offenders: Sendable {
  /// Points from which on an address is not trusted.
  static let threshold = 5.0
  /// In which one point is forgiven.
  static let forgiveness = TimeAmount.seconds(3)
  /// No address has more points: after the last offence it is trusted again in half a minute.
  static let most = threshold + 10
  /// Addresses that are kept. Whoever has more of them is not to fill the memory too.
  static let limit = 10_000

  private struct Record {
    /// At `time`.
    var points: Double
    var time: NIODeadline

    func points(at now: NIODeadline) -> Double {
      max(0, points - Double((now - time).nanoseconds) / Double(Offenders.forgiveness.nanoseconds))
    }
  }

  private let records = Mutex<[[UInt8]: Record]>([:])

  /// Takes note of an offence. O(1), but for a look through all addresses when they are too many.
  func note(_ address: SocketAddress?, at now: NIODeadline) {
    guard let key = Self.key(address) else { return }
    records.withLock { records in
      if records.count >= Self.limit, records[key] == nil {
        records = records.filter { $0.value.points(at: now) > 0 }
        if records.count >= Self.limit { records = [:] }
      }
      let before = records[key]?.points(at: now) ?? 0
      records[key] = Record(points: min(before + 1, Self.most), time: now)
    }
  }

  func contains(_ address: SocketAddress?, at now: NIODeadline) -> Bool {
    guard let key = Self.key(address) else { return false }
    return records.withLock { records in
      guard let points = records[key]?.points(at: now) else { return false }
      if points == 0 { records[key] = nil }
      return points >= Self.threshold
    }
  }

  /// An IPv4 address, or the network of an IPv6 address (a host has all of a /64). Unix sockets have none. A listener on `::`
  /// sees IPv4 addresses within IPv6 ones (RFC 4291, section 2.5.5.2), and `::1`, whose networks all are zeros: these stand for
  /// themselves.
  private static func key(_ address: SocketAddress?) -> [UInt8]? {
    switch address {
    case .v4(let address): return withUnsafeBytes(of: address.address.sin_addr) { Array($0) }
    case .v6(let address):
      let bytes = withUnsafeBytes(of: address.address.sin6_addr) { Array($0) }
      let isMapped = bytes.prefix(10).allSatisfy { $0 == 0 } && bytes[10...11].allSatisfy { $0 == 0xff }
      if isMapped { return Array(bytes.suffix(4)) }
      return bytes.prefix(8).allSatisfy { $0 == 0 } ? bytes : Array(bytes.prefix(8))
    default: return nil
    }
  }
}
