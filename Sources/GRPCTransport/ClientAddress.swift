package import NIOCore

extension SocketAddress {
  /// What stands for one client, however many ports it uses: an IPv4 address, or the network of an IPv6 address (a host has all
  /// of a /64). Unix sockets have none. A listener on `::` sees IPv4 addresses within IPv6 ones (RFC 4291, section 2.5.5.2), and
  /// `::1`, whose networks all are zeros: these stand for themselves.
  package var clientNetwork: [UInt8]? {
    switch self {
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
