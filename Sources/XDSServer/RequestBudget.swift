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

  init(perSecond: Int, burst: Int) {
    self.perSecond = Double(max(1, perSecond))
    self.burst = Double(max(1, burst))
    balance = self.burst
  }

  /// Takes the cost of a request.
  /// - Returns: how long the stream is to wait before its next request is read, or nil.
  mutating func spend(byteCount: Int, now: () -> NIODeadline) -> TimeAmount? {
    balance -= 1 + Double(byteCount / Self.costlyBytes)
    guard let last = refilledAt else {
      refilledAt = now()
      return wait
    }
    if balance >= 0 { return nil }
    let now = now()
    refilledAt = now
    balance = min(burst, balance + min(burst, Double((now - last).nanoseconds) / 1e9 * perSecond))
    return wait
  }

  private var wait: TimeAmount? {
    balance >= 0 ? nil : .nanoseconds(Int64(-balance / perSecond * 1e9) + 1)
  }
}
