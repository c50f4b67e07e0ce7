import Foundation

/// What a process has used so far.
struct ProcessUsage: Sendable {
  /// User and system time of all its threads, seconds. From the process's CPU clock, in nanoseconds: the ticks of proc(5) are
  /// 10 ms, more than some changes cost.
  var cpu: Double
  /// Resident memory, bytes. From `smaps_rollup`, which is exact; the counters in `stat` lag by up to 64 pages a thread.
  var resident: Int

  /// - Throws: if there is no such process, or its memory may not be looked at.
  init(processID: Int32) throws {
    var clock = clockid_t()
    var time = timespec()
    guard clock_getcpuclockid(processID, &clock) == 0, clock_gettime(clock, &time) == 0 else {
      throw LoadFailure(description: "there is no process \(processID)")
    }
    cpu = Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
    let rollup = try String(contentsOfFile: "/proc/\(processID)/smaps_rollup", encoding: .utf8)
    let line = rollup.split(separator: "\n").first { $0.hasPrefix("Rss:") }
    guard let line, let kilobytes = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) }) else {
      throw LoadFailure(description: "/proc/\(processID)/smaps_rollup is odd")
    }
    resident = kilobytes * 1024
  }

  static func ofThisProcess() throws -> ProcessUsage { try ProcessUsage(processID: getpid()) }
}
