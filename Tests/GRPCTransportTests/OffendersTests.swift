import NIOCore
import Testing

@testable import GRPCTransport

@Suite struct OffendersTests {
  private let start = NIODeadline.uptimeNanoseconds(5_000_000_000)

  private func address(_ host: String, _ port: Int) throws -> SocketAddress {
    try SocketAddress(ipAddress: host, port: port)
  }

  @Test func anAddressIsRememberedForHalfAMinuteWhateverItsPort() throws {
    let offenders = Offenders()
    offenders.note(try address("10.0.0.1", 4000), at: start)
    #expect(offenders.contains(try address("10.0.0.1", 5000), at: start + .seconds(29)))
    #expect(!offenders.contains(try address("10.0.0.2", 4000), at: start))
    #expect(!offenders.contains(try address("10.0.0.1", 4000), at: start + .seconds(30)))
  }

  @Test func aNewOffenceBeginsAnew() throws {
    let offenders = Offenders()
    let host = try address("10.0.0.1", 1)
    offenders.note(host, at: start)
    offenders.note(host, at: start + .seconds(20))
    #expect(offenders.contains(host, at: start + .seconds(45)))
  }

  @Test func theWholeNetworkOfAnIPv6HostCounts() throws {
    let offenders = Offenders()
    offenders.note(try address("2001:db8:1:2::1", 1), at: start)
    #expect(offenders.contains(try address("2001:db8:1:2:ffff::9", 1), at: start))
    #expect(!offenders.contains(try address("2001:db8:1:3::1", 1), at: start))
  }

  @Test func aUnixSocketHasNoAddress() throws {
    let offenders = Offenders()
    let path = try SocketAddress(unixDomainSocketPath: "/run/weir")
    offenders.note(path, at: start)
    #expect(!offenders.contains(path, at: start))
  }

  /// Whoever has many addresses fills a bounded table: the old ones go first.
  @Test func manyAddressesTakeNoMoreThanTheirRoom() throws {
    let offenders = Offenders()
    for number in 0..<Offenders.limit {
      offenders.note(try address("10.1.\(number >> 8).\(number & 255)", 1), at: start)
    }
    let last = try address("10.2.0.1", 1)
    offenders.note(last, at: start + .seconds(40))
    #expect(offenders.contains(last, at: start + .seconds(40)))
    #expect(!offenders.contains(try address("10.1.0.1", 1), at: start + .seconds(10)))
  }
}
