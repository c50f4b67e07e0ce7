import CAllocationCounts
import Foundation

/// Times and allocations of equal pieces of work.
struct Measurement {
  private(set) var microseconds: [Double] = []
  /// Of all threads together.
  private(set) var processorMicroseconds: [Double] = []
  private(set) var allocations: [UInt64] = []

  mutating func add(_ work: () -> Void) {
    let allocated = allocation_count()
    let processor = processorSeconds()
    let time = ContinuousClock().measure(work)
    processorMicroseconds.append((processorSeconds() - processor) * 1e6)
    allocations.append(allocation_count() - allocated)
    microseconds.append(time / .microseconds(1))
  }

  /// The smallest time that at least `percent` of all do not exceed.
  func percentile(_ percent: Int) -> Double { Self.nearestRank(percent, of: microseconds) }

  var median: Double { percentile(50) }

  var medianProcessorTime: Double { Self.nearestRank(50, of: processorMicroseconds) }

  var medianAllocations: UInt64 { Self.nearestRank(50, of: allocations) }

  /// As EnvoyHarness has it, which this program does without.
  private static func nearestRank<Value: Comparable>(_ percent: Int, of values: [Value]) -> Value {
    values.sorted()[max(1, (values.count * percent + 99) / 100) - 1]
  }
}

/// A line of the result: for people, or as JSON.
struct Line {
  var text: String
  var fields: [(name: String, value: String)]

  init(_ text: String, _ fields: [(String, any CustomStringConvertible)]) {
    self.text = text
    self.fields = fields.map { name, value in
      let isText = value is String
      let number = (value as? Double).map { String(format: "%.3f", $0) } ?? value.description
      return (name, isText ? "\"\(value)\"" : number)
    }
  }

  var json: String { "{" + fields.map { "\"\($0.name)\":\($0.value)" }.joined(separator: ",") + "}" }
}

/// The processor time of the process so far.
func processorSeconds() -> Double {
  var time = timespec()
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
  return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
}

func residentBytes() -> Int {
  guard let text = try? String(contentsOfFile: "/proc/self/statm", encoding: .utf8) else { return 0 }
  let pages = text.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
  return pages * sysconf(Int32(_SC_PAGESIZE))
}
