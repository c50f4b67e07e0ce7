import NIOCore
import Testing

@testable import GRPCTransport

@Suite struct OffendersTests {
  private let start = NIODeadline.uptimeNanoseconds(5_000_000_000)

  private func address(_ host: String, _ port: Int) throws -> SocketAddress {
    try SocketAddress(ipAddress: host, port: port)
  }

  /// So many that the address is not trusted.
  private func offend(_ offenders: Offenders, _ address: SocketAddress, times: Int = 5, at time: NIODeadline) {
    for _ in 0..<times { offenders.note(address, at: time) }
  }

  @Test func severalOffencesMakeAnAddressSuspectWhateverItsPort() throws {
    let offenders = Offenders()
    offend(offenders, try address("10.0.0.1", 4000), times: 4, at: start)
    #expect(!offenders.contains(try address("10.0.0.1", 5000), at: start))
    offend(offenders, try address("10.0.0.1", 6000), times: 1, at: start)
    #expect(offenders.contains(try address("10.0.0.1", 5000), at: start))
    #expect(!offenders.contains(try address("10.0.0.2", 4000), at: start))
    #expect(!offenders.contains(try address("10.0.0.1", 5000), at: start + .seconds(1)))
  }

  /// Load balancers' health checks, ten a second.
  @Test func oddThingsCountInGreatNumbersOnly() throws {
    let offenders = Offenders()
    let host = try address("10.0.0.1", 1)
    for tenth in 0..<36_000 {
      let time = start + .milliseconds(100 * Int64(tenth))
      offenders.note(host, .odd, at: time)
      if offenders.contains(host, at: time) { return #expect(Bool(false), "after \(tenth) tenths of a second") }
    }
    // Fifty a second.
    let later = start + .hours(2)
    for number in 0..<1000 { offenders.note(host, .odd, at: later + .milliseconds(20 * Int64(number))) }
    #expect(offenders.contains(host, at: later + .seconds(20)))
  }

  /// Something grave now and then.
  @Test func whatHappensNowAndThenMakesNobodySuspect() throws {
    let offenders = Offenders()
    let host = try address("10.0.0.1", 1)
    for second in stride(from: Int64(0), to: 3600, by: 5) {
      offenders.note(host, at: start + .seconds(second))
      #expect(!offenders.contains(host, at: start + .seconds(second)))
    }
  }

  @Test func howeverManyItIsTrustedHalfAMinuteAfterTheLast() throws {
    let offenders = Offenders()
    let host = try address("10.0.0.1", 1)
    offend(offenders, host, times: 10_000, at: start)
    #expect(offenders.contains(host, at: start + .seconds(29)))
    #expect(!offenders.contains(host, at: start + .seconds(31)))
  }

  @Test func theWholeNetworkOfAnIPv6HostCounts() throws {
    let offenders = Offenders()
    offend(offenders, try address("2001:db8:1:2::1", 1), at: start)
    #expect(offenders.contains(try address("2001:db8:1:2:ffff::9", 1), at: start))
    #expect(!offenders.contains(try address("2001:db8:1:3::1", 1), at: start))
  }

  /// As a listener on `::` sees them.
  @Test func addressesWithinIPv6StandForThemselves() throws {
    let offenders = Offenders()
    offend(offenders, try address("::ffff:10.0.0.1", 1), at: start)
    #expect(offenders.contains(try address("::ffff:10.0.0.1", 2), at: start))
    #expect(offenders.contains(try address("10.0.0.1", 2), at: start))
    #expect(!offenders.contains(try address("::ffff:10.0.0.2", 1), at: start))
    #expect(!offenders.contains(try address("::1", 1), at: start))
    offend(offenders, try address("::1", 1), at: start)
    #expect(offenders.contains(try address("::1", 1), at: start))
    #expect(!offenders.contains(try address("::2", 1), at: start))
  }

  @Test func aUnixSocketHasNoAddress() throws {
    let offenders = Offenders()
    let path = try SocketAddress(unixDomainSocketPath: "/run/weir")
    offend(offenders, path, at: start)
    #expect(!offenders.contains(path, at: start))
  }

  /// Whoever has many addresses fills a bounded table: the old ones go first.
  @Test func manyAddressesTakeNoMoreThanTheirRoom() throws {
    let offenders = Offenders()
    for number in 0..<Offenders.limit {
      offenders.note(try address("10.1.\(number >> 8).\(number & 255)", 1), at: start)
    }
    let last = try address("10.2.0.1", 1)
    offend(offenders, last, at: start + .seconds(40))
    #expect(offenders.contains(last, at: start + .seconds(40)))
    #expect(!offenders.contains(try address("10.1.0.1", 1), at: start + .seconds(10)))
  }
}
