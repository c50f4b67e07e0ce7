/// Counts of durations in buckets that are at most 3 % wide: cheap to add to, exact enough for percentiles.
///
/// Bucket layout: 32 buckets for each power of two of nanoseconds.
public struct LatencyHistogram: Sendable {
  private var buckets = [Int](repeating: 0, count: 64 * 32)
  public private(set) var count = 0
  public private(set) var maximum = Duration.zero

  public init() {}

  public mutating func add(_ duration: Duration) {
    let nanoseconds = UInt64(max(1, duration.wholeNanoseconds))
    buckets[Self.bucket(nanoseconds)] += 1
    count += 1
    maximum = max(maximum, duration)
  }

  private static func bucket(_ nanoseconds: UInt64) -> Int {
    let power = 63 - nanoseconds.leadingZeroBitCount
    guard power >= 5 else { return Int(nanoseconds) }
    return power * 32 + Int((nanoseconds >> UInt64(power - 5)) & 31)
  }

  /// The duration that the given part (0…1) of all stays below, rounded down to its bucket; zero if there are none.
  public func percentile(_ part: Double) -> Duration {
    guard count > 0 else { return .zero }
    let rank = max(1, Int((Double(count) * part).rounded(.up)))
    var seen = 0
    for (index, bucket) in buckets.enumerated() {
      seen += bucket
      guard seen >= rank else { continue }
      if index < 32 { return .nanoseconds(index) }
      let power = index / 32
      return .nanoseconds(Int64((32 + UInt64(index % 32)) << UInt64(power - 5)))
    }
    return maximum
  }
}
