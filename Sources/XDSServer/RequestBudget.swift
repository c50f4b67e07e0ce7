internal import NIOCore

/// How much a stream may ask for: a bucket that time refills. It may be overdrawn once, and then reading waits until it is
/// even; so a request is never cut short, and a large one is paid for afterwards.
///
/// The clock is read only when the bucket is empty, and at the first request.
struct RequestBudget {
  /// Bytes of a request that count as much as a request.
  static let costlyBytes = 16 << 10

  private let perSecond: Double
  private let burst: Double
  private var balance: Double
  private var refilledAt: NIODeadline?
  /// Times that the stream had to wait since the bucket was last half full.
  private var waits = 0

  init(perSecond: Int, burst: Int) {
    self.perSecond = Double(max(1, perSecond))
    self.burst = Double(max(1, burst))
    balance = self.burst
  }

  /// Whether the stream goes on asking for more than it gets: for half a minute at least, so that this is no start.
  var isOverdrawnForLong: Bool { Double(waits) > perSecond * 30 }

  /// Takes the cost of something, in requests.
  /// - Returns: how long the stream is to wait before its next request is read, or nil.
  mutating func spend(_ cost: Int, now: () -> NIODeadline) -> TimeAmount? {
    balance -= Double(cost)
    guard let last = refilledAt else {
      refilledAt = now()
      return wait()
    }
    if balance >= 0 { return nil }
    let now = now()
    refilledAt = now
    balance = min(burst, balance + min(burst, Double((now - last).nanoseconds) / 1e9 * perSecond))
    if balance >= burst / 2 { waits = 0 }
    return wait()
  }

  private mutating func wait() -> TimeAmount? {
    guard balance < 0 else { return nil }
    waits += 1
    return .nanoseconds(Int64(-balance / perSecond * 1e9) + 1)
  }
}
