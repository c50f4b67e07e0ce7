internal import NIOCore
private import Synchronization

/// The addresses from which rules were lately broken: whoever connects from there waits behind others (`LoopTurns`).
///
/// A client that is thrown out comes back at once, with a new connection that has done nothing wrong yet. It is known by its
/// address. An honest neighbour at the same address (behind one NAT, say) is not refused anything: it only is not served before
/// others, and that for half a minute after the last offence.
final class Offenders: Sendable {
  static let memory = TimeAmount.seconds(30)
  /// Addresses that are kept. Whoever has more of them is not to fill the memory too.
  static let limit = 10_000

  private let lastOffences = Mutex<[[UInt8]: NIODeadline]>([:])

  /// Takes note of an offence. O(1), but for a look through all addresses when they are too many.
  func note(_ address: SocketAddress?, at now: NIODeadline) {
    guard let key = Self.key(address) else { return }
    lastOffences.withLock { offences in
      if offences.count >= Self.limit, offences[key] == nil {
        offences = offences.filter { now - $0.value < Self.memory }
        if offences.count >= Self.limit { offences = [:] }
      }
      offences[key] = now
    }
  }

  func contains(_ address: SocketAddress?, at now: NIODeadline) -> Bool {
    guard let key = Self.key(address) else { return false }
    return lastOffences.withLock { offences in
      guard let last = offences[key] else { return false }
      if now - last < Self.memory { return true }
      offences[key] = nil
      return false
    }
  }

  /// An IPv4 address, or the network of an IPv6 address (a host has all of a /64). Unix sockets have none.
  private static func key(_ address: SocketAddress?) -> [UInt8]? {
    switch address {
    case .v4(let address): withUnsafeBytes(of: address.address.sin_addr) { Array($0) }
    case .v6(let address): withUnsafeBytes(of: address.address.sin6_addr) { Array($0.prefix(8)) }
    default: nil
    }
  }
}
