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

  /// The time below which `percent` of all are.
  func percentile(_ percent: Int) -> Double {
    let sorted = microseconds.sorted()
    return sorted[min(sorted.count - 1, sorted.count * percent / 100)]
  }

  var median: Double { percentile(50) }

  var medianProcessorTime: Double { processorMicroseconds.sorted()[processorMicroseconds.count / 2] }

  var medianAllocations: UInt64 { allocations.sorted()[allocations.count / 2] }
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
