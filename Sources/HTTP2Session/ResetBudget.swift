internal import NIOCore

/// How many streams may end in a reset, whoever sent it: so many at once, and so many earned back each second.
///
/// A peer's own resets are the "rapid reset" attack (CVE-2023-44487), which libnghttp2 counts; resets that the peer makes
/// this end send, with frames that are wrong for one stream only, are its variant (CVE-2025-8671), which it does not.
struct ResetBudget {
  private let burst: Double
  private let perSecond: Double
  private var tokens: Double
  private var lastRefill: NIODeadline?

  init(burst: UInt64, perSecond: UInt64) {
    self.burst = Double(burst)
    self.perSecond = Double(perSecond)
    tokens = Double(burst)
  }

  /// Takes one; false when there is none left.
  mutating func take(at now: NIODeadline) -> Bool {
    if let lastRefill { tokens = min(burst, tokens + Double((now - lastRefill).nanoseconds) / 1e9 * perSecond) }
    lastRefill = now
    guard tokens >= 1 else { return false }
    tokens -= 1
    return true
  }
}
