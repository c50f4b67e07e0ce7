import NIOCore

/// Measured times, to be asked for percentiles. All of them are kept: there are at most proxies × changes.
struct Distribution: Sendable {
  private var sorted: [Int64]

  init(_ samples: [TimeAmount]) { sorted = samples.map(\.nanoseconds).sorted() }

  var count: Int { sorted.count }

  /// The smallest sample that at least so many percent of all are not above (nearest rank), in milliseconds.
  func percentile(_ percent: Double) -> Double {
    guard !sorted.isEmpty else { return .nan }
    let rank = Int((percent / 100 * Double(sorted.count)).rounded(.up))
    return Double(sorted[min(max(rank, 1), sorted.count) - 1]) / 1e6
  }

  var maximum: Double { percentile(100) }
}
