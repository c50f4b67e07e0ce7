private import Synchronization

/// A count that only grows. An increment is one relaxed atomic add: no lock, no allocation.
public final class Counter: Sendable {
  private let storage = Atomic<UInt64>(0)

  public init() {}

  public func increment(by amount: UInt64 = 1) {
    storage.wrappingAdd(amount, ordering: .relaxed)
  }

  public var value: UInt64 { storage.load(ordering: .relaxed) }
}

/// A number that goes up and down.
public final class Gauge: Sendable {
  private let storage = Atomic<Int>(0)

  public init() {}

  public func set(_ value: Int) { storage.store(value, ordering: .relaxed) }
  public func add(_ amount: Int) { storage.wrappingAdd(amount, ordering: .relaxed) }
  public func increment() { add(1) }
  public func decrement() { add(-1) }

  public var value: Int { storage.load(ordering: .relaxed) }
}

/// A distribution of durations over fixed buckets. Recording is a binary search over the bounds and two relaxed atomic
/// adds.
public final class Histogram: Sendable {
  /// 10 µs … 10 s in steps of 1, 2.5 and 5: what a push, a compilation or a request takes.
  public static let latencyBounds: [Duration] = [
    .microseconds(10), .microseconds(25), .microseconds(50),
    .microseconds(100), .microseconds(250), .microseconds(500),
    .milliseconds(1), .microseconds(2500), .milliseconds(5),
    .milliseconds(10), .milliseconds(25), .milliseconds(50),
    .milliseconds(100), .milliseconds(250), .milliseconds(500),
    .seconds(1), .milliseconds(2500), .seconds(5), .seconds(10),
  ]

  /// Upper bounds in nanoseconds, inclusive, ascending.
  let bounds: [UInt64]
  /// One for each bound, and one for everything above the last.
  private let buckets: [Counter]
  /// In nanoseconds; wraps after 584 years of recorded time.
  private let sum = Counter()

  /// - Parameter bounds: the buckets' upper bounds (`le`), positive and ascending; traps if they are not.
  public init(bounds: [Duration] = Histogram.latencyBounds) {
    self.bounds = bounds.map { $0.nanoseconds }
    precondition(
      !bounds.isEmpty && zip(self.bounds, self.bounds.dropFirst()).allSatisfy { $0 < $1 } && self.bounds[0] > 0,
      "the bounds of a histogram must be positive and ascending")
    buckets = (0...bounds.count).map { _ in Counter() }
  }

  /// Records a duration; a negative one (a clock that went back) counts as zero.
  public func record(_ duration: Duration) {
    record(nanoseconds: duration.nanoseconds)
  }

  public func record(nanoseconds: UInt64) {
    var low = 0
    var high = bounds.count
    while low < high {
      let middle = (low + high) / 2
      if nanoseconds <= bounds[middle] { high = middle } else { low = middle + 1 }
    }
    sum.increment(by: nanoseconds)
    buckets[low].increment()
  }

  /// What has been recorded so far. The count is the sum of the buckets, so the two always agree; `sum` may run ahead by
  /// the records that are being made at the same moment.
  public var snapshot: Snapshot {
    Snapshot(
      bounds: bounds.map { .nanoseconds(Int64(clamping: $0)) }, buckets: buckets.map(\.value),
      sum: .nanoseconds(Int64(clamping: sum.value)))
  }

  public struct Snapshot: Sendable, Hashable {
    public var bounds: [Duration]
    /// Not cumulative; the last one is for everything above the last bound.
    public var buckets: [UInt64]
    public var sum: Duration
    public var count: UInt64 { buckets.reduce(0, &+) }
  }
}

extension Duration {
  /// Zero if negative; saturates far above any duration that is measured.
  var nanoseconds: UInt64 {
    let (seconds, attoseconds) = components
    guard seconds >= 0, attoseconds >= 0 else { return 0 }
    let (whole, overflow) = UInt64(seconds).multipliedReportingOverflow(by: 1_000_000_000)
    guard !overflow else { return .max }
    let (total, carried) = whole.addingReportingOverflow(UInt64(attoseconds / 1_000_000_000))
    return carried ? .max : total
  }
}
