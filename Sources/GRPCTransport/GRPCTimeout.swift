internal import NIOCore

/// The `grpc-timeout` field (gRPC over HTTP2, "Requests"): at most eight digits and a unit.
enum GRPCTimeout {
  private static let units: [(letter: Character, nanoseconds: Int64)] = [
    ("n", 1), ("u", 1_000), ("m", 1_000_000), ("S", 1_000_000_000), ("M", 60_000_000_000),
    ("H", 3_600_000_000_000),
  ]

  /// Nil when the value is malformed. Times beyond the range of nanoseconds are cut to it (292 years).
  static func parse(_ value: String) -> TimeAmount? {
    guard let letter = value.last, let unit = units.first(where: { $0.letter == letter }) else { return nil }
    let digits = value.dropLast()
    guard (1...8).contains(digits.utf8.count), digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      let count = Int64(digits)
    else { return nil }
    let (product, overflow) = count.multipliedReportingOverflow(by: unit.nanoseconds)
    return .nanoseconds(overflow ? .max : product)
  }

  /// The finest unit that fits in eight digits, rounded up so that the peer never gives up first.
  static func format(_ timeout: TimeAmount) -> String {
    let nanoseconds = max(0, timeout.nanoseconds)
    for unit in units {
      let count = nanoseconds / unit.nanoseconds + (nanoseconds % unit.nanoseconds == 0 ? 0 : 1)
      if count < 100_000_000 { return "\(count)\(unit.letter)" }
    }
    return "99999999H"
  }
}
