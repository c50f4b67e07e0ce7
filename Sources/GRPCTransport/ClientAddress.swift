package import NIOCore

extension SocketAddress {
  /// What stands for one client, however many ports it uses: an IPv4 address, or the network of an IPv6 address (a host has all
  /// of a /64). Unix sockets have none.
  package var clientNetwork: [UInt8]? {
    switch self {
    case .v4(let address): withUnsafeBytes(of: address.address.sin_addr) { Array($0) }
    case .v6(let address): withUnsafeBytes(of: address.address.sin6_addr) { Array($0.prefix(8)) }
    default: nil
    }
  }
}
