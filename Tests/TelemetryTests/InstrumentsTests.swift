import Telemetry
import Testing

@Suite struct InstrumentsTests {
  @Test func concurrentIncrementsAreAllCounted() async {
    let counter = Counter()
    let gauge = Gauge()
    let histogram = Histogram()
    await withTaskGroup(of: Void.self) { group in
      for task in 0..<8 {
        group.addTask {
          for step in 0..<5_000 {
            counter.increment(by: 2)
            gauge.add(task.isMultiple(of: 2) ? 3 : -1)
            histogram.record(.microseconds(step))
          }
        }
      }
    }
    #expect(counter.value == 80_000)
    #expect(gauge.value == 4 * 5_000 * 3 - 4 * 5_000)
    let snapshot = histogram.snapshot
    #expect(snapshot.count == 40_000)
    #expect(snapshot.sum == .microseconds(8 * (5_000 * 4_999 / 2)))
  }

  @Test func aBoundBelongsToItsBucket() {
    let histogram = Histogram(bounds: [.microseconds(10), .microseconds(25), .milliseconds(1)])
    for duration in [
      Duration.zero, .microseconds(10), .nanoseconds(10_001), .microseconds(25), .milliseconds(1),
      .nanoseconds(1_000_001), .seconds(60),
    ] {
      histogram.record(duration)
    }
    #expect(histogram.snapshot.buckets == [2, 2, 1, 2])
  }

  @Test func theLatencyBoundsReachFromTenMicrosecondsToTenSeconds() {
    let bounds = Histogram.latencyBounds
    #expect(bounds.first == .microseconds(10))
    #expect(bounds.last == .seconds(10))
    #expect(zip(bounds, bounds.dropFirst()).allSatisfy { $0 < $1 })
  }

  @Test func durationsOutOfRangeDoNotTrap() {
    let histogram = Histogram()
    histogram.record(.seconds(-5))
    #expect(histogram.snapshot.buckets.first == 1)
    #expect(histogram.snapshot.sum == .zero)
    histogram.record(.seconds(Int64.max))
    #expect(histogram.snapshot.buckets.last == 1)
    #expect(histogram.snapshot.count == 2)
  }

  @Test func aGaugeIsSetAndMoved() {
    let gauge = Gauge()
    gauge.set(7)
    gauge.increment()
    gauge.decrement()
    gauge.add(-9)
    #expect(gauge.value == -2)
  }
}
